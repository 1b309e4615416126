-- What events say of duties towards their owner: consents, notices, disclosures, decisions (schemas/facts.py), in words of
-- closed lists alone. Erased with the event.
CREATE TABLE IF NOT EXISTS fact_events $on_cluster
(
    token      FixedString(16) CODEC(NONE) COMMENT 'Of the owner, a row for each identifier that the event gives',
    fact       LowCardinality(String),
    says       LowCardinality(String),
    about      Array(LowCardinality(String)) COMMENT 'Ids of the catalogue; unknown: the event has another value',
    recipient  LowCardinality(String),
    instrument LowCardinality(String),
    version    LowCardinality(String),
    occasion   LowCardinality(String),
    name       UInt64 CODEC(NONE) COMMENT 'Keyed hash of a name, 0 for none',
    evidence   Bool COMMENT 'Whether the event gives any',
    event_time DateTime64(3, 'UTC') CODEC(ZSTD(1)),
    topic      LowCardinality(String),
    partition  Int32 CODEC(ZSTD(1)),
    offset     Int64 CODEC(ZSTD(1)),
    part       UInt8 CODEC(ZSTD(1)) COMMENT 'Number of the rule of the record',
    key_id     LowCardinality(String) COMMENT 'Token key that made the token'
)
ENGINE = ${replicated}ReplacingMergeTree
ORDER BY (token, topic, partition, offset, part)
SETTINGS index_granularity = 1024, fsync_after_insert = 1, fsync_part_directory = 1, finished_mutations_to_keep = 1,
    max_cleanup_delay_period = 60;
