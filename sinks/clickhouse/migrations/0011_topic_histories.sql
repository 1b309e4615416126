-- Which log each partition in the index is of: a topic that is deleted and made anew has another id, and begins a history.
-- In every table a partition of history n is n * 100000 + the number that Kafka gives it.
CREATE TABLE IF NOT EXISTS topic_histories $on_cluster
(
    topic     LowCardinality(String),
    partition Int32 COMMENT 'As Kafka numbers it',
    history   UInt32 COMMENT '0 for the first that the index knew',
    topic_id  String COMMENT 'KIP-516; empty: the broker told none',
    noted_at  DateTime64(3, 'UTC')
)
ENGINE = ${replicated}ReplacingMergeTree(noted_at)
ORDER BY (topic, partition, history)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;
