"""An index on ClickHouse as the ports that it is used through."""

from __future__ import annotations

from functools import partial

from sinks.clickhouse.audit import ClickHouseAudit
from sinks.clickhouse.claims import ClickHouseClaims
from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.clocks import ClickHouseClocks
from sinks.clickhouse.copies import ClickHouseCopies
from sinks.clickhouse.dead_letters import ClickHouseDeadLetters
from sinks.clickhouse.duties import ClickHouseDuties
from sinks.clickhouse.erase import ClickHouseEraser
from sinks.clickhouse.evidence import ClickHouseEvidence
from sinks.clickhouse.expire import ClickHouseExpirer
from sinks.clickhouse.expiry import ClickHouseExpiry
from sinks.clickhouse.exposed import ClickHouseExposed
from sinks.clickhouse.facts import ClickHouseFacts
from sinks.clickhouse.findings import ClickHouseControls, ClickHouseFindings
from sinks.clickhouse.held import ClickHouseHeld
from sinks.clickhouse.identifiers import ClickHouseIdentifiers
from sinks.clickhouse.keys import ClickHouseKeys
from sinks.clickhouse.marks import ClickHouseMarks
from sinks.clickhouse.pairs import ClickHousePairs
from sinks.clickhouse.preservation import ClickHousePreservation
from sinks.clickhouse.processed import ClickHouseProcessed
from sinks.clickhouse.purge import ClickHousePurge
from sinks.clickhouse.reader import ClickHouseReader
from sinks.clickhouse.record_keys import ClickHouseRecordKeys
from sinks.clickhouse.rekey import Rekeyer
from sinks.clickhouse.reports import ClickHouseReports
from sinks.clickhouse.requests import ClickHouseRequests
from sinks.clickhouse.retained import ClickHouseRetained
from sinks.clickhouse.sql import ClickHouseSql
from sinks.clickhouse.suppression import ClickHouseSuppression
from sinks.clickhouse.untagged import ClickHouseUntaggedFields
from sinks.clickhouse.upkeep import ClickHouseUpkeep
from sinks.clickhouse.views_fed import ClickHouseViewTables
from sinks.clickhouse.whole import whole
from sinks.clickhouse.writer import ClickHouseWriter
from sinks.ports.forgotten import Sources
from sinks.ports.sinks import Sinks
from sinks.ports.sql import DEFAULT_SQL_LIMITS, SqlLimits


def clickhouse_sinks(
    index: ClickHouse, sources: Sources | None = None, limits: SqlLimits = DEFAULT_SQL_LIMITS
) -> Sinks:
    """All ports of an index that is open already. `sources`: by which sessions that nobody ended are over, so that what
    stays of forgotten people's claims goes. `limits`: of queries in SQL."""
    complete = whole(index)
    reader = ClickHouseReader(complete)
    return Sinks(
        name=repr(index),
        writer=partial(ClickHouseWriter, index),
        reader=reader,
        beside=reader,
        claims=ClickHouseClaims(complete),
        identifiers=ClickHouseIdentifiers(complete),
        clocks=ClickHouseClocks(complete),
        facts=ClickHouseFacts(complete),
        duties=ClickHouseDuties(complete),
        record_keys=ClickHouseRecordKeys(complete),
        eraser=ClickHouseEraser(complete, sources),
        expiry=ClickHouseExpiry(complete),
        expirer=ClickHouseExpirer(complete, sources),
        exposed=ClickHouseExposed(complete),
        purge=ClickHousePurge(index),
        claims_as_is=ClickHouseClaims(index),
        claims_retained=ClickHouseClaims(complete, "retained_claims"),
        beside_as_is=ClickHouseReader(index),
        retained=ClickHouseRetained(complete),
        marks=ClickHouseMarks(index),
        preservation=ClickHousePreservation(index),
        requests=ClickHouseRequests(index),
        copies=ClickHouseCopies(index),
        dead_letters=ClickHouseDeadLetters(index),
        audit=ClickHouseAudit(index),
        findings=ClickHouseFindings(index),
        controls=ClickHouseControls(index),
        held=ClickHouseHeld(complete),
        evidence=ClickHouseEvidence(index),
        untagged=ClickHouseUntaggedFields(index),
        suppression=ClickHouseSuppression(index),
        keys=ClickHouseKeys(index),
        pairs=ClickHousePairs(index),
        rekeyer=partial(Rekeyer, index),
        sql=ClickHouseSql(complete, limits),
        upkeep=ClickHouseUpkeep(index),
        views=ClickHouseViewTables(index),
        reports=ClickHouseReports(complete),
        processed=ClickHouseProcessed(complete),
        close=index.close,
    )
