-- The keys by which systems know their records, of events that name nobody but by a place or a device, sealed under a key
-- outside the database. Read to name a record to its system, for that alone; erased with the event.
CREATE TABLE IF NOT EXISTS record_keys $on_cluster
(
    topic     LowCardinality(String),
    partition Int32 CODEC(ZSTD(1)),
    offset    Int64 CODEC(Delta(8), ZSTD(1)),
    record    LowCardinality(String),
    field     LowCardinality(String),
    key       LowCardinality(String) COMMENT 'Name of the sealing key',
    sealed    String CODEC(NONE) COMMENT 'AES-256-GCM, bound to event, record and field'
)
ENGINE = ${replicated}ReplacingMergeTree
ORDER BY (topic, partition, offset)
SETTINGS index_granularity = 1024, fsync_after_insert = 1, fsync_part_directory = 1, finished_mutations_to_keep = 1,
    max_cleanup_delay_period = 60;
