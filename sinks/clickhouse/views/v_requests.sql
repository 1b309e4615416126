-- v_requests: every rights request as it stands, with its times; nothing of whom it is about.
-- due: the last day on which it may be answered, moved by extensions; NULL: nobody asked for it, such as a retention run.
-- overdue: that day is over (in UTC) and there is no end yet. days_taken: from receipt to answer. As the ledger was a minute ago.
-- Example: which requests are overdue?
--   SELECT request_id, type, state, due FROM v_requests WHERE overdue ORDER BY due
CREATE OR REPLACE VIEW v_requests $on_cluster AS
SELECT
    request_id, type, channel, state, received_at, due, running AND due < toDate32(now('UTC')) AS overdue,
    answered_at, ended_at, if(answered_at IS NULL, NULL, dateDiff('day', received_at, answered_at)) AS days_taken,
    extended_months, problems
FROM (SELECT * FROM request_states FINAL);
