-- What happened to a rights request, in order: states and decisions only, identifiers sealed. Append-only.
CREATE TABLE IF NOT EXISTS request_events $on_cluster
(
    request_id  String,
    sequence    UInt32,
    kind        LowCardinality(String),
    occurred_at DateTime64(3, 'UTC'),
    content     String COMMENT 'JSON; holds no personal value in clear'
)
ENGINE = ${replicated}ReplacingMergeTree
ORDER BY (request_id, sequence)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;
