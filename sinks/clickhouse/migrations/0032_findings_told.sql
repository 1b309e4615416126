-- Which entries of duty_findings the topic duties.findings was told: those that are not here are told, again if need be.
CREATE TABLE IF NOT EXISTS duty_findings_told $on_cluster
(
    finding  String,
    sequence UInt32
)
ENGINE = ${replicated}ReplacingMergeTree
ORDER BY (finding, sequence)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;
