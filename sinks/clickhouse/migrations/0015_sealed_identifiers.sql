-- The identifiers that claims mention, sealed under a key outside the database, so that systems can be told whose records
-- to erase. Read for that alone; of a token the row that was written last stands. With its key destroyed a row is nothing.
CREATE TABLE IF NOT EXISTS sealed_identifiers $on_cluster
(
    token      FixedString(16) CODEC(NONE),
    kind       LowCardinality(String),
    length     UInt8 CODEC(ZSTD(1)) COMMENT 'Of an IPv6 prefix; 0 for an identifier itself',
    key        LowCardinality(String) COMMENT 'Name of the sealing key',
    sealed     String CODEC(NONE) COMMENT 'AES-256-GCM, bound to token and kind',
    written_at DateTime64(3, 'UTC') CODEC(ZSTD(1)),
    key_id     LowCardinality(String) COMMENT 'Token key that made the token'
)
ENGINE = ${replicated}ReplacingMergeTree(written_at)
ORDER BY token
SETTINGS index_granularity = 1024, fsync_after_insert = 1, fsync_part_directory = 1;
