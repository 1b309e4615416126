-- v_coverage: what becomes of each topic; no token in it. read: offsets that were read, each once however often; tagged:
-- events with rows, erased since or not; dead: messages that could not be read, without those that were tagged since; open:
-- those that wait for somebody; nobody: offsets of neither, as events that name nobody, tombstones, markers of transactions and what compaction took; untagged:
-- fields that came and stand in no contract.
-- Example: where is the share of dead letters above one percent?
--   SELECT topic, dead / read AS share FROM v_coverage WHERE share > 0.01 ORDER BY share DESC
CREATE OR REPLACE VIEW v_coverage $on_cluster AS
SELECT
    topic, sum(offsets) AS read, sum(events) AS tagged, sum(letters) AS dead, sum(open_letters) AS open,
    greatest(0, toInt64(read) - toInt64(tagged) - toInt64(dead)) AS nobody, sum(fields) AS untagged, max(at) AS last_read
FROM
(
    -- The length of the union of the ranges, as a replay may have read them with other edges.
    SELECT
        topic, toUInt64(sum(greatest(0, last_offset + 1 - greatest(first_offset, next)))) AS offsets, toUInt64(0) AS events,
        toUInt64(0) AS letters, toUInt64(0) AS open_letters, toUInt64(0) AS fields, toNullable(max(written_at)) AS at
    FROM
    (
        SELECT
            topic, first_offset, last_offset, written_at, max(last_offset + 1) OVER (
                PARTITION BY topic, partition ORDER BY first_offset, last_offset
                ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
            ) AS next
        FROM (SELECT topic, partition, first_offset, last_offset, written_at FROM ingest_ledger FINAL)
    )
    GROUP BY topic
    UNION ALL
    SELECT topic, 0, sum(events), 0, 0, 0, NULL
    FROM (SELECT topic, groupBitmapMerge(offsets) AS events FROM lineage_daily GROUP BY topic, partition, epoch)
    GROUP BY topic
    UNION ALL
    SELECT d.topic, 0, 0, countIf(h.tagged = 0), countIf(h.tagged = 0 AND h.last != 'drop'), 0, NULL
    FROM (SELECT topic, partition, offset FROM dead_letters FINAL) AS d
    LEFT JOIN
    (
        SELECT topic, partition, offset, countIf(outcome = 'tagged') AS tagged, argMax(kind, (at, entry)) AS last
        FROM dead_letter_events FINAL GROUP BY topic, partition, offset
    ) AS h ON d.topic = h.topic AND d.partition = h.partition AND d.offset = h.offset
    GROUP BY d.topic
    UNION ALL
    SELECT topic, 0, 0, 0, 0, uniqExact(path), NULL FROM untagged_fields GROUP BY topic
)
GROUP BY topic;
