"""Kafka's configuration for one node on the loopback address."""

from __future__ import annotations

import json
import socket
from pathlib import Path

HOST = "127.0.0.1"


def free_port(wanted: int = 0) -> int | None:
    """A port of the loopback address nobody listens on: the wanted one or None; any, if 0 is wanted."""
    with socket.socket() as probe:
        # As Kafka itself binds: a connection in TIME_WAIT from the last run does not count as taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, wanted))
        except OSError:
            return None
        return int(probe.getsockname()[1])


def server_properties(port: int, controller_port: int, data: Path) -> str:
    """Kafka's configuration: one node that is broker and controller, reachable from this machine alone."""
    settings: dict[str, object] = {
        "process.roles": "broker,controller",
        "node.id": 1,
        "controller.quorum.voters": f"1@{HOST}:{controller_port}",
        "listeners": f"PLAINTEXT://{HOST}:{port},CONTROLLER://{HOST}:{controller_port}",
        "advertised.listeners": f"PLAINTEXT://{HOST}:{port}",
        "controller.listener.names": "CONTROLLER",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "log.dirs": data,
        "offsets.topic.replication.factor": 1,
        "offsets.topic.num.partitions": 4,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "transaction.state.log.num.partitions": 4,
        "share.coordinator.state.topic.replication.factor": 1,
        "share.coordinator.state.topic.min.isr": 1,
        "share.coordinator.state.topic.num.partitions": 4,
        "group.initial.rebalance.delay.ms": 0,
        # After a kill the controller refuses the new broker until the old one's session is over (default 9 s).
        "broker.session.timeout.ms": 3000,
        "broker.heartbeat.interval.ms": 500,
        "auto.create.topics.enable": "false",
        "message.max.bytes": 20 * 1024 * 1024,
    }
    # The file is Latin-1 with \uXXXX escapes and escaped backslashes: what JSON makes of a string.
    return "".join(f"{key}={json.dumps(str(value))[1:-1]}\n" for key, value in settings.items())
