-- v_by_source: how many events and people there are of each topic and record; no token in it.
-- events_tagged: distinct events that were ever tagged with it, each once however often it was read, erased since or not.
-- people_held: of how many people rows are held now, an erased one not among them; a person counts by the customer number
-- where an event names one, else by the identifier itself, so once for each identifier that no event names beside it;
-- beyond 100,000 within one percent. A row tagged anew counts under its older tags as well until its parts are merged.
-- Example: from which sources most people's data come?
--   SELECT source, record, people_held FROM v_by_source ORDER BY people_held DESC LIMIT 10
CREATE OR REPLACE VIEW v_by_source $on_cluster AS
SELECT source, record, sum(events) AS events_tagged, max(people) AS people_held,
    min(first) AS first_day, max(last) AS last_day
FROM
(
    SELECT source, record, groupBitmapMerge(d.offsets) AS events, toUInt64(0) AS people,
        toNullable(min(d.day)) AS first, toNullable(max(d.day)) AS last
    FROM lineage_daily AS d
    INNER JOIN (SELECT id, topic AS source, record FROM tag_sets FINAL) AS t
        ON t.id = d.tag_set
    GROUP BY source, record, d.topic, d.partition, d.epoch
    UNION ALL
    SELECT source, record, 0, uniqMerge(l.people), NULL, NULL
    FROM
    (
        SELECT tag_set, uniqState(if(customer = toFixedString('', 16), token, customer)) AS people
        FROM lineage GROUP BY tag_set
    ) AS l
    INNER JOIN (SELECT id, topic AS source, record FROM tag_sets FINAL) AS t
        ON t.id = l.tag_set
    GROUP BY source, record
)
GROUP BY source, record;
