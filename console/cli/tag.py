"""`innsyn tag`: one tagger, until it is stopped."""

from __future__ import annotations

from typing import Annotated

import typer
from prometheus_client import CollectorRegistry, start_http_server

from console.cli.output import configure_logging
from console.roles import tagged_topics, tagger, until_signal
from console.running import broker
from console.session import open_index
from schemas.errors import IndexUnavailable
from schemas.settings import load_settings
from sinks.clickhouse.migrate import pending
from streams.kafka.topics import require
from streams.metrics import TagMetrics


def tag(
    topic: Annotated[
        list[str] | None, typer.Option("--topic", metavar="NAME", help="Only this topic; repeatable.")
    ] = None,
    replay: Annotated[
        bool, typer.Option("--replay", help="Begin at the oldest message, whatever is in the index.")
    ] = False,
    until_end: Annotated[
        bool, typer.Option("--until-end", help="End once everything that is there now is in the index.")
    ] = False,
) -> None:
    """Tag events: from the source topics into the lineage index.

    Start as many as there are partitions to share. Replaying is safe: a row is what its coordinates say it is.

    Example: innsyn tag --topic web.visits --replay --until-end
    """
    settings = load_settings()
    configure_logging(settings.log_level)
    registry = CollectorRegistry()
    connection = broker(settings)
    # Asked first: a consumer would wait for its broker without a word.
    require(connection, tagged_topics().values())
    index = open_index(settings)
    try:
        if waiting := pending(index):
            raise IndexUnavailable(f"{len(waiting)} migrations are pending; run `innsyn migrate` first")
        worker = tagger(settings, connection, index, TagMetrics(registry), topics=topic or (), replay=replay)
        if settings.metrics_port:
            start_http_server(settings.metrics_port, registry=registry)
        worker.run(until_signal(), until_end=until_end)
    finally:
        index.close()
