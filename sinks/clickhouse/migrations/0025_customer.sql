-- A record that names a customer is that customer's, whatever of somebody else stands in it: what a system is asked to do with
-- the others' records is counted without it.
ALTER TABLE lineage $on_cluster
    ADD COLUMN IF NOT EXISTS customer FixedString(16) CODEC(ZSTD(1))
    COMMENT 'Token of the customer whom the event names in the same role; zeros: none, or the row is theirs';
