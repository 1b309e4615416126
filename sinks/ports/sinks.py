"""One index, as the ports that it is used through."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sinks.ports.audit import AuditLog
from sinks.ports.changes import IndexMarks
from sinks.ports.clocks import ClockIndex
from sinks.ports.copies import CopyStore
from sinks.ports.dead_letters import DeadLetterList
from sinks.ports.duties import DutyReader
from sinks.ports.erasure import IndexEraser
from sinks.ports.evidence import EvidenceLog
from sinks.ports.expiry import ExpiryReader, IndexExpirer
from sinks.ports.exposed import ExposedReader
from sinks.ports.facts import FactReader
from sinks.ports.findings import ControlLog, FindingLog
from sinks.ports.held import HeldReader
from sinks.ports.identifiers import IdentifierReader
from sinks.ports.identity import ClaimReader
from sinks.ports.keys import KeyRegister, NewRekeying, PairStore
from sinks.ports.lineage import BesideReader, IndexReader, IndexWriter
from sinks.ports.preservation import PreservationLog
from sinks.ports.processed import ProcessedReader
from sinks.ports.purge import IndexPurge
from sinks.ports.record_keys import RecordKeyReader
from sinks.ports.reports import Reports
from sinks.ports.requests import RequestLog
from sinks.ports.retained import RetainedSessions
from sinks.ports.sql import SqlReader
from sinks.ports.suppression import SuppressionLedger
from sinks.ports.untagged import UntaggedFields
from sinks.ports.upkeep import Upkeep
from sinks.ports.views import ViewTables


@dataclass(frozen=True)
class Sinks:
    """An open index; nothing is connected before the first call of a port.

    `name`: which one, without a password. `writer()`: a new one, as each is for one thread. `reader`, `beside`,
    `claims`, `clocks`, `facts`, `record_keys`, `eraser`, `expiry`, `expirer` and `exposed` are for what is said about a
    person, or done: they raise IndexUnavailable while rows are lost. `sql`: None where the index takes none.
    `claims_retained`: what is kept for the police alone (ekomloven § 3-13), for nothing but to tell when it goes.
    `retained`: how it goes.
    `claims_as_is`, `beside_as_is`: the same without that look, for figures alone. `reports`, `processed`
    None: it has no views. `close()` ends all of it.
    """

    name: str
    writer: Callable[[], IndexWriter]
    reader: IndexReader
    beside: BesideReader
    claims: ClaimReader
    identifiers: IdentifierReader
    clocks: ClockIndex
    facts: FactReader
    duties: DutyReader
    record_keys: RecordKeyReader
    eraser: IndexEraser
    expiry: ExpiryReader
    expirer: IndexExpirer
    exposed: ExposedReader
    purge: IndexPurge
    claims_as_is: ClaimReader
    claims_retained: ClaimReader
    beside_as_is: BesideReader
    retained: RetainedSessions
    marks: IndexMarks
    requests: RequestLog
    copies: CopyStore
    preservation: PreservationLog
    dead_letters: DeadLetterList
    audit: AuditLog
    findings: FindingLog
    controls: ControlLog
    held: HeldReader
    evidence: EvidenceLog
    untagged: UntaggedFields
    suppression: SuppressionLedger
    keys: KeyRegister
    pairs: PairStore
    rekeyer: NewRekeying
    sql: SqlReader | None
    upkeep: Upkeep
    views: ViewTables
    reports: Reports | None
    processed: ProcessedReader | None
    close: Callable[[], None]
