-- Which tokens of two token keys are the same identifier's, from the rotation of the key until the older one is retired: so
-- that what was written under either is found as one. Each pair from both ends.
CREATE TABLE IF NOT EXISTS token_pairs $on_cluster
(
    token   FixedString(16),
    other   FixedString(16),
    is_new  Bool COMMENT 'Whether token is the one under the newer key',
    key_id  LowCardinality(String) COMMENT 'The older key of the two; empty once it is retired',
    new_key_id LowCardinality(String)
)
ENGINE = ${replicated}ReplacingMergeTree
ORDER BY (token, other, is_new, key_id, new_key_id)
SETTINGS index_granularity = 1024, fsync_after_insert = 1, fsync_part_directory = 1;

-- Under which key the tokens of a row were made; empty: under the first one of the index.
ALTER TABLE identity_claims $on_cluster ADD COLUMN IF NOT EXISTS key_id LowCardinality(String);

ALTER TABLE retained_claims $on_cluster ADD COLUMN IF NOT EXISTS key_id LowCardinality(String);

ALTER TABLE address_prefixes $on_cluster ADD COLUMN IF NOT EXISTS key_id LowCardinality(String);
