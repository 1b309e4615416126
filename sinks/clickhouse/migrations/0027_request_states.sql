-- How each rights request stands, as its ledger says it: states and days, nothing of whom it is about. Written beside the
-- ledger by whoever reads it, within a minute or so; the row of the longest ledger counts.
CREATE TABLE IF NOT EXISTS request_states $on_cluster
(
    request_id      String,
    length          UInt32 COMMENT 'Events of its ledger by then',
    type            LowCardinality(String),
    channel         LowCardinality(String),
    state           LowCardinality(String),
    received_at     DateTime64(3, 'UTC'),
    due             Nullable(Date32) COMMENT 'NULL: nobody asked for it',
    running         Bool COMMENT 'Whether the deadline runs',
    answered_at     Nullable(DateTime64(3, 'UTC')),
    ended_at        Nullable(DateTime64(3, 'UTC')),
    extended_months UInt8,
    problems        UInt32
)
ENGINE = ${replicated}ReplacingMergeTree(length)
ORDER BY request_id
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;
