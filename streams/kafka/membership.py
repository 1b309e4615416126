"""Belonging to a consumer group: joining it, and joining anew where the group leaves a topic to nobody."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import structlog
from confluent_kafka import Consumer, KafkaException, TopicPartition

from schemas.errors import Unavailable
from streams.kafka.connection import Connection
from streams.kafka.groups import unread

_log = structlog.get_logger(__name__)
# How long a group is given to come to rest before it is asked who has what; how often that is asked while all is read,
# and while joining anew does not help.
_LOOK_SECONDS = 2.0
_CALM_SECONDS = 15.0
_LONGEST_SECONDS = 300.0
# So often it joins anew in vain before it ends, and whoever runs it begins with another client: librdkafka 2.16 takes
# an answer without brokers, as one gives that is not well yet, at its word, and may look for none any more.
_MOST_IN_VAIN = 4

Told = Callable[[Consumer, list[TopicPartition]], None]


class Membership:
    """One client's place in its group. Not for several threads; both callbacks run while the client polls.

    assigned(client, partitions): these are ours from now on. revoked(client, partitions): these no longer.
    """

    def __init__(
        self,
        connection: Connection,
        client: Consumer,
        group: str,
        topics: Sequence[str],
        *,
        assigned: Told,
        revoked: Told,
        named: bool,
    ) -> None:
        """`named`: the member has a name of its own. Such a one that comes back gets the assignment it had, whatever
        it subscribes to and however many partitions there are by now (KIP-345): whether all is read is asked once the
        group stands still."""
        self._connection = connection
        self._client = client
        self._group = group
        self._topics = list(topics)
        self._assigned, self._revoked = assigned, revoked
        # Whether we were given partitions that are not there (any more).
        self._absent = False
        self._in_vain = 0
        self._pause = _LOOK_SECONDS if named else _CALM_SECONDS
        self._ask_at = time.monotonic() + self._pause
        self._asked: Future[list[str] | None] | None = None
        self._asking = ThreadPoolExecutor(1, thread_name_prefix="group-look")
        self._join()

    def absent(self, topic: str, partition: int) -> None:
        """The group gave us a partition that is not there."""
        self._absent = True
        _log.warning("partition.absent", topic=topic, partition=partition)

    def look_after(self) -> None:
        """Leave and come back if something of ours is read by nobody: that makes the group share out anew.

        Never waits. Raises BrokerUnavailable.
        """
        if self._asked is None:
            if time.monotonic() >= self._ask_at:
                self._asked = self._asking.submit(unread, self._connection, self._group, self._topics)
            return
        if not self._asked.done():
            return
        asked, self._asked = self._asked, None
        left: list[str] | None = None
        try:
            left = asked.result()
        except Unavailable as error:
            _log.warning("group.untold", error=str(error))
        if left or self._absent:
            self._absent = False
            self._in_vain += 1
            if self._in_vain > _MOST_IN_VAIN:
                raise self._connection.unavailable("being read from")
            _log.info("group.joined_anew", unread=left)
            self.rejoin()
            self._pause = min(2 * self._pause, _LONGEST_SECONDS)
        elif left is not None:
            self._pause, self._in_vain = _CALM_SECONDS, 0
        self._ask_at = time.monotonic() + self._pause

    def rejoin(self) -> None:
        """Leave the group and come back. Raises BrokerUnavailable: begin with a new client."""
        try:
            self._client.unsubscribe()
            self._join()
        except KafkaException as error:
            # One that the group put out while its broker was away is at its end.
            raise self._connection.unavailable("joining its group again", error.args[0]) from error

    def close(self) -> None:
        """Ask nothing more."""
        self._asking.shutdown(wait=False, cancel_futures=True)

    def _join(self) -> None:
        self._client.subscribe(
            self._topics, on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._revoked
        )
