-- What erasures took away, by the tokens that were the person's alone, so that it is known again when it comes back (GDPR
-- Art. 17 and 5(2)). Append-only: of several entries of a request the last stands, until it ends or its time is over.
CREATE TABLE IF NOT EXISTS suppressed $on_cluster
(
    request_id String,
    entered_at DateTime64(3, 'UTC'),
    until      DateTime64(3, 'UTC') COMMENT 'When it ends by itself',
    token      FixedString(16) CODEC(NONE),
    since      Int64 COMMENT 'Milliseconds since 1970; events from then on',
    before     Int64 COMMENT 'The same; events before it',
    port_from  UInt16,
    port_to    UInt16,
    stays      Array(UInt64) COMMENT 'Tag sets of which events stayed as they were'
)
ENGINE = ${replicated}MergeTree
ORDER BY (request_id, entered_at)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- What of it is not looked for any more before its time.
CREATE TABLE IF NOT EXISTS suppression_ends $on_cluster
(
    request_id String,
    ended_at   DateTime64(3, 'UTC'),
    ending     LowCardinality(String)
)
ENGINE = ${replicated}MergeTree
ORDER BY (request_id, ended_at)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- What came back all the same: a row for each batch, partition and request.
CREATE TABLE IF NOT EXISTS resurrected $on_cluster
(
    request_id   String,
    topic        LowCardinality(String),
    partition    Int32,
    first_offset Int64,
    last_offset  Int64,
    events       UInt64,
    arrival      LowCardinality(String) COMMENT 'producer, replay or retry',
    seen_at      DateTime64(3, 'UTC')
)
ENGINE = ${replicated}MergeTree
ORDER BY (request_id, topic, partition, seen_at)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;
