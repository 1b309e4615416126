"""What the topic of the log holds: the heads that it was told of."""

from __future__ import annotations

from collections.abc import Iterator

from schemas.errors import DecodeError
from schemas.messages import TreeHead, message_of
from schemas.own import own_record
from sinks.ports.evidence import Seal
from streams.evidence.moments import moment
from streams.evidence.sealing import TOPIC, head_of_message
from streams.kafka.connection import Connection
from streams.kafka.tail import Tail
from streams.rights.protocol.messages import decoded

_NONE = Seal(-1, 0, b"", b"", moment(0), "", b"")


def heads_told(connection: Connection) -> Iterator[Seal]:
    """Every message of the topic as a head; what is none as one that nobody signed. Raises BrokerUnavailable."""
    record = own_record("TreeHead")
    with Tail(connection, TOPIC) as tail:
        for message in tail.between(tail.start_offsets(), tail.end_offsets()):
            try:
                yield head_of_message(message_of(TreeHead, decoded(record, message.value() or b"")))
            except (DecodeError, ValueError):
                yield _NONE
