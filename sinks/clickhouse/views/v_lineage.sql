-- v_lineage: every row of the index with its tags spelt out; `detected`: what free texts reveal. Filter by token first:
-- unhex('...') of the token's hex. `history`: how often the topic had been deleted and made anew before this message.
CREATE OR REPLACE VIEW v_lineage $on_cluster AS
SELECT
    lower(hex(l.token)) AS token, l.event_time AS event_time, t.system AS system, l.topic AS topic,
    l.partition % 100000 AS partition, intDiv(l.partition, 100000) AS history, l.offset AS offset, l.role AS role, t.record AS record,
    arrayDistinct(arrayConcat(t.categories, t.detected)) AS categories,
    t.purposes AS purposes, t.legal_basis AS legal_basis, t.origin AS origin, t.recipients AS recipients,
    t.retention AS retention_rules, t.held_only AS held_only, t.detected AS detected
FROM lineage AS l FINAL
INNER JOIN (SELECT * FROM tag_sets FINAL) AS t ON t.id = l.tag_set;
