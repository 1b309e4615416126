-- v_subject_summary: per token, system and topic: how many events, first and last.
CREATE OR REPLACE VIEW v_subject_summary $on_cluster AS
SELECT
    lower(hex(l.token)) AS token, t.system AS system, l.topic AS topic,
    uniqExact(l.partition, l.offset) AS events, min(l.event_time) AS first_seen, max(l.event_time) AS last_seen
FROM lineage AS l FINAL
INNER JOIN (SELECT * FROM tag_sets FINAL) AS t ON t.id = l.tag_set
GROUP BY token, system, topic;
