-- Which token keys made what is in the index, in the order in which they came into force and were retired. Append-only.
-- Of two rows of a number the one that the table took first stands, as in request_events: two hosts that start on an empty
-- index with different keys must not both go on.
CREATE TABLE IF NOT EXISTS token_keys $on_cluster
(
    sequence UInt32,
    entry    String COMMENT 'Which attempt to write it was',
    kind     LowCardinality(String) COMMENT 'in_force or retired',
    key_id   String,
    check    String COMMENT 'HMAC-SHA256 of a constant under the key, 32 hex digits: proves that a key is this one',
    at       DateTime64(3, 'UTC')
)
ENGINE = ${replicated}ReplacingMergeTree
ORDER BY (sequence, entry)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, enable_block_number_column = 1;
