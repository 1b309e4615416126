-- v_request_times: per right and state: how many requests, how many overdue, and how long the answers took; no person in it.
-- Example: do we answer within a month?
--   SELECT type, sum(requests), max(longest_days), sum(overdue) FROM v_request_times GROUP BY type
CREATE OR REPLACE VIEW v_request_times $on_cluster AS
SELECT
    type, state, count() AS requests, countIf(overdue) AS overdue, countIf(extended_months > 0) AS extended,
    countIf(days_taken IS NOT NULL) AS answered, round(avg(days_taken), 1) AS average_days,
    quantileExact(0.5)(days_taken) AS median_days, max(days_taken) AS longest_days,
    min(received_at) AS first_received, max(received_at) AS last_received
FROM v_requests
GROUP BY type, state;
