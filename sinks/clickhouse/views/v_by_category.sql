-- v_by_category: how many events and people there are of each data category; no token in it. With the categories that only
-- free texts reveal; an event counts under each of its categories.
-- events_tagged: distinct events that were ever tagged with it, each once however often it was read, erased since or not.
-- people_held: of how many people rows are held now, an erased one not among them; a person counts by the customer number
-- where an event names one, else by the identifier itself, so once for each identifier that no event names beside it;
-- beyond 100,000 within one percent. A row tagged anew counts under its older tags as well until its parts are merged.
-- Example: of how many people there is traffic data?
--   SELECT category, people_held FROM v_by_category ORDER BY people_held DESC LIMIT 10
CREATE OR REPLACE VIEW v_by_category $on_cluster AS
SELECT category, sum(events) AS events_tagged, max(people) AS people_held,
    min(first) AS first_day, max(last) AS last_day
FROM
(
    SELECT category, groupBitmapMerge(d.offsets) AS events, toUInt64(0) AS people,
        toNullable(min(d.day)) AS first, toNullable(max(d.day)) AS last
    FROM lineage_daily AS d
    INNER JOIN (SELECT id, arrayJoin(arrayDistinct(arrayConcat(categories, detected))) AS category FROM tag_sets FINAL) AS t
        ON t.id = d.tag_set
    GROUP BY category, d.topic, d.partition, d.epoch
    UNION ALL
    SELECT category, 0, uniqMerge(l.people), NULL, NULL
    FROM
    (
        SELECT tag_set, uniqState(if(customer = toFixedString('', 16), token, customer)) AS people
        FROM lineage GROUP BY tag_set
    ) AS l
    INNER JOIN (SELECT id, arrayJoin(arrayDistinct(arrayConcat(categories, detected))) AS category FROM tag_sets FINAL) AS t
        ON t.id = l.tag_set
    GROUP BY category
)
GROUP BY category;
