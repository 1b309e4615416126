-- v_detections_summary: per system, topic, kind and category: how many detections, in how many events, how sure.
CREATE OR REPLACE VIEW v_detections_summary $on_cluster AS
SELECT
    system, topic, kind, category, count() AS detections, uniqExactIf((history, partition, offset), offset >= 0) AS events,
    min(score) AS lowest_score, max(score) AS highest_score
FROM v_detections
GROUP BY system, topic, kind, category;
