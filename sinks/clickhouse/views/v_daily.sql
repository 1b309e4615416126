-- v_daily: events tagged per day, system and topic, from the rollup; each event once, however often it was tagged and
-- under however many catalogue versions. Counts what was tagged, erased since or not.
CREATE OR REPLACE VIEW v_daily $on_cluster AS
SELECT
    day, system, topic, groupUniqArrayArray(categories) AS categories, sum(events) AS events,
    min(first_seen) AS first_seen, max(last_seen) AS last_seen
FROM
(
    SELECT
        d.day AS day, t.system AS system, d.topic AS topic, groupUniqArrayArray(arrayConcat(t.categories, t.detected)) AS categories,
        groupBitmapMerge(d.offsets) AS events, min(d.first_seen) AS first_seen, max(d.last_seen) AS last_seen
    FROM lineage_daily AS d
    INNER JOIN (SELECT * FROM tag_sets FINAL) AS t ON t.id = d.tag_set
    GROUP BY d.day, t.system, d.topic, d.partition, d.epoch
)
GROUP BY day, system, topic;
