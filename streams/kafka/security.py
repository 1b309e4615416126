"""The security options of librdkafka, for clients that are not librdkafka's."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from typing import Any

from schemas.errors import SettingsError
from streams.kafka.connection import Connection

MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
"""What aiokafka knows without a part of its own for it."""


def client_options(connection: Connection) -> dict[str, Any]:
    """Of aiokafka's client. They hold the password: never log them. Raises SettingsError."""
    options = connection.options
    protocol = options.get("security.protocol", "PLAINTEXT").upper()
    given: dict[str, Any] = {
        "bootstrap_servers": [address.strip() for address in connection.bootstrap.split(",")],
        "client_id": "innsyn",
        "security_protocol": protocol,
        "request_timeout_ms": 10_000,
    }
    if protocol.endswith("SSL"):
        given["ssl_context"] = tls_context(options)
    if protocol.startswith("SASL"):
        mechanism = options.get("sasl.mechanism", "PLAIN")
        if mechanism not in MECHANISMS:
            raise SettingsError(
                f"INNSYN_KAFKA_SASL_MECHANISM: batches are measured with {', '.join(MECHANISMS)} alone"
            )
        given |= {
            "sasl_mechanism": mechanism,
            "sasl_plain_username": options.get("sasl.username"),
            "sasl_plain_password": options.get("sasl.password"),
        }
    return given


def tls_context(options: Mapping[str, str]) -> ssl.SSLContext:
    """Raises SettingsError."""
    try:
        context = ssl.create_default_context(cafile=options.get("ssl.ca.location"))
        if certificate := options.get("ssl.certificate.location"):
            context.load_cert_chain(certificate, options.get("ssl.key.location"))
    except OSError as error:
        raise SettingsError(
            "INNSYN_KAFKA_SSL_*: the certificate files cannot be read; correct the paths"
        ) from error
    return context
