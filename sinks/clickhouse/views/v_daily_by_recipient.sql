-- v_daily_by_recipient: how many events were tagged, by recipient and the day (UTC) on which they happened; no token in it.
-- As the contracts declare them, '' for none.
-- events_tagged: each event once, however often it was read, erased since or not.
-- Example: what came in each month?
--   SELECT toStartOfMonth(day) AS month, recipient, sum(events_tagged) FROM v_daily_by_recipient GROUP BY ALL ORDER BY ALL
CREATE OR REPLACE VIEW v_daily_by_recipient $on_cluster AS
SELECT day, recipient, sum(events) AS events_tagged
FROM
(
    SELECT d.day AS day, recipient, groupBitmapMerge(d.offsets) AS events
    FROM lineage_daily AS d
    INNER JOIN (SELECT id, arrayJoin(if(empty(recipients), [''], recipients)) AS recipient FROM tag_sets FINAL) AS t
        ON t.id = d.tag_set
    GROUP BY day, recipient, d.topic, d.partition, d.epoch
)
GROUP BY day, recipient;
