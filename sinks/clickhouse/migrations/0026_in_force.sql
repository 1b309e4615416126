-- The catalogue in force, so that views can say by which rule something ends: its entries as JSON. Written by whatever starts
-- under it; the version that came into force last counts, and is written after its entries.
CREATE TABLE IF NOT EXISTS catalogue_entries $on_cluster
(
    version String COMMENT 'SHA-256 of all that is written of it, 16 hex digits',
    kind    LowCardinality(String) COMMENT 'category, purpose, recipient, retention_rule or system',
    id      String,
    content String COMMENT 'JSON'
)
ENGINE = ${replicated}ReplacingMergeTree
ORDER BY (version, kind, id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS catalogue_in_force $on_cluster
(
    at      DateTime64(3, 'UTC'),
    version String,
    zone    String COMMENT 'In which the days of the company are counted',
    told    Array(LowCardinality(String)) COMMENT 'Clocks of which records of the company say anything'
)
ENGINE = ${replicated}ReplacingMergeTree
ORDER BY (at, version)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- How many events are held of each day, erased ones not among them, as they were counted last: the rows of a count come
-- before it in held_counts, and go when another one is there.
CREATE TABLE IF NOT EXISTS held_days $on_cluster
(
    counted_at DateTime64(3, 'UTC'),
    tag_set    UInt64,
    day        Date32 COMMENT 'In the zone of the company',
    events     UInt64
)
ENGINE = ${replicated}ReplacingMergeTree
ORDER BY (counted_at, tag_set, day)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS held_counts $on_cluster
(
    counted_at DateTime64(3, 'UTC')
)
ENGINE = ${replicated}ReplacingMergeTree
ORDER BY counted_at
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;
