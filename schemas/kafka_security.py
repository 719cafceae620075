"""How Kafka's brokers are spoken to: plainly, over TLS, with a user and a password (SASL).

Every client of ours is made with :func:`client_options`, which reads the files each time.
"""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from schemas.settings import KafkaSettings


def client_options(settings: KafkaSettings) -> dict[str, Any]:
    """What aiokafka's clients take: where the brokers are, and how to speak to them.

    Raises ``OSError`` (``ssl.SSLError`` is one) on a file that cannot be used.
    """
    protocol = settings.kafka_security_protocol
    options: dict[str, Any] = {
        "bootstrap_servers": settings.kafka_servers,
        "security_protocol": protocol,
        "ssl_context": _tls(settings) if protocol.endswith("SSL") else None,
    }
    if protocol.startswith("SASL_"):
        options["sasl_mechanism"] = settings.kafka_sasl_mechanism
        options["sasl_plain_username"] = settings.kafka_sasl_username
        options["sasl_plain_password"] = _password(settings)
    return options


def security_problem(settings: KafkaSettings) -> str | None:
    """What contradicts what, or which file cannot be used; ``None`` if all is well."""
    protocol = settings.kafka_security_protocol
    sasl, tls = protocol.startswith("SASL_"), protocol.endswith("SSL")
    password = bool(settings.kafka_sasl_password.get_secret_value())
    sasl_settings = {
        "MECHANISM": bool(settings.kafka_sasl_mechanism),
        "USERNAME": bool(settings.kafka_sasl_username),
        "PASSWORD": password,
        "PASSWORD_FILE": settings.kafka_sasl_password_file is not None,
    }
    tls_settings = {
        "CA_FILE": settings.kafka_ssl_ca_file is not None,
        "CERTIFICATE_FILE": settings.kafka_ssl_certificate_file is not None,
        "KEY_FILE": settings.kafka_ssl_key_file is not None,
        "KEY_PASSWORD": bool(settings.kafka_ssl_key_password.get_secret_value()),
        "CHECK_HOSTNAME": not settings.kafka_ssl_check_hostname,
    }
    if not settings.kafka_servers:
        return "ROLLCALL_KAFKA_BOOTSTRAP: name at least one server, such as kafka-1:9092"
    for family, wanted, given in (("SASL", sasl, sasl_settings), ("SSL", tls, tls_settings)):
        for name, is_set in given.items():
            if is_set and not wanted:
                right = f"SASL_{protocol}" if family == "SASL" else protocol[:-9] + "SSL"
                return (
                    f"ROLLCALL_KAFKA_{family}_{name} says nothing with "
                    f"ROLLCALL_KAFKA_SECURITY_PROTOCOL={protocol}: set that to {right}, or unset "
                    "this"
                )
    if sasl:
        missing = [name for name in ("MECHANISM", "USERNAME") if not sasl_settings[name]]
        if missing:
            return (
                f"ROLLCALL_KAFKA_SECURITY_PROTOCOL={protocol} needs "
                f"ROLLCALL_KAFKA_SASL_{missing[0]} too"
            )
        if password == sasl_settings["PASSWORD_FILE"]:
            return (
                f"ROLLCALL_KAFKA_SECURITY_PROTOCOL={protocol} needs exactly one of "
                "ROLLCALL_KAFKA_SASL_PASSWORD and ROLLCALL_KAFKA_SASL_PASSWORD_FILE"
            )
    if settings.kafka_ssl_certificate_file is None and (
        tls_settings["KEY_FILE"] or tls_settings["KEY_PASSWORD"]
    ):
        return "ROLLCALL_KAFKA_SSL_KEY_FILE: a key needs ROLLCALL_KAFKA_SSL_CERTIFICATE_FILE too"
    return _unusable_file(settings)


def _unusable_file(settings: KafkaSettings) -> str | None:
    """Why a service would never connect with these files; found at its start, not at its first
    connection."""
    if settings.kafka_sasl_password_file is not None:
        try:
            if not _password(settings):
                return "ROLLCALL_KAFKA_SASL_PASSWORD_FILE: the file is empty"
        except (OSError, UnicodeDecodeError) as error:
            return f"ROLLCALL_KAFKA_SASL_PASSWORD_FILE: {_told(error)}"
    if not settings.kafka_security_protocol.endswith("SSL"):
        return None
    try:
        context = _tls(settings, own_certificate=False)
    except OSError as error:
        return f"ROLLCALL_KAFKA_SSL_CA_FILE: {_told(error)}"
    try:
        _show_own_certificate(settings, context)
    except OSError as error:
        return (
            "ROLLCALL_KAFKA_SSL_CERTIFICATE_FILE, ROLLCALL_KAFKA_SSL_KEY_FILE and "
            f"ROLLCALL_KAFKA_SSL_KEY_PASSWORD: {_told(error)}"
        )
    return None


def _told(error: OSError | UnicodeDecodeError) -> str:
    if isinstance(error, ssl.SSLError):
        return f"not a PEM file that can be used ({error.reason or error})"
    if isinstance(error, UnicodeDecodeError):
        return "not a text in UTF-8"
    reason = error.strerror or str(error)
    return f"{reason}: {error.filename}" if error.filename else reason


def _password(settings: KafkaSettings) -> str:
    file = settings.kafka_sasl_password_file
    if file is None:
        return settings.kafka_sasl_password.get_secret_value()
    # Editors and `echo` end a file with a line feed that is no part of a password.
    return file.read_text("utf-8").rstrip("\r\n")


def _tls(settings: KafkaSettings, *, own_certificate: bool = True) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=settings.kafka_ssl_ca_file)
    context.check_hostname = settings.kafka_ssl_check_hostname
    if own_certificate:
        _show_own_certificate(settings, context)
    return context


def _show_own_certificate(settings: KafkaSettings, context: ssl.SSLContext) -> None:
    if settings.kafka_ssl_certificate_file is not None:
        password = settings.kafka_ssl_key_password.get_secret_value()
        # A function: without one OpenSSL asks at the terminal for the password of a locked key.
        context.load_cert_chain(
            settings.kafka_ssl_certificate_file,
            settings.kafka_ssl_key_file,
            password=lambda: password,
        )
