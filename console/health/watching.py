"""What is looked at in a running innsyn, put together for `console.health.health.Health`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from prometheus_client import CollectorRegistry

from console.health.health import Health
from console.health.limits import file_problems, space_problems
from console.health.taggers import UnreadMessages, unread_problems
from console.wiring.clock import now
from console.wiring.company import company_of
from console.wiring.processes import Background
from schemas.settings import Settings
from sinks.open import embedded_folder
from sinks.ports.offsets import OffsetLedger
from streams.kafka.connection import Connection
from streams.kafka.groups import reach, readers, unread
from streams.metrics import UnreadMetrics
from streams.tagging.behind import Behind, Stuck


def watched(
    settings: Settings,
    connection: Connection,
    index: Callable[[], Sequence[str]],
    ledger: OffsetLedger,
    metrics: CollectorRegistry,
) -> Health:
    """Broker, index, readers of the topics, space and files; add roles with `watch_role`, then `start` it.

    `index()`: why the index cannot answer, such as `console.wiring.answering.Answering.problems`. `ledger`: of its own.
    """
    health = Health(now, metrics)
    folders = [settings.home, *filter(None, [embedded_folder(settings)])]
    group, company = settings.tag_group, company_of(settings)
    tagged, topics = company.tagged, company.topics.values()
    health.watch("broker", lambda: reach(connection))
    health.watch("index", index)
    health.watch("topics", lambda: unread_problems(lambda: unread(connection, group, tagged), group))
    stuck = Stuck(lambda: readers(connection, group))
    messages = UnreadMessages(Behind(connection, ledger, tagged), stuck, UnreadMetrics(metrics))
    health.watch("messages", messages.problems)
    health.waiting = messages.waiting
    health.watch("backlog", messages.notices, notice=True)
    health.watch("disk", lambda: space_problems(folders, settings.disk_reserve_mb))
    health.watch("files", lambda: file_problems(topics))
    return health


def watch_role(health: Health, role: Background, problems: Callable[[], Sequence[str]] | None = None) -> None:
    """Look each second whether a role runs, and at what it says of itself."""
    health.watch(role.name, lambda: [*role.problems(), *(problems() if problems else ())], every=1.0)
