-- The transparency log over the ledger of requests, the audit record and the statements: what was recorded once can be
-- shown not to have been changed, removed or put in afterwards. One row is one signed tree head with the leaves that it
-- adds, so that either all of it is there or nothing. Of two rows of a number the one that the table took first stands,
-- as in request_events. The leaves stay when the entries they are of are dropped: a digest tells nothing of a person.
CREATE TABLE IF NOT EXISTS log_seals $on_cluster
(
    sequence  UInt64,
    entry     String COMMENT 'Which attempt to write it was',
    at        DateTime64(3, 'UTC'),
    size      UInt64 COMMENT 'Leaves of the whole tree, with these',
    root      FixedString(32) COMMENT 'Of the whole tree (RFC 9162, 2.1)',
    previous  FixedString(32) COMMENT 'Hash of the head before it',
    key_id    LowCardinality(String),
    signature FixedString(64) COMMENT 'Ed25519 over the head',
    peaks     Array(FixedString(32)) COMMENT 'Roots of the full subtrees of the whole tree',
    sources   Array(LowCardinality(String)) COMMENT 'Of the leaves that it adds, in order: request, audit or statement',
    keys      Array(String) COMMENT 'Of the same: which entry',
    times     Array(Int64) COMMENT 'Of the same: moment of the entry, milliseconds since 1970',
    digests   Array(FixedString(32)) COMMENT 'Of the same: SHA-256 of the entry'
)
ENGINE = ${replicated}ReplacingMergeTree
ORDER BY (sequence, entry)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, enable_block_number_column = 1;

-- Up to which head the topic rights.log was told.
CREATE TABLE IF NOT EXISTS log_published $on_cluster
(
    sequence UInt64,
    at       DateTime64(3, 'UTC')
)
ENGINE = ${replicated}ReplacingMergeTree(at)
ORDER BY sequence
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- What is stated of a request beside its ledger: that the bytes of what the index forgot are gone, and the certificate.
-- Of two rows of a kind the one that the table took first stands.
CREATE TABLE IF NOT EXISTS request_statements $on_cluster
(
    request_id String,
    kind       LowCardinality(String),
    entry      String COMMENT 'Which attempt to write it was',
    at         DateTime64(3, 'UTC'),
    content    String COMMENT 'JSON; holds no personal value in clear'
)
ENGINE = ${replicated}ReplacingMergeTree
ORDER BY (request_id, kind, entry)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, enable_block_number_column = 1;

-- Statements that delete name the tokens they delete, and the engine keeps the last hundred of them. Of these tables it
-- keeps the last one alone, which is that of a step that names nobody (APPLY DELETED MASK).
ALTER TABLE lineage $on_cluster MODIFY SETTING finished_mutations_to_keep = 1;
ALTER TABLE lineage_by_event $on_cluster MODIFY SETTING finished_mutations_to_keep = 1;
ALTER TABLE identity_claims $on_cluster MODIFY SETTING finished_mutations_to_keep = 1;
ALTER TABLE retained_claims $on_cluster MODIFY SETTING finished_mutations_to_keep = 1;
ALTER TABLE findings $on_cluster MODIFY SETTING finished_mutations_to_keep = 1;
ALTER TABLE address_prefixes $on_cluster MODIFY SETTING finished_mutations_to_keep = 1;
ALTER TABLE sealed_identifiers $on_cluster MODIFY SETTING finished_mutations_to_keep = 1;
ALTER TABLE token_pairs $on_cluster MODIFY SETTING finished_mutations_to_keep = 1;
