"""How Kafka's brokers are spoken to: plainly, over TLS, with a user and a password (SASL).

Every client of ours is made with :func:`client_options`, which reads the files each time.
"""

from __future__ import annotations

from typing import Any

from schemas.log.settings import KafkaSettings, password_of, tls_context


def client_options(settings: KafkaSettings) -> dict[str, Any]:
    """What aiokafka's clients take: where the brokers are, and how to speak to them.

    Raises ``OSError`` (``ssl.SSLError`` is one) on a file that cannot be used.
    """
    protocol = settings.kafka_security_protocol
    options: dict[str, Any] = {
        "bootstrap_servers": settings.kafka_servers,
        "security_protocol": protocol,
        "ssl_context": tls_context(settings) if protocol.endswith("SSL") else None,
    }
    if protocol.startswith("SASL_"):
        options["sasl_mechanism"] = settings.kafka_sasl_mechanism
        options["sasl_plain_username"] = settings.kafka_sasl_username
        options["sasl_plain_password"] = password_of(settings)
    return options
