-- What was done about dead letters: every retry and drop, with who, when and why. Append-only.
CREATE TABLE IF NOT EXISTS dead_letter_events $on_cluster
(
    topic     LowCardinality(String),
    partition Int32,
    offset    Int64,
    at        DateTime64(3, 'UTC'),
    entry     String COMMENT 'Random, so that two at the same moment both stay',
    kind      LowCardinality(String) COMMENT 'retry or drop',
    outcome   LowCardinality(String) COMMENT 'Of a retry: tagged, or the reason why it is no event still',
    by        String,
    why       String
)
ENGINE = ${replicated}ReplacingMergeTree
ORDER BY (topic, partition, offset, at, entry)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;
