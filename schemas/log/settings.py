"""Settings of Kafka: where the log is, how its brokers are spoken to, how its topics are made; and
what becomes of screens' names on their way into it."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Final, Literal, Self

from pydantic import Field, SecretStr, model_validator

from schemas.log.screen_rules import (
    MAX_FILE_BYTES,
    ScreenRules,
    ScreenRulesError,
    parse_screen_rules,
)
from schemas.service.settings import Settings

#: A hundred years: of a replay that is to lose nothing.
MOST_DAYS: Final = 36_500


class KafkaSettings(Settings):
    """Where the log is and how its topics are made."""

    kafka_bootstrap: str = Field(
        "127.0.0.1:9092", description="Kafka bootstrap servers: `host:port`, comma-separated."
    )
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT",
        description="How to speak to brokers: `PLAINTEXT`, `SSL`, `SASL_PLAINTEXT` or `SASL_SSL`.",
    )
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = Field(
        None,
        description="With SASL: `PLAIN`, `SCRAM-SHA-256` or `SCRAM-SHA-512`.",
    )
    kafka_sasl_username: str = Field("", description="With SASL: the user.")
    kafka_sasl_password: SecretStr = Field(SecretStr(""), description="With SASL: the password.")
    kafka_sasl_password_file: Path | None = Field(
        None,
        description="A file that holds that password instead.",
    )
    kafka_ssl_ca_file: Path | None = Field(
        None,
        description="With SSL: PEM file of the authorities that sign the brokers' certificates; "
        "without, those that the system trusts.",
    )
    kafka_ssl_certificate_file: Path | None = Field(
        None, description="With SSL: PEM file of our own certificate, where brokers ask for one."
    )
    kafka_ssl_key_file: Path | None = Field(
        None, description="PEM file of its key, unless the certificate's file holds that too."
    )
    kafka_ssl_key_password: SecretStr = Field(SecretStr(""), description="Password of that key.")
    kafka_ssl_check_hostname: bool = Field(
        True, description="With SSL: whether a broker's certificate must name its host."
    )
    topic_prefix: str = Field("", description="Put before every topic name.")
    partitions: int = Field(
        12, ge=1, le=1024, description="Partitions of the topics; fixed when a deployment is made."
    )
    replication_factor: int = Field(
        3,
        ge=1,
        description="Copies of each partition, when topics are created; with 3 or more a record "
        "counts as stored once two brokers have it.",
    )
    log_retention_hours: int = Field(
        72,
        ge=1,
        le=MOST_DAYS * 24,
        description="Hours for which Kafka keeps presence.events: as long as the processors may be "
        "away without a loss. `rollcall topics` applies it.",
    )
    changes_retention_days: int = Field(
        7,
        ge=1,
        le=MOST_DAYS,
        description="Days for which the history of changes is kept, as a table and as the topic "
        "presence.changes. `rollcall topics` applies it to the topic.",
    )
    rejects_retention_days: int = Field(
        7,
        ge=1,
        le=MOST_DAYS,
        description="Days for which Kafka keeps presence.rejects. `rollcall topics` applies it.",
    )
    sign_outs_retention_hours: int = Field(
        1,
        ge=1,
        le=MOST_DAYS * 24,
        description="Hours for which Kafka keeps presence.sign_outs. `rollcall topics` applies it.",
    )
    allow_create_time: bool = Field(
        False,
        description="For replay and tests only: presence.events has "
        "message.timestamp.type=CreateTime, so log time is whatever the writer of a record says, "
        "and its records are kept for ever.",
    )

    @model_validator(mode="after")
    def _kafka_can_be_spoken_to(self) -> Self:
        problem = security_problem(self)
        if problem:
            raise ValueError(problem)
        return self

    @property
    def kafka_servers(self) -> list[str]:
        """The bootstrap servers, one by one."""
        return [each.strip() for each in self.kafka_bootstrap.split(",") if each.strip()]


class ScreenRulesSettings(Settings):
    """What becomes of screens' names."""

    screen_rules: Path | None = Field(
        None,
        description="A file of rules that fold ids and people's names out of screens' names before "
        "anything is stored ([privacy](privacy.md#screen-rules)); read at the start. The API shows "
        "what they make of names. Without a file names stay as they are.",
    )

    @model_validator(mode="after")
    def _rules_can_be_used(self) -> Self:
        self.screens  # noqa: B018 - raises
        return self

    @property
    def screens(self) -> ScreenRules | None:
        """``None`` without a file. Raises ``ValueError`` that names the line and the remedy."""
        if self.screen_rules is None:
            return None
        try:
            return read_screen_rules(self.screen_rules)
        except ScreenRulesError as error:
            raise ValueError(f"ROLLCALL_SCREEN_RULES: {self.screen_rules}: {error}") from None


def read_screen_rules(path: Path) -> ScreenRules:
    """The rules of a file. Raises :class:`ScreenRulesError`."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
        if len(content) > MAX_FILE_BYTES:
            raise ScreenRulesError(f"it has more than {MAX_FILE_BYTES} bytes: write fewer rules")
        return parse_screen_rules(content.decode())
    except (OSError, UnicodeDecodeError) as error:
        raise ScreenRulesError(_told(error)) from None


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
            if not password_of(settings):
                return "ROLLCALL_KAFKA_SASL_PASSWORD_FILE: the file is empty"
        except (OSError, UnicodeDecodeError) as error:
            return f"ROLLCALL_KAFKA_SASL_PASSWORD_FILE: {_told(error)}"
    if not settings.kafka_security_protocol.endswith("SSL"):
        return None
    try:
        context = tls_context(settings, own_certificate=False)
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


def password_of(settings: KafkaSettings) -> str:
    """The password of SASL, from wherever it is. Raises ``OSError`` or ``UnicodeDecodeError``."""
    file = settings.kafka_sasl_password_file
    if file is None:
        return settings.kafka_sasl_password.get_secret_value()
    # Editors and `echo` end a file with a line feed that is no part of a password.
    return file.read_text("utf-8").rstrip("\r\n")


def tls_context(settings: KafkaSettings, *, own_certificate: bool = True) -> ssl.SSLContext:
    """What connections over TLS are made with. Raises ``OSError``."""
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
