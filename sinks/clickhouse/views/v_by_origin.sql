-- v_by_origin: how many events and people there are of each origin (from whom the data came, GDPR Art. 14(2)(f)); no token
-- in it.
-- events_tagged: distinct events that were ever tagged with it, each once however often it was read, erased since or not.
-- people_held: of how many people rows are held now, an erased one not among them; a person counts by the customer number
-- where an event names one, else by the identifier itself, so once for each identifier that no event names beside it;
-- beyond 100,000 within one percent. A row tagged anew counts under its older tags as well until its parts are merged.
-- Example: of whom there are data from a third party?
--   SELECT origin, people_held FROM v_by_origin ORDER BY people_held DESC LIMIT 10
CREATE OR REPLACE VIEW v_by_origin $on_cluster AS
SELECT origin, sum(events) AS events_tagged, max(people) AS people_held,
    min(first) AS first_day, max(last) AS last_day
FROM
(
    SELECT origin, groupBitmapMerge(d.offsets) AS events, toUInt64(0) AS people,
        toNullable(min(d.day)) AS first, toNullable(max(d.day)) AS last
    FROM lineage_daily AS d
    INNER JOIN (SELECT id, origin FROM tag_sets FINAL) AS t
        ON t.id = d.tag_set
    GROUP BY origin, d.topic, d.partition, d.epoch
    UNION ALL
    SELECT origin, 0, uniqMerge(l.people), NULL, NULL
    FROM
    (
        SELECT tag_set, uniqState(if(customer = toFixedString('', 16), token, customer)) AS people
        FROM lineage GROUP BY tag_set
    ) AS l
    INNER JOIN (SELECT id, origin FROM tag_sets FINAL) AS t
        ON t.id = l.tag_set
    GROUP BY origin
)
GROUP BY origin;
