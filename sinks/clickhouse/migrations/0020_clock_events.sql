-- What events say of retention clocks: that one started for their owner, or that it is going on. Erased with the event.
CREATE TABLE IF NOT EXISTS clock_events $on_cluster
(
    token      FixedString(16) CODEC(NONE),
    clock      LowCardinality(String),
    thing      FixedString(16) CODEC(NONE) COMMENT 'Token of what the clock runs for; zeros for the person as such',
    event_time DateTime64(3, 'UTC') CODEC(ZSTD(1)),
    since      DateTime64(3, 'UTC') CODEC(ZSTD(1)) COMMENT 'From when on data may be about the thing',
    started    Nullable(DateTime64(3, 'UTC')) CODEC(ZSTD(1)) COMMENT 'NULL: it is going on',
    topic      LowCardinality(String),
    partition  Int32 CODEC(ZSTD(1)),
    offset     Int64 CODEC(ZSTD(1)),
    part       UInt8 CODEC(ZSTD(1)) COMMENT 'Number of the rule of the record',
    key_id     LowCardinality(String) COMMENT 'Token key that made the tokens'
)
ENGINE = ${replicated}ReplacingMergeTree
ORDER BY (token, topic, partition, offset, part)
SETTINGS index_granularity = 1024, fsync_after_insert = 1, fsync_part_directory = 1, finished_mutations_to_keep = 1,
    max_cleanup_delay_period = 60;
