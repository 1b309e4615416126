-- v_daily_by_purpose: how many events were tagged, by purpose and the day (UTC) on which they happened; no token in it. A
-- row serves each purpose of its tag set, so that events count under several.
-- events_tagged: each event once, however often it was read, erased since or not.
-- Example: what came in each month?
--   SELECT toStartOfMonth(day) AS month, purpose, sum(events_tagged) FROM v_daily_by_purpose GROUP BY ALL ORDER BY ALL
CREATE OR REPLACE VIEW v_daily_by_purpose $on_cluster AS
SELECT day, purpose, sum(events) AS events_tagged
FROM
(
    SELECT d.day AS day, purpose, groupBitmapMerge(d.offsets) AS events
    FROM lineage_daily AS d
    INNER JOIN (SELECT id, arrayJoin(purposes) AS purpose FROM tag_sets FINAL) AS t
        ON t.id = d.tag_set
    GROUP BY day, purpose, d.topic, d.partition, d.epoch
)
GROUP BY day, purpose;
