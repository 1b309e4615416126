-- Several events tell of one record of a system: made, changed, deleted. A system counts its records, so they are told apart.
ALTER TABLE lineage $on_cluster
    ADD COLUMN IF NOT EXISTS record UInt64 CODEC(ZSTD(1)) COMMENT 'Keyed hash of the record key; 0: its schema names none';
