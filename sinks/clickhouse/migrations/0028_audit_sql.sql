-- What is recorded of a query in SQL: never its text, which may hold a value of a person.
ALTER TABLE audit_log $on_cluster
    ADD COLUMN IF NOT EXISTS shape String DEFAULT '' COMMENT 'Hash of the query with each literal taken out; empty: no SQL',
    ADD COLUMN IF NOT EXISTS views Array(LowCardinality(String)) DEFAULT [] COMMENT 'Views that the query reads';
