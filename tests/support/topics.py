"""Topics of tests on the real broker."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from schemas.topics import Topic
from streams.kafka.connection import Connection
from streams.kafka.topics import create_topics


def make_topics(connection: Connection, partitions: Mapping[str, int]) -> None:
    """Create topics of these names with so many partitions."""
    create_topics(
        connection,
        [
            Topic(
                name=name,
                record="WebVisit",
                key=None,
                owner="tests",
                system="web",
                partitions=count,
                retention=timedelta(days=1),
                cleanup_policy="delete",
                dead_letter=None,
                personal=True,
                tagged=False,
            )
            for name, count in partitions.items()
        ],
    )
