-- v_expiry: what expires when, by which rule: a row for each system, record, category, last day and rule; no token in it.
-- until: the last day on which it may be kept, past ones are overdue; NULL: clocks of the person say it, another day for each
-- (clocks), or no active rule does (clocks empty), or it cannot be judged as the catalogue lacks a rule (unjudged). events:
-- held now, each counts once for each of its categories and roles. counted_at: when they were counted. Requests, orders and
-- restrictions keep some of it longer: `innsyn retention preview` says how much.
-- Example: what expires in the next three months, and what is overdue?
--   SELECT system, category, rule, citation, until, events FROM v_expiry WHERE until < today() + 90 ORDER BY until
CREATE OR REPLACE VIEW v_expiry $on_cluster AS
SELECT
    e.system AS system, e.record AS record, e.category AS category, e.until AS until, e.rule AS rule, r.citation AS citation,
    r.clock AS clock, r.period AS period, e.clocks AS clocks, e.rules AS rules, e.unjudged AS unjudged, e.events AS events,
    e.first_day AS first_day, e.last_day AS last_day, e.counted_at AS counted_at
FROM
(
    SELECT
        system, record, category, until, rule, clocks, rules, unjudged, sum(events) AS events,
        min(day) AS first_day, max(day) AS last_day, any(counted_at) AS counted_at
    FROM
    (
        SELECT
            system, record, category, day, events, counted_at, unjudged, if(unjudged, NULL, until) AS until,
            if(unjudged, '', rule) AS rule, if(unjudged, [], clocks) AS clocks, rules
        FROM v_terms_of_days
    )
    GROUP BY system, record, category, until, rule, clocks, rules, unjudged
) AS e
LEFT JOIN v_retention_rules AS r ON r.rule = e.rule;
