"""How every Kafka client of ours reaches the broker, and how its errors become ours."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import structlog
from confluent_kafka import KafkaError, KafkaException

from schemas.errors import BrokerUnavailable, SettingsError

_T = TypeVar("_T")
# The one name of librdkafka's with an underscore of its own.
_OWN_NAMES = frozenset({"log_level"})
_BOOTSTRAP_AGAIN_MS = 10_000
_ALLOW = "let this user write it (an ACL of the broker; INNSYN_KAFKA_SASL_USERNAME says who we are)"
_MENDS = {
    KafkaError.TOPIC_AUTHORIZATION_FAILED: _ALLOW,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED: _ALLOW,
    KafkaError.MSG_SIZE_TOO_LARGE: "raise max.message.bytes of the topic",
}
_log = structlog.get_logger(__name__)


class _InOurWords(logging.Handler):
    """What librdkafka would write to standard error: that it did, not its text."""

    def emit(self, record: logging.LogRecord) -> None:
        _log.error("kafka.client", severity=record.levelname.lower())


def _libraries_log() -> logging.Logger:
    logger = logging.getLogger("librdkafka")
    if not logger.handlers:
        logger.addHandler(_InOurWords())
        logger.propagate = False
    return logger


@dataclass(frozen=True)
class Connection:
    """Address and security options, in librdkafka's names. The options hold the password: not shown.

    `mend`: what to do where it does not answer, said with each error.
    """

    bootstrap: str
    options: Mapping[str, str] = field(default_factory=dict, repr=False)
    mend: str = field(
        default="start it with `innsyn up` or set INNSYN_KAFKA_BOOTSTRAP", repr=False, compare=False
    )

    def client(self, **more: object) -> dict[str, object]:
        """Configuration of one client: ours, with `more` (underscores for dots) on top."""
        base: dict[str, object] = {
            "bootstrap.servers": self.bootstrap,
            "client.id": "innsyn",
            # Only what is critical: errors reach us as events, and a log line could name what it should not.
            "log_level": 2,
            "logger": _libraries_log(),
            # Its own 5 minutes are long for somebody who waits, once it has lost all brokers.
            "metadata.recovery.rebootstrap.trigger.ms": _BOOTSTRAP_AGAIN_MS,
            **self.options,
        }
        return base | {
            name if name in _OWN_NAMES else name.replace("_", "."): value for name, value in more.items()
        }

    def made(self, make: Callable[[dict[str, Any]], _T], options: Mapping[str, object]) -> _T:
        """A client of librdkafka. Raises SettingsError where it does not take the options."""
        try:
            return make(dict(options))
        except KafkaException:
            raise SettingsError(
                "the settings of Kafka do not fit together, or name a file that is not there; look at "
                "INNSYN_KAFKA_SECURITY_PROTOCOL, INNSYN_KAFKA_SASL_* and INNSYN_KAFKA_SSL_*"
            ) from None

    def unavailable(self, doing: str, error: KafkaError | None = None) -> BrokerUnavailable:
        """The one-line error for a broker that does not do what was asked."""
        why = f" ({error.name()})" if error else ""
        return BrokerUnavailable(f"Kafka at {self.bootstrap} does not answer while {doing}{why}; {self.mend}")

    def without(self, topic: str) -> BrokerUnavailable:
        """The one-line error for a topic that is not there."""
        return BrokerUnavailable(
            f"Kafka at {self.bootstrap} has no topic {topic}; `innsyn up` or `innsyn migrate` makes it"
        )

    def refuses(self, topic: str, error: KafkaError) -> BrokerUnavailable:
        """The one-line error for a broker that answers, and does not take a message."""
        mend = _MENDS.get(error.code(), "look into the broker's log and the settings of the topic")
        return BrokerUnavailable(
            f"Kafka at {self.bootstrap} refuses a message to {topic} ({error.name()}); {mend}"
        )
