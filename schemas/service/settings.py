"""Settings that more than one service reads from the environment.

Each service has one frozen settings object that inherits from the groups it needs, so that a
name such as ``ROLLCALL_OFFLINE_AFTER_SECONDS`` means the same everywhere. Durations are seconds.

What must not be in an environment comes from files: ``ROLLCALL_SECRETS_DIR`` names a folder in
which each file is called like its variable, in any case, and holds its value (as Docker and
Kubernetes mount secrets). A variable that is set goes before its file.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Final, Literal, Self, TypeVar
from zoneinfo import ZoneInfo, available_timezones

from pydantic import (
    Field,
    PostgresDsn,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SecretsSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from schemas.service.user_hash import UserHash

# Promise 7: two heartbeats in a row may be lost, plus this slack for delivery.
INTERVALS_TOLERATED = 3
DELIVERY_SLACK_SECONDS = 20.0
MIN_USER_HASH_KEY: Final = 32
SECRETS_DIR_VARIABLE: Final = "ROLLCALL_SECRETS_DIR"


class Settings(BaseSettings):
    """Base of every settings object: frozen, from ``ROLLCALL_…`` variables and secrets' files."""

    model_config = SettingsConfigDict(
        env_prefix="ROLLCALL_", frozen=True, extra="ignore", env_ignore_empty=True
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Raises ``SettingsError`` if the folder of secrets is none."""
        directory = os.environ.get(SECRETS_DIR_VARIABLE)
        if not directory:
            return init_settings, env_settings
        if not Path(directory).is_dir():
            raise SettingsError(
                f"{SECRETS_DIR_VARIABLE}: {directory} is not a folder; mount one there whose files "
                "are called like variables, such as ROLLCALL_DATABASE_URL, or unset it"
            )
        return init_settings, env_settings, SecretsSettingsSource(settings_cls, directory)


class LogSettings(Settings):
    """What a service writes to standard error."""

    log_format: Literal["auto", "json", "console"] = Field(
        "auto",
        description="Lines of the log as json or for people (console); auto: for people on a "
        "terminal, else json.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="The least level that is logged; debug names users."
    )


class DatabaseSettings(Settings):
    """Where presence is stored."""

    database_url: SecretStr = Field(
        SecretStr("postgresql://rollcall@127.0.0.1:5432/rollcall"),
        description="PostgreSQL connection URL. It may name several servers; connections go to the "
        "one that takes writes (target_session_attrs=read-write unless the URL says otherwise).",
    )
    database_session_url: SecretStr = Field(
        SecretStr(""),
        description="Another URL of the same database, where ROLLCALL_DATABASE_URL is a pooler "
        "that gives each transaction another session (PgBouncer in transaction mode): for what "
        "needs a session, which are the processor, migrations and the API's exports.",
    )

    @model_validator(mode="after")
    def _are_urls(self) -> Self:
        PostgresDsn(self.database_url.get_secret_value())
        PostgresDsn(self.session_dsn)
        return self

    @property
    def dsn(self) -> str:
        return _to_the_primary(self.database_url.get_secret_value())

    @property
    def pooled(self) -> bool:
        """Whether a connection of :attr:`dsn` is a session for one transaction only."""
        return bool(self.database_session_url.get_secret_value())

    @property
    def session_dsn(self) -> str:
        """Connections of this one are sessions."""
        return _to_the_primary(self.database_session_url.get_secret_value()) or self.dsn


def _to_the_primary(url: str) -> str:
    """With ``target_session_attrs=read-write`` unless it says otherwise: of several servers the one
    that takes writes, and never a standby or a former primary (SQLSTATE 25006)."""
    if not url or "target_session_attrs=" in url:
        return url
    return f"{url}{'&' if '?' in url else '?'}target_session_attrs=read-write"


class TimingSettings(Settings):
    """The durations that decide who is online (design, section 2; promises 3, 5 and 7)."""

    heartbeat_interval_seconds: float = Field(
        90.0, gt=0, description="Heartbeat interval that the server advertises, in seconds."
    )
    offline_after_seconds: float = Field(
        300.0, gt=0, description="Silence after which a device is offline, in seconds."
    )
    logout_fence_seconds: float = Field(
        30.0,
        ge=0,
        description="How long after a logout its tokens' events are ignored, in seconds.",
    )
    disconnect_grace_seconds: float = Field(
        30.0,
        ge=0,
        description="How long a device whose last socket was lost may take to come back, in "
        "seconds.",
    )
    allow_short_timing: bool = Field(
        False, description="Accept timing that cannot tolerate two lost heartbeats (tests only)."
    )

    @model_validator(mode="after")
    def _tolerates_two_lost_heartbeats(self) -> Self:
        problem = timing_problem(self.heartbeat_interval_seconds, self.offline_after_seconds)
        if problem and not self.allow_short_timing:
            raise ValueError(problem)
        return self

    @property
    def reconnect_grace_seconds(self) -> float:
        """What everyone online gets after an outage (promise 3)."""
        return 2 * self.heartbeat_interval_seconds + DELIVERY_SLACK_SECONDS


class PrivacySettings(Settings):
    """How users who opted out or were erased are known (promise 8)."""

    user_hash_key: SecretStr = Field(
        SecretStr(""),
        description="The key by which users who opted out or were erased are known, 32 characters "
        "or more: the same for all services, never rotated, kept with the backups' keys. Without "
        "one nobody can opt out or be erased (503).",
    )
    event_version: int = Field(
        1,
        ge=1,
        le=2,
        description="2 once every processor is of release 0.2 or newer: opt-outs and erasures are "
        "written from then on. Until then they are answered with a 503.",
    )

    @field_validator("user_hash_key")
    @classmethod
    def _is_long_enough(cls, key: SecretStr) -> SecretStr:
        length = len(key.get_secret_value())
        if 0 < length < MIN_USER_HASH_KEY:
            raise ValueError(
                f"must have {MIN_USER_HASH_KEY} characters or more: openssl rand -base64 33 makes "
                "one"
            )
        return key

    @property
    def user_hash(self) -> UserHash | None:
        """``None`` without a key."""
        key = self.user_hash_key.get_secret_value()
        return UserHash(key) if key else None


class OutgoingSettings(Settings):
    """Whom we may ask, or tell, without TLS."""

    plain_http_hosts: str = Field(
        "",
        description="Comma-separated hosts that may be asked by plain http about keys and tokens, "
        "and by the API how they do, and told by webhooks: in-cluster names; with a dot before it, "
        "all names under one.",
    )


class AnalyticsSettings(Settings):
    """What the days of analytics are."""

    reporting_time_zone: str = Field(
        "UTC",
        description="IANA time zone in which days begin: of active users and of daily rollups.",
    )

    @field_validator("reporting_time_zone")
    @classmethod
    def _is_a_time_zone(cls, name: str) -> str:
        time_zone(name)
        return name

    @property
    def reporting_zone(self) -> ZoneInfo:
        return time_zone(self.reporting_time_zone)


#: Of the machine's files, in no list of IANA.
_NO_ZONES: Final = frozenset({"Factory", "localtime", "posixrules"})


def time_zone(name: str) -> ZoneInfo:
    """A time zone by its IANA name. Raises ``ValueError`` that says what would be right.

    Names are looked up in the list, never in the file system: that has other files, too.
    """
    if name not in _iana_names():
        raise ValueError("must be an IANA time zone such as Europe/Berlin or UTC")
    return ZoneInfo(name)


@cache
def _iana_names() -> frozenset[str]:
    return frozenset(available_timezones()) - _NO_ZONES


def timing_problem(heartbeat_interval_seconds: float, offline_after_seconds: float) -> str | None:
    """Why this timing breaks promise 7, with the sum and two remedies; ``None`` if it holds."""
    needed = INTERVALS_TOLERATED * heartbeat_interval_seconds + DELIVERY_SLACK_SECONDS
    if needed <= offline_after_seconds:
        return None
    longest = (offline_after_seconds - DELIVERY_SLACK_SECONDS) / INTERVALS_TOLERATED
    shorter = f"a heartbeat interval of {int(longest)} s or less, or " if longest >= 1 else ""
    return (
        f"{INTERVALS_TOLERATED} × {heartbeat_interval_seconds:g} s + {DELIVERY_SLACK_SECONDS:g} s "
        f"= {needed:g} s is more than offline-after {offline_after_seconds:g} s: two lost "
        f"heartbeats would show a phone offline; use {shorter}"
        f"offline-after {needed:g} s or more"
    )


S = TypeVar("S", bound=Settings)


def load_or_exit(settings: Callable[[], S]) -> S:
    """Settings from the environment; on a bad one, a line per mistake on stderr and exit code 2."""
    try:
        return settings()
    except ValidationError as error:
        for mistake in error.errors(include_url=False, include_input=False):
            where = "_".join(str(part) for part in mistake["loc"])
            name = f"ROLLCALL_{where.upper()}: " if where else ""
            message = mistake["msg"].removeprefix("Value error, ")
            sys.stderr.write(f"rollcall: {name}{message}\n")
        raise SystemExit(2) from None
    except SettingsError as error:
        sys.stderr.write(f"rollcall: {error}\n")
        raise SystemExit(2) from None
