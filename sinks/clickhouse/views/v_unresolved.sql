-- v_unresolved: events for which nobody can be found, per day (UTC), topic and reason; no token in it. Of events that name
-- nobody by a customer number, as they were when they were tagged; tagged again, the better word counts.
-- reason: several, the identifier may mean several people; another_time, somebody had it, but not then; unknown, no link
-- speaks of it. of_events: all of the day and topic that were asked about; a tagger that has no time passes batches over.
-- Example: of which share of a topic's events nobody can be found, by month?
--   SELECT toStartOfMonth(day) AS month, topic, sum(events) / sum(of_events) * uniq(reason) AS share
--   FROM v_unresolved WHERE reason != 'several' GROUP BY ALL ORDER BY ALL
CREATE OR REPLACE VIEW v_unresolved $on_cluster AS
SELECT
    day, topic, said.1 AS reason, said.2 AS events, of_events, round(events / of_events, 4) AS share
FROM
(
    SELECT
        day, topic, sum(bitmapCardinality(every)) AS of_events,
        sum(bitmapCardinality(bitmapAndnot(several, one))) AS of_several,
        sum(bitmapCardinality(bitmapAndnot(bitmapAndnot(another_time, one), several))) AS of_another_time,
        sum(bitmapCardinality(bitmapAndnot(bitmapAndnot(bitmapAndnot(unknown, one), several), another_time))) AS of_unknown
    FROM
    (
        SELECT
            day, topic, partition, epoch, groupBitmapMergeState(offsets) AS every,
            groupBitmapMergeStateIf(offsets, found = 'one') AS one,
            groupBitmapMergeStateIf(offsets, found = 'several') AS several,
            groupBitmapMergeStateIf(offsets, found = 'another_time') AS another_time,
            groupBitmapMergeStateIf(offsets, found = 'unknown') AS unknown
        FROM found_daily
        GROUP BY day, topic, partition, epoch
    )
    GROUP BY day, topic
)
ARRAY JOIN [('several', of_several), ('another_time', of_another_time), ('unknown', of_unknown)] AS said;
