-- v_controls: the last run of each check of duties: verdict is kept, broken, not_observable or failed, since when every run said
-- the same; found: how many violations, looked_at: how many things were looked at; why: what is missing, or what happened.
-- Example: what is broken, and since when?
--   SELECT check, since, found FROM v_controls WHERE verdict = 'broken' ORDER BY since
CREATE OR REPLACE VIEW v_controls $on_cluster AS
WITH runs AS
(
    -- What began later than now, by a clock that was ahead, counts only where there is nothing else.
    SELECT * FROM control_runs
    WHERE begun <= now64(3) OR check NOT IN (SELECT check FROM control_runs WHERE begun <= now64(3))
)
SELECT
    r.check AS check, argMax(r.verdict, r.begun) AS verdict, minIf(r.begun, r.begun > o.other) AS since, max(r.begun) AS last_run,
    argMax(r.found, r.begun) AS found, argMax(r.looked_at, r.begun) AS looked_at, argMax(r.why, r.begun) AS why
FROM runs AS r
INNER JOIN
(
    SELECT a.check AS check, maxIf(a.begun, a.verdict != s.said) AS other
    FROM runs AS a
    INNER JOIN (SELECT check, argMax(verdict, begun) AS said FROM runs GROUP BY check) AS s ON a.check = s.check
    GROUP BY a.check
) AS o ON r.check = o.check
GROUP BY r.check;
