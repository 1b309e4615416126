-- Fields that came in messages and stand in no contract: the path, never a value. Some dozens for each topic.
CREATE TABLE IF NOT EXISTS untagged_fields $on_cluster
(
    topic      LowCardinality(String),
    path       String,
    first_seen SimpleAggregateFunction(min, DateTime64(3, 'UTC')),
    last_seen  SimpleAggregateFunction(max, DateTime64(3, 'UTC'))
)
ENGINE = ${replicated}AggregatingMergeTree
ORDER BY (topic, path)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;
