-- v_dead_letters: messages that could not be read, by topic and reason.
CREATE OR REPLACE VIEW v_dead_letters $on_cluster AS
SELECT topic, reason, count() AS messages, min(seen_at) AS first_seen, max(seen_at) AS last_seen
FROM dead_letters FINAL
GROUP BY topic, reason;
