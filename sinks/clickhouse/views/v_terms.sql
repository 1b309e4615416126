-- v_terms: by which retention rules each category of a tag set goes, and by which clocks of the person.
-- ways: each a set of rules; what ends first counts, as what only a free text reveals goes with the text where that goes
-- earlier. clocks: without these nobody can say when, as they start on another day for each person; neither ways nor clocks:
-- no active rule says it. unjudged: it names a rule that the catalogue lacks. v_expiry reads it.
-- Example: what turns on a clock of the person?
--   SELECT DISTINCT system, category, clocks FROM v_terms WHERE notEmpty(clocks)
CREATE OR REPLACE VIEW v_terms $on_cluster AS
WITH
    (
        SELECT CAST(groupArray((rule, clock, months, days, effect, rank, locked, period, covers)),
            'Array(Tuple(rule String, clock String, months Int32, days Int32, effect String, rank UInt8, locked Bool, '
            || 'period String, covers Array(String)))')
        FROM v_retention_rules WHERE decides
    ) AS deciding,
    (SELECT groupArray(rule) FROM v_retention_rules) AS known_rules,
    (SELECT groupUniqArray(clock) FROM v_retention_rules WHERE of_moment) AS moments,
    (SELECT argMax(told, at) FROM catalogue_in_force) AS told_by_records,
    (SELECT groupUniqArray(clock) FROM clock_events) AS told_by_events,
    arrayConcat(['event', 'financial_year_end'], arrayFilter(
        x -> NOT has(told_by_records, x) AND NOT has(told_by_events, x), moments)) AS of_all
SELECT
    tag_set, system, topic, record, category, unjudged,
    arrayMap(r -> r.rule, own) AS rules,
    arrayMap(way -> arrayFilter(r -> has(of_all, r.clock), way), arrayFilter(
        way -> arrayAll(r -> has(of_all, r.clock), way.2), said).1) AS ways,
    if(notEmpty(ways), [], arraySort(arrayDistinct(arrayFlatten(arrayMap(
        way -> arrayFilter(clock -> NOT has(of_all, clock), arrayMap(r -> r.clock, way.2)), said))))) AS clocks
FROM
(
    SELECT
        t.id AS tag_set, t.system AS system, t.topic AS topic, t.record AS record, t.category AS category,
        NOT arrayAll(x -> has(known_rules, x), t.retention) AS unjudged,
        arrayFilter(r -> has(t.retention, r.rule), deciding) AS named,
        has(t.detected, t.category) AND NOT has(t.categories, t.category) AS revealed,
        if(revealed AND notEmpty(c.rules) AND NOT t.held_only, arrayFilter(r -> has(c.rules, r.rule), deciding),
            arrayFilter(r -> empty(r.covers) OR has(r.covers, t.category), named)) AS own,
        if(revealed, arrayFilter(r -> empty(r.covers) OR hasAny(r.covers, t.categories), named), []) AS of_text,
        -- Each with those of its rules without which nobody can say when: one that forces deletion only shortens.
        arrayMap(way -> (way, if(arrayExists(r -> r.effect != 'forces_deletion', way),
            arrayFilter(r -> r.effect != 'forces_deletion', way), way)),
            arrayFilter(way -> notEmpty(way), [own, of_text])) AS said
    FROM
    (
        SELECT *, arrayJoin(arrayDistinct(arrayConcat(categories, detected))) AS category FROM tag_sets FINAL
    ) AS t
    LEFT JOIN
    (
        SELECT id, JSONExtract(content, 'revealed', 'Array(String)') AS rules
        FROM catalogue_entries FINAL
        WHERE kind = 'category' AND version = (SELECT argMax(version, at) FROM catalogue_in_force)
    ) AS c ON c.id = t.category
);
