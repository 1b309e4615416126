-- The parts of the copies that systems send for an access request, each sealed to a key that lives and ends with the key
-- of its request. Of two rows of a part the one that the table took last stands: a job that died while it sent sends
-- anew. Deleted with the key of the request, or INNSYN_COPY_DAYS after its end.
CREATE TABLE IF NOT EXISTS copy_parts $on_cluster
(
    request_id  String,
    command_id  String,
    system      LowCardinality(String),
    attempt     UInt32,
    part        UInt32 COMMENT 'From 1',
    parts       UInt32,
    message     String CODEC(NONE) COMMENT 'The signed CopyPart as it came; what is in it is sealed by HPKE (RFC 9180)',
    received_at DateTime64(3, 'UTC')
)
ENGINE = ${replicated}ReplacingMergeTree
ORDER BY (command_id, attempt, part)
SETTINGS index_granularity = 64, fsync_after_insert = 1, fsync_part_directory = 1, enable_block_number_column = 1,
    finished_mutations_to_keep = 1, max_cleanup_delay_period = 60;
