-- v_terms_of_days: until which day what is held of each day may be kept, and by which rule: a row for each tag set, category
-- and day. until: the last day, NULL where clocks of the person say it; rule empty then. events: held now, as they were
-- counted last. The same rules in the same order as an answer about a person goes by (schemas/policy.py).
-- Example: what of one day goes when?
--   SELECT category, rule, until, events FROM v_terms_of_days WHERE day = '2026-01-31' AND system = 'billing'
CREATE OR REPLACE VIEW v_terms_of_days $on_cluster AS
WITH (SELECT max(counted_at) FROM held_counts) AS last_count
SELECT
    tag_set, any(system) AS system, any(topic) AS topic, any(record) AS record, category, day, any(events) AS events,
    any(unjudged) AS unjudged, argMin(end.5, (end.1, number)) AS rule,
    if(rule = '', NULL, toDate32(min(end.1))) AS until, any(rules) AS rules, any(clocks) AS clocks, last_count AS counted_at
FROM
(
    SELECT
        t.tag_set AS tag_set, system, topic, record, category, unjudged, rules, clocks,
        h.day AS day, h.events AS events, t.number AS number,
        arrayMap(r -> (
            toInt32(addDays(addMonths(
                if(r.clock = 'financial_year_end', makeDate32(toYear(h.day), 12, 31), h.day), r.months), r.days)),
            r.rank, NOT r.locked, empty(r.period), r.rule), t.way) AS ends,
        -- Of what the purpose allows the latest; of that and what forces deletion the earliest; of that and what the law
        -- holds the latest. Equal ones by rank, locked first, one with a period first.
        arraySlice(arraySort(x -> (-x.1, x.2, x.3, x.4, x.5), arrayFilter(x -> x.2 > 3, ends)), 1, 1) AS purpose,
        arraySlice(arraySort(x -> (x.1, x.2, x.3, x.5), arrayConcat(arrayFilter(x -> x.2 = 3, ends), purpose)), 1, 1) AS shortest,
        arraySort(x -> (-x.1, x.2, x.3, x.4, x.5), arrayConcat(arrayFilter(x -> x.2 < 3, ends), shortest))[1] AS end
    FROM
    (
        SELECT tag_set, system, topic, record, category, unjudged, rules, clocks, way, number
        FROM v_terms LEFT ARRAY JOIN ways AS way, arrayEnumerate(ways) AS number
    ) AS t
    INNER JOIN
    (
        SELECT tag_set, day, events FROM held_days FINAL WHERE counted_at = last_count
    ) AS h ON h.tag_set = t.tag_set
)
GROUP BY tag_set, category, day;
