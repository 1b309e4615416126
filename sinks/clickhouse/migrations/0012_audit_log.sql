-- Who asked what about whom: one row for each question that was answered or refused, written before its answer is given
-- (GDPR Art. 5(2), 24, 32). No value of a person: kinds of identifiers, and tokens of those the answer was about.
-- Kept for three years, in which a claim for misuse can be raised as a rule (foreldelsesloven §§ 2, 9); whole months go.
CREATE TABLE IF NOT EXISTS audit_log $on_cluster
(
    at           DateTime64(3, 'UTC'),
    entry        String COMMENT 'Random, so that two at the same moment both stay, and one written twice is one',
    caller       LowCardinality(String) COMMENT 'Name of the credential; empty: none that is known',
    client       String COMMENT 'Network address; empty: a command on the machine of the index',
    action       LowCardinality(String) COMMENT 'Method and route, never a path as it was sent',
    kinds        Array(LowCardinality(String)),
    identifiers  UInt16,
    subjects     Array(FixedString(16)) COMMENT 'Tokens of whom the answer was about; none: nobody was found',
    key_id       LowCardinality(String) COMMENT 'Key of these tokens',
    request_id   String,
    purpose      LowCardinality(String) COMMENT 'A code that the caller gave',
    resolution   LowCardinality(String),
    size         UInt64 COMMENT 'Events that the answer counts; of a list its items',
    status       UInt16 COMMENT 'Of HTTP',
    milliseconds UInt32
)
ENGINE = ${replicated}ReplacingMergeTree
PARTITION BY toYYYYMM(at)
ORDER BY (at, entry)
TTL toDateTime(at) + INTERVAL 3 YEAR
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, ttl_only_drop_parts = 1;
