-- v_findings_summary: per system, topic, kind and category: how many findings, in how many events, how sure.
CREATE OR REPLACE VIEW v_findings_summary $on_cluster AS
SELECT
    system, topic, kind, category, count() AS findings, uniqExactIf((history, partition, offset), offset >= 0) AS events,
    min(score) AS lowest_score, max(score) AS highest_score
FROM v_findings
GROUP BY system, topic, kind, category;
