-- What was found against the duties of the company (docs/duties.md), each finding as what happened to it, in order,
-- append-only: opened, seen otherwise, mended, opened again, explained, accepted. No personal value: tokens and coordinates.
-- Of two rows of a number the one that the table took first stands, as in request_events.
CREATE TABLE IF NOT EXISTS duty_findings $on_cluster
(
    finding  String COMMENT 'First 16 hex digits of SHA-256 over check and key',
    sequence UInt32,
    entry    String COMMENT 'Which attempt to write it was',
    kind     LowCardinality(String),
    at       DateTime64(3, 'UTC'),
    check    LowCardinality(String),
    key      String COMMENT 'What of the check it is about: ids, topics, days, or a token in hex',
    content  String COMMENT 'JSON'
)
ENGINE = ${replicated}ReplacingMergeTree
ORDER BY (finding, sequence, entry)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, enable_block_number_column = 1;

-- Every run of a check with what came of it, also one that failed. Kept for three years, as the record of questions is.
CREATE TABLE IF NOT EXISTS control_runs $on_cluster
(
    check     LowCardinality(String),
    begun     DateTime64(3, 'UTC'),
    ended     DateTime64(3, 'UTC'),
    verdict   LowCardinality(String) COMMENT 'kept, broken, not_observable or failed',
    looked_at UInt64 COMMENT 'How many things were looked at',
    found     UInt32 COMMENT 'How many violations there were',
    why       String COMMENT 'Of not_observable what is missing, of failed what happened; no personal value'
)
ENGINE = ${replicated}ReplacingMergeTree
PARTITION BY toYYYYMM(begun)
ORDER BY (check, begun)
TTL toDateTime(begun) + INTERVAL 3 YEAR
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, ttl_only_drop_parts = 1;

-- Their names are v_detections and v_detections_summary.
DROP VIEW IF EXISTS v_findings_summary $on_cluster;
DROP VIEW IF EXISTS v_findings $on_cluster;
