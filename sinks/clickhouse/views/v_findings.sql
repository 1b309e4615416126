-- v_findings: what breaks a duty, as it stands: state is open, explained, accepted (until a day, in UTC, that is not over) or mended.
-- since: from when on it is wrong; opened: when a run first found it; moved: when it came to stand so. evidence: JSON, where the
-- events lie that show it, with the tokens under which the index has them.
-- Example: which findings have been open longest?
--   SELECT check, key, says, since FROM v_findings WHERE state = 'open' ORDER BY since
CREATE OR REPLACE VIEW v_findings $on_cluster AS
SELECT
    finding, check, key,
    multiIf(
        moved_by IN ('', 'opened', 'reopened') OR (moved_by = 'accepted' AND until < toDate32(now('UTC'))), 'open', moved_by
    ) AS state,
    JSONExtractString(said, 'says') AS says,
    coalesce(parseDateTime64BestEffortOrNull(JSONExtractString(said, 'since'), 3, 'UTC'), opened) AS since,
    opened, moved, JSONExtractString(last, 'reason') AS reason, JSONExtractString(last, 'by') AS by, until,
    JSONExtractRaw(said, 'evidence') AS evidence
FROM
(
    SELECT
        finding, any(check) AS check, any(key) AS key, min(at) AS opened,
        argMaxIf(kind, sequence, kind != 'seen') AS moved_by, maxIf(at, kind != 'seen') AS moved,
        argMaxIf(content, sequence, kind != 'seen') AS last,
        argMaxIf(content, sequence, JSONHas(content, 'says')) AS said,
        toDate32OrNull(JSONExtractString(last, 'until')) AS until
    FROM
    (
        SELECT finding, sequence, kind, at, check, key, content FROM duty_findings
        ORDER BY finding, sequence, _block_number LIMIT 1 BY finding, sequence
    )
    GROUP BY finding
);
