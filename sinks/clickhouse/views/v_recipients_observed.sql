-- v_recipients_observed: recipients that events were given to beside those that are declared; a row for each recipient,
-- category and instrument. Declared is what the tags of events say, observed what events of disclosures say. No token in it.
-- events_declared: distinct events whose tags name the recipient and the category, erased since or not; no instrument is
-- declared there, so it is the catalogue's. disclosures: distinct events that say that data of the category were given to the
-- recipient on the instrument, erased ones not among them; first and last: their times. unknown: the event has a value that no
-- list knows, empty: none.
-- Example: who was given what although nothing declares it?
--   SELECT recipient, category, instrument, disclosures FROM v_recipients_observed WHERE events_declared = 0
CREATE OR REPLACE VIEW v_recipients_observed $on_cluster AS
WITH
    (
        SELECT groupArray((id, JSONExtractString(content, 'instrument'))) FROM catalogue_entries FINAL
        WHERE kind = 'recipient' AND version = (SELECT argMax(version, at) FROM catalogue_in_force)
    ) AS catalogued
SELECT
    recipient, category, instrument, sum(declared) AS events_declared, sum(given) AS disclosures,
    min(first_at) AS first, max(last_at) AS last
FROM
(
    SELECT recipient, category, instrument, groupBitmapMerge(offsets) AS declared, toUInt64(0) AS given,
        CAST(NULL, 'Nullable(DateTime64(3, \'UTC\'))') AS first_at, CAST(NULL, 'Nullable(DateTime64(3, \'UTC\'))') AS last_at
    FROM
    (
        SELECT t.recipient AS recipient, t.category AS category,
            arrayFirst(x -> x.1 = t.recipient, catalogued).2 AS instrument, d.topic AS topic, d.partition AS partition,
            d.epoch AS epoch, d.offsets AS offsets
        FROM lineage_daily AS d
        INNER JOIN
        (
            SELECT id, arrayJoin(recipients) AS recipient, arrayJoin(categories) AS category FROM tag_sets FINAL
        ) AS t ON t.id = d.tag_set
    )
    GROUP BY recipient, category, instrument, topic, partition, epoch
    UNION ALL
    SELECT toString(recipient), category, toString(instrument), 0, uniqExact(topic, partition, offset),
        toNullable(min(event_time)), toNullable(max(event_time))
    FROM
    (
        SELECT recipient, instrument, toString(arrayJoin(if(empty(about), [''], about))) AS category, topic, partition, offset,
            event_time
        FROM fact_events FINAL WHERE fact = 'disclosure'
    )
    GROUP BY recipient, category, instrument
)
GROUP BY recipient, category, instrument;
