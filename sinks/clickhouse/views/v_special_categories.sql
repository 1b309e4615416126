-- v_special_categories: categories that need more care, where they are held; a row for each category, system and topic, and
-- whether the schema declares it or free texts alone reveal it (found). special: GDPR Art. 9, as the catalogue's DPV terms
-- have it; sensitivity: 3 is high. No token in it.
-- events_tagged: distinct events, erased since or not. people_held: see v_by_category.
-- Example: where do texts reveal what no schema declares?
--   SELECT category, system, topic, people_held FROM v_special_categories WHERE found = 'detected'
CREATE OR REPLACE VIEW v_special_categories $on_cluster AS
WITH
    (
        SELECT groupArray((id, content)) FROM catalogue_entries FINAL
        WHERE kind = 'category' AND version = (SELECT argMax(version, at) FROM catalogue_in_force)
    ) AS entries
SELECT
    category, JSONExtractString(JSONExtractRaw(content, 'name'), 'en') AS name, system, topic, found,
    has(JSONExtract(content, 'dpv', 'Array(String)'), 'dpv:SpecialCategoryPersonalData') AS special,
    JSONExtract(content, 'sensitivity', 'UInt8') AS sensitivity, JSONExtractBool(content, 'national_id') AS national_id,
    JSONExtractBool(content, 'telecom_secrecy') AS telecom_secrecy, JSONExtractBool(content, 'children') AS children,
    events_tagged, people_held
FROM
(
    SELECT
        category, system, topic, found, sum(events) AS events_tagged, max(people) AS people_held,
        arrayFirst(x -> x.1 = category, entries).2 AS content
    FROM
    (
        SELECT category, system, t.topic AS topic, found, groupBitmapMerge(d.offsets) AS events, toUInt64(0) AS people
        FROM lineage_daily AS d
        INNER JOIN
        (
            SELECT id, topic, system, arrayJoin(arrayDistinct(arrayConcat(categories, detected))) AS category,
                if(has(categories, category), 'declared', 'detected') AS found
            FROM tag_sets FINAL
        ) AS t ON t.id = d.tag_set
        GROUP BY category, system, topic, found, d.partition, d.epoch
        UNION ALL
        SELECT category, system, topic, found, 0, uniqMerge(l.people)
        FROM
        (
            SELECT tag_set, uniqState(if(customer = toFixedString('', 16), token, customer)) AS people
            FROM lineage GROUP BY tag_set
        ) AS l
        INNER JOIN
        (
            SELECT id, topic, system, arrayJoin(arrayDistinct(arrayConcat(categories, detected))) AS category,
                if(has(categories, category), 'declared', 'detected') AS found
            FROM tag_sets FINAL
        ) AS t ON t.id = l.tag_set
        GROUP BY category, system, topic, found
    )
    GROUP BY category, system, topic, found
)
WHERE special OR sensitivity = 3 OR national_id OR telecom_secrecy OR children OR found = 'detected';
