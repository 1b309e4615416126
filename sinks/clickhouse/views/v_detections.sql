-- v_detections: what was recognised in free texts and where, never the text; and as untagged_field, at no event (-1), each field that no contract names.
CREATE OR REPLACE VIEW v_detections $on_cluster AS
SELECT
    t.system AS system, f.topic AS topic, f.partition AS partition, f.history AS history, f.offset AS offset, f.field AS field,
    f.start AS start, f.end AS end, f.kind AS kind, f.category AS category, f.score AS score
FROM
(
    SELECT
        toString(topic) AS topic, partition % 100000 AS partition, intDiv(partition, 100000) AS history, offset, toString(field) AS field,
        start, end, toString(kind) AS kind, toString(category) AS category, score
    FROM findings FINAL
    UNION ALL
    SELECT DISTINCT
        toString(topic), toInt32(-1), toInt32(0), toInt64(-1), path, toUInt32(0), toUInt32(0), 'untagged_field', '', toFloat32(1)
    FROM untagged_fields
) AS f
LEFT JOIN (SELECT topic, any(system) AS system FROM tag_sets GROUP BY topic) AS t ON t.topic = f.topic;
