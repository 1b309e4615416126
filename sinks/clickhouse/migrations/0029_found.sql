-- For which events somebody can be found who name nobody by a customer number: what identity says as they are tagged. Rows
-- go through found_events, which keeps none, into sets of offsets by day, topic and word, which a repeated row cannot change.
CREATE TABLE IF NOT EXISTS found_events $on_cluster
(
    topic      LowCardinality(String),
    partition  Int32,
    offset     Int64,
    event_time DateTime64(3, 'UTC'),
    found      LowCardinality(String) COMMENT 'one, several, another_time or unknown'
)
ENGINE = Null;

CREATE TABLE IF NOT EXISTS found_daily $on_cluster
(
    day       Date,
    topic     LowCardinality(String),
    found     LowCardinality(String),
    partition Int32,
    epoch     UInt32 COMMENT 'High half of the offset',
    offsets   AggregateFunction(groupBitmap, UInt32) COMMENT 'Low halves of the offsets'
)
ENGINE = ${replicated}AggregatingMergeTree
PARTITION BY toYear(day)
ORDER BY (day, topic, found, partition, epoch)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS found_daily_feed $on_cluster TO found_daily AS
SELECT
    toDate(event_time) AS day, topic, found, partition, toUInt32(bitShiftRight(offset, 32)) AS epoch,
    groupBitmapState(toUInt32(bitAnd(offset, 4294967295))) AS offsets
FROM found_events
GROUP BY day, topic, found, partition, epoch;
