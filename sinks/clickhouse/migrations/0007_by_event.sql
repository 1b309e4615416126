-- A role more: somebody who holds a record together with its owner.
ALTER TABLE lineage $on_cluster MODIFY COLUMN
    role Enum8('owner' = 1, 'counterparty' = 2, 'agent' = 3, 'mentioned' = 4, 'joint_owner' = 5) CODEC(ZSTD(1));

-- Whom an event concerns besides its owner, by event: lineage itself is sorted by person. Only the rows of events that have
-- another role than owner, or findings in their texts; of any other event nobody asks. Erasing takes rows away in both.
CREATE TABLE IF NOT EXISTS lineage_by_event $on_cluster
(
    topic     LowCardinality(String),
    partition Int32 CODEC(ZSTD(1)),
    offset    Int64 CODEC(Delta(8), ZSTD(1)),
    role      Enum8('owner' = 1, 'counterparty' = 2, 'agent' = 3, 'mentioned' = 4, 'joint_owner' = 5) CODEC(ZSTD(1)),
    token     FixedString(16)
)
ENGINE = ${replicated}ReplacingMergeTree
ORDER BY (topic, partition, offset, role, token)
SETTINGS index_granularity = 1024, fsync_after_insert = 1, fsync_part_directory = 1;

-- What is in the index already; again it changes nothing.
INSERT INTO lineage_by_event
SELECT DISTINCT topic, partition, offset, role, token FROM lineage
WHERE (topic, partition, offset) IN
    (SELECT topic, partition, offset FROM lineage WHERE role != 'owner' UNION ALL SELECT topic, partition, offset FROM findings);
