-- v_daily_by_origin: how many events were tagged, by origin and the day (UTC) on which they happened; no token in it.
-- events_tagged: each event once, however often it was read, erased since or not.
-- Example: what came in each month?
--   SELECT toStartOfMonth(day) AS month, origin, sum(events_tagged) FROM v_daily_by_origin GROUP BY ALL ORDER BY ALL
CREATE OR REPLACE VIEW v_daily_by_origin $on_cluster AS
SELECT day, origin, sum(events) AS events_tagged
FROM
(
    SELECT d.day AS day, origin, groupBitmapMerge(d.offsets) AS events
    FROM lineage_daily AS d
    INNER JOIN (SELECT id, origin FROM tag_sets FINAL) AS t
        ON t.id = d.tag_set
    GROUP BY day, origin, d.topic, d.partition, d.epoch
)
GROUP BY day, origin;
