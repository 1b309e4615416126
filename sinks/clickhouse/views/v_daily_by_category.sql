-- v_daily_by_category: how many events were tagged, by category and the day (UTC) on which they happened; no token in it.
-- With the categories that only free texts reveal; an event counts under each of its categories.
-- events_tagged: each event once, however often it was read, erased since or not.
-- Example: what came in each month?
--   SELECT toStartOfMonth(day) AS month, category, sum(events_tagged) FROM v_daily_by_category GROUP BY ALL ORDER BY ALL
CREATE OR REPLACE VIEW v_daily_by_category $on_cluster AS
SELECT day, category, sum(events) AS events_tagged
FROM
(
    SELECT d.day AS day, category, groupBitmapMerge(d.offsets) AS events
    FROM lineage_daily AS d
    INNER JOIN (SELECT id, arrayJoin(arrayDistinct(arrayConcat(categories, detected))) AS category FROM tag_sets FINAL) AS t
        ON t.id = d.tag_set
    GROUP BY day, category, d.topic, d.partition, d.epoch
)
GROUP BY day, category;
