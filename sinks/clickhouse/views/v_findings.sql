-- v_findings: what was recognised in free texts and where, never the text.
CREATE OR REPLACE VIEW v_findings $on_cluster AS
SELECT
    t.system AS system, f.topic AS topic, f.partition % 100000 AS partition, intDiv(f.partition, 100000) AS history, f.offset AS offset, f.field AS field,
    f.start AS start, f.end AS end, f.kind AS kind, f.category AS category, f.score AS score
FROM findings AS f FINAL
LEFT JOIN (SELECT topic, any(system) AS system FROM tag_sets GROUP BY topic) AS t ON t.topic = f.topic;
