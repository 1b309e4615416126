-- v_retention_rules: the retention rules in force, as the catalogue has them. `covers` empty: every category. `period`
-- empty: it ends on the day on which its clock starts. `decides`: whether it says when data go.
-- Example: which rules are by the end of the contract?
--   SELECT rule, citation, period FROM v_retention_rules WHERE clock = 'contract_end'
CREATE OR REPLACE VIEW v_retention_rules $on_cluster AS
SELECT
    id AS rule, JSONExtractString(content, 'authority') AS citation, JSONExtractString(content, 'clock') AS clock,
    JSONExtractString(content, 'period') AS period, JSONExtract(content, 'months', 'Int32') AS months,
    JSONExtract(content, 'days', 'Int32') AS days, JSONExtractString(content, 'effect') AS effect,
    JSONExtract(content, 'rank', 'UInt8') AS rank, JSONExtractBool(content, 'locked') AS locked,
    JSONExtractBool(content, 'active') AS active, JSONExtractBool(content, 'decides') AS decides,
    JSONExtractBool(content, 'of_moment') AS of_moment, JSONExtract(content, 'covers', 'Array(String)') AS covers
FROM (SELECT * FROM catalogue_entries FINAL)
WHERE kind = 'retention_rule' AND version = (SELECT argMax(version, at) FROM catalogue_in_force);
