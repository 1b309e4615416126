-- Which offsets are in the index. Written after the rows they cover, so the highest last_offset + 1 is where to go on.
CREATE TABLE IF NOT EXISTS ingest_ledger $on_cluster
(
    topic        LowCardinality(String),
    partition    Int32,
    first_offset Int64,
    last_offset  Int64,
    epoch        UInt64,
    events       UInt64,
    rows         UInt64,
    dead         UInt64,
    no_subject   UInt64 COMMENT 'Events that name nobody',
    tombstones   UInt64,
    lost         UInt64 COMMENT 'Offsets that retention removed from Kafka before they were read',
    written_at   DateTime64(3, 'UTC')
)
ENGINE = ${replicated}ReplacingMergeTree
ORDER BY (topic, partition, first_offset, last_offset)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- Who owns a partition: the highest epoch. A writer with a lower one is fenced.
CREATE TABLE IF NOT EXISTS partition_epochs $on_cluster
(
    topic      LowCardinality(String),
    partition  Int32,
    epoch      UInt64,
    worker     String,
    claimed_at DateTime64(3, 'UTC')
)
ENGINE = ${replicated}ReplacingMergeTree
ORDER BY (topic, partition, epoch, worker)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- Messages that are no events. The payload is sealed in the dead-letter topic, never here.
CREATE TABLE IF NOT EXISTS dead_letters $on_cluster
(
    topic         LowCardinality(String),
    partition     Int32,
    offset        Int64,
    reason        LowCardinality(String),
    schema_key    String COMMENT 'Framing with the schema id, hex',
    payload_bytes UInt64,
    seen_at       DateTime64(3, 'UTC')
)
ENGINE = ${replicated}ReplacingMergeTree
ORDER BY (topic, partition, offset)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;
