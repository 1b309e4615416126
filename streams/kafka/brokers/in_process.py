"""librdkafka's in-process broker: a Kafka without installation, for the demo and quick tests.

In memory and bounded: a partition silently forgets its oldest messages beyond about 5 MiB, so whoever writes must
watch the reader's lag. It has no topic administration, no retention and no real transactions. Throughput and fault
claims need the real broker.
"""

from __future__ import annotations

import ctypes
from types import TracebackType

from confluent_kafka import Producer, cimpl

from schemas.errors import BrokerUnavailable
from streams.kafka.connection import Connection

_HANDLE = ctypes.c_void_p
_TEXT = ctypes.c_char_p
_PRODUCER = 0
_OK = 0


class InProcessBroker:
    """Lives as long as this object. Other processes of the machine may connect to `connection` meanwhile."""

    def __init__(self) -> None:
        self._owner: int | None = None
        self.connection = Connection("")

    def start(self) -> Connection:
        """Raises BrokerUnavailable if this librdkafka has no in-process broker."""
        try:
            self._owner, address = _started(_librdkafka())
        except (OSError, AttributeError):
            raise BrokerUnavailable(
                "librdkafka's in-process broker did not start; use `innsyn up` instead"
            ) from None
        self.connection = Connection(address)
        self._asking = Producer({"bootstrap.servers": address, "log_level": 2})
        return self.connection

    def make_topic(self, name: str) -> None:
        """Create a topic with the broker's four partitions by asking for it."""
        self._asking.list_topics(name, timeout=10)

    def stop(self) -> None:
        if self._owner is not None:
            del self._asking
            _librdkafka().rd_kafka_destroy(self._owner)
            self._owner = None

    def __enter__(self) -> InProcessBroker:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _librdkafka() -> ctypes.CDLL:
    """The library that confluent_kafka brings. The broker's settings are no settings of a client: they need C."""
    library = ctypes.CDLL(cimpl.__file__)
    for name, result, *given in (
        ("rd_kafka_conf_new", _HANDLE),
        ("rd_kafka_conf_set", ctypes.c_int, _HANDLE, _TEXT, _TEXT, _TEXT, ctypes.c_size_t),
        ("rd_kafka_new", _HANDLE, ctypes.c_int, _HANDLE, _TEXT, ctypes.c_size_t),
        ("rd_kafka_destroy", None, _HANDLE),
        ("rd_kafka_handle_mock_cluster", _HANDLE, _HANDLE),
        ("rd_kafka_mock_cluster_bootstraps", _TEXT, _HANDLE),
        ("rd_kafka_mock_group_initial_rebalance_delay_ms", None, _HANDLE, ctypes.c_int32),
    ):  # fmt: skip
        function = getattr(library, name)
        function.restype, function.argtypes = result, given
    return library


def _started(library: ctypes.CDLL) -> tuple[int, str]:
    """The client that holds the broker, and the broker's address. Raises OSError."""
    options = library.rd_kafka_conf_new()
    for name, value in ((b"test.mock.num.brokers", b"1"), (b"log_level", b"2")):
        if library.rd_kafka_conf_set(options, name, value, None, 0) != _OK:
            raise OSError
    owner = library.rd_kafka_new(_PRODUCER, options, None, 0)
    cluster = library.rd_kafka_handle_mock_cluster(owner) if owner else None
    if cluster is None:
        raise OSError
    # It would keep the first of a group waiting for others for three seconds.
    library.rd_kafka_mock_group_initial_rebalance_delay_ms(cluster, 0)
    return owner, library.rd_kafka_mock_cluster_bootstraps(cluster).decode()
