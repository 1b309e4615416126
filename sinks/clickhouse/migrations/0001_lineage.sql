-- What holds for all rows of one topic, writer schema, role and catalogue version. Small; id is a hash of the content.
CREATE TABLE IF NOT EXISTS tag_sets $on_cluster
(
    id                UInt64,
    topic             LowCardinality(String),
    record            LowCardinality(String),
    schema            FixedString(16) COMMENT 'CRC-64-AVRO fingerprint, hex',
    catalogue_version FixedString(12),
    key_id            LowCardinality(String) COMMENT 'Key that made the tokens of these rows',
    system            LowCardinality(String),
    subject_type      LowCardinality(String),
    categories        Array(LowCardinality(String)),
    purposes          Array(LowCardinality(String)),
    legal_basis       Map(LowCardinality(String), LowCardinality(String)) COMMENT 'Purpose to letter of GDPR Art. 6(1)',
    origin            LowCardinality(String),
    operation         LowCardinality(String),
    recipients        Array(LowCardinality(String)),
    retention         Array(LowCardinality(String)),
    held_only         Bool COMMENT 'After a partial erasure: categories are those still held'
)
ENGINE = ${replicated}ReplacingMergeTree
ORDER BY id
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- One row per event and subject reference. The sorting key is the row's identity: writing it again changes nothing.
-- A part per year: the financial year is what bookkeeping retention drops whole, and a look-up pays for each part.
CREATE TABLE IF NOT EXISTS lineage $on_cluster
(
    token      FixedString(16) COMMENT 'HMAC-SHA256 of identifier kind and value, first 16 bytes',
    topic      LowCardinality(String),
    partition  Int32 CODEC(ZSTD(1)),
    offset     Int64 CODEC(Delta(8), ZSTD(1)),
    role       Enum8('owner' = 1, 'counterparty' = 2, 'agent' = 3, 'mentioned' = 4) CODEC(ZSTD(1)),
    tag_set    UInt64 CODEC(ZSTD(1)),
    event_time DateTime64(3, 'UTC') CODEC(Delta(8), ZSTD(1)),
    port       UInt16 CODEC(ZSTD(1)) COMMENT 'Source port of an address token; 0 unknown'
)
ENGINE = ${replicated}ReplacingMergeTree
PARTITION BY toYear(event_time)
ORDER BY (token, topic, partition, offset, role)
SETTINGS index_granularity = 2048, fsync_after_insert = 1, fsync_part_directory = 1;

-- Events per day and tag set. Only states that a repeated row cannot change: the count is a set of offsets.
CREATE TABLE IF NOT EXISTS lineage_daily $on_cluster
(
    day        Date,
    topic      LowCardinality(String),
    tag_set    UInt64,
    partition  Int32,
    epoch      UInt32 COMMENT 'High half of the offset',
    offsets    AggregateFunction(groupBitmap, UInt32) COMMENT 'Low halves of the offsets',
    first_seen SimpleAggregateFunction(min, DateTime64(3, 'UTC')),
    last_seen  SimpleAggregateFunction(max, DateTime64(3, 'UTC'))
)
ENGINE = ${replicated}AggregatingMergeTree
PARTITION BY toYear(day)
ORDER BY (day, topic, tag_set, partition, epoch)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS lineage_daily_feed $on_cluster TO lineage_daily AS
SELECT
    toDate(event_time) AS day,
    topic,
    tag_set,
    partition,
    toUInt32(bitShiftRight(offset, 32)) AS epoch,
    groupBitmapState(toUInt32(bitAnd(offset, 4294967295))) AS offsets,
    min(event_time) AS first_seen,
    max(event_time) AS last_seen
FROM lineage
GROUP BY day, topic, tag_set, partition, epoch;
