-- What happened to a preservation order, in order, append-only; whom it is about and its reference lie sealed in it. Of two
-- rows of a number the one that the table took first stands, as in request_events.
CREATE TABLE IF NOT EXISTS preservation_orders $on_cluster
(
    order_id String,
    sequence UInt32,
    entry    String COMMENT 'Which attempt to write it was',
    kind     LowCardinality(String),
    at       DateTime64(3, 'UTC'),
    content  String COMMENT 'JSON; holds no personal value in clear'
)
ENGINE = ${replicated}ReplacingMergeTree
ORDER BY (order_id, sequence, entry)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, enable_block_number_column = 1;
