-- What events say of who an identifier belonged to: one row per claim and key, so that all claims on one key lie together.
-- The sorting key is the row's identity; of a claim that is written again the version that was learnt first stands.
CREATE TABLE IF NOT EXISTS identity_claims $on_cluster
(
    key       FixedString(16) COMMENT 'Token, subject, group or line of the claim; the server of an off or on mark',
    form      Enum8('none' = 0, 'session' = 1, 'state' = 2, 'login' = 3, 'merge' = 4) CODEC(ZSTD(1)),
    mark      Enum8('none' = 0, 'open' = 1, 'seen' = 2, 'close' = 3, 'off' = 4, 'on' = 5) CODEC(ZSTD(1)),
    token     FixedString(16) CODEC(ZSTD(1)) COMMENT 'What was observed; zero bytes: nothing',
    length    UInt8 CODEC(ZSTD(1)) COMMENT 'Of an IPv6 prefix; 0 for an identifier itself',
    port_from UInt16 CODEC(ZSTD(1)),
    port_to   UInt16 CODEC(ZSTD(1)),
    subject   FixedString(16) CODEC(ZSTD(1)) COMMENT 'Whose it is',
    group     FixedString(16) CODEC(ZSTD(1)) COMMENT 'Session or slot',
    line      FixedString(16) CODEC(ZSTD(1)) COMMENT 'Access line',
    server    FixedString(16) CODEC(ZSTD(1)) COMMENT 'Server that reports',
    at        DateTime64(3, 'UTC') CODEC(Delta(8), ZSTD(1)),
    since     Nullable(DateTime64(3, 'UTC')) CODEC(ZSTD(1)),
    until     Nullable(DateTime64(3, 'UTC')) CODEC(Delta(8), ZSTD(1)),
    proof     Enum8('none' = 0, 'holder' = 1, 'subscriber' = 2, 'line_owner' = 3, 'user' = 4, 'payer' = 5) CODEC(ZSTD(1)),
    source    LowCardinality(String),
    topic     LowCardinality(String),
    partition Int32 CODEC(ZSTD(1)),
    offset    Int64 CODEC(Delta(8), ZSTD(1)),
    part      UInt8 CODEC(ZSTD(1)) COMMENT 'An event may make several claims',
    learnt_at DateTime64(3, 'UTC') CODEC(Delta(8), ZSTD(1)),
    -- Of the versions of a row the highest stands.
    earliness UInt64 MATERIALIZED 18446744073709551615 - toUnixTimestamp64Milli(learnt_at) CODEC(Delta(8), ZSTD(1))
)
ENGINE = ${replicated}ReplacingMergeTree(earliness)
ORDER BY (key, topic, partition, offset, part)
SETTINGS index_granularity = 512, min_compress_block_size = 16384, fsync_after_insert = 1, fsync_part_directory = 1;

-- The same for data kept for the police alone, 12 months from the end of the communication (ekomloven § 3-13), to be
-- disclosed to nobody else (§ 3-14). A store of its own: nothing that answers access, erasure or tagging reads it.
CREATE TABLE IF NOT EXISTS retained_claims $on_cluster AS identity_claims
ENGINE = ${replicated}ReplacingMergeTree(earliness)
ORDER BY (key, topic, partition, offset, part)
SETTINGS index_granularity = 512, min_compress_block_size = 16384, fsync_after_insert = 1, fsync_part_directory = 1;

-- Which IPv6 prefixes an observed address lies under: a keyed hash does not show it.
CREATE TABLE IF NOT EXISTS address_prefixes $on_cluster
(
    prefix FixedString(16) CODEC(ZSTD(1)),
    length UInt8 CODEC(ZSTD(1)),
    token  FixedString(16) CODEC(ZSTD(1)) COMMENT 'The address',
    INDEX by_token token TYPE bloom_filter GRANULARITY 1
)
ENGINE = ${replicated}ReplacingMergeTree
ORDER BY (prefix, length, token)
SETTINGS index_granularity = 2048, fsync_after_insert = 1, fsync_part_directory = 1;

-- What was recognised in free texts and where, in characters, half-open. Never the text.
CREATE TABLE IF NOT EXISTS findings $on_cluster
(
    topic     LowCardinality(String),
    partition Int32 CODEC(ZSTD(1)),
    offset    Int64 CODEC(Delta(8), ZSTD(1)),
    field     LowCardinality(String),
    start     UInt32 CODEC(ZSTD(1)),
    end       UInt32 CODEC(ZSTD(1)),
    kind      LowCardinality(String),
    category  LowCardinality(String),
    score     Float32 CODEC(ZSTD(1))
)
ENGINE = ${replicated}ReplacingMergeTree
ORDER BY (topic, partition, offset, field, start, end, kind)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- When the index first had each range: the ledger keeps the last time a range was written, a replay may be one.
CREATE TABLE IF NOT EXISTS ingest_known $on_cluster
(
    topic       LowCardinality(String),
    partition   Int32,
    last_offset Int64,
    written_at  SimpleAggregateFunction(min, DateTime64(3, 'UTC'))
)
ENGINE = ${replicated}AggregatingMergeTree
ORDER BY (topic, partition, last_offset)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS ingest_known_feed $on_cluster TO ingest_known AS
SELECT topic, partition, last_offset, min(written_at) AS written_at
FROM ingest_ledger
GROUP BY topic, partition, last_offset;

-- Ranges from before this table; again they change nothing.
INSERT INTO ingest_known
SELECT topic, partition, last_offset, min(written_at) FROM ingest_ledger GROUP BY topic, partition, last_offset;

ALTER TABLE tag_sets $on_cluster
    ADD COLUMN IF NOT EXISTS detected Array(LowCardinality(String)) COMMENT 'Categories found in free texts';
