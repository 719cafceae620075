"""The settings of the query API, from ``ROLLCALL_…`` variables."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from api.admin_targets import MOST_TARGETS, Target, parse_targets
from api.single_sign_on_settings import SingleSignOnSettings
from schemas.alerts.settings import MailHostSettings
from schemas.http.settings import CorsSettings, HttpSettings
from schemas.log.settings import KafkaSettings, ScreenRulesSettings
from schemas.service.settings import (
    AnalyticsSettings,
    DatabaseSettings,
    LogSettings,
    PrivacySettings,
    TimingSettings,
)
from schemas.tokens.setting_values import listed
from schemas.tokens.staff_settings import StaffSettings
from schemas.webhooks.settings import WebhookSettings


class ApiSettings(
    KafkaSettings,
    DatabaseSettings,
    TimingSettings,
    StaffSettings,
    SingleSignOnSettings,
    HttpSettings,
    CorsSettings,
    AnalyticsSettings,
    PrivacySettings,
    ScreenRulesSettings,
    WebhookSettings,
    MailHostSettings,
    LogSettings,
):
    """Where the API listens, how long it waits for PostgreSQL, and when an answer is stale."""

    api_host: str = Field("127.0.0.1", description="Address of the API and the dashboard.")
    api_port: int = Field(8082, ge=0, le=65535, description="Port of the API and the dashboard.")
    api_admin_host: str = Field("127.0.0.1", description="Address of metrics and health.")
    api_admin_port: int = Field(9082, ge=0, le=65535, description="Port of metrics and health.")
    stale_after_seconds: float = Field(
        10.0, gt=0, description="Age of as_of above which an answer says that it is stale."
    )
    api_pool_size: int = Field(
        8,
        ge=1,
        le=1_000,
        description="Connections to PostgreSQL at most, per process, beside one for the count and "
        "readiness.",
    )
    api_pool_wait_seconds: float = Field(
        2.0, gt=0, le=30, description="How long a call may wait for a connection before its 503."
    )
    api_statement_timeout_seconds: float = Field(
        5.0, gt=0, le=60, description="How long a query may run before it is cancelled: a 503."
    )
    api_export_timeout_seconds: float = Field(
        60.0,
        gt=0,
        le=240,
        description="How long PostgreSQL may look for the users of an audience's export before it "
        "is cancelled: a 503.",
    )
    api_cookie_secure: bool = Field(
        False,
        description="Mark the dashboard's cookie Secure even where the gateway does not tell that "
        "the browser came by https.",
    )
    session_seconds: int = Field(
        43_200,
        ge=60,
        le=2_592_000,
        description="How long the dashboard stays signed in after its last use; never longer than "
        "its token.",
    )
    feed_viewers: int = Field(
        500,
        ge=1,
        description="Readers that follow the feed of a process at once; one more gets a 503.",
    )
    feed_viewers_per_reader: int = Field(
        50,
        ge=1,
        description="Of these, connections of one user or API key; one more gets a 429.",
    )
    feed_interval_seconds: float = Field(
        1.0,
        ge=0.02,
        le=10,
        description="How often the feed tells what is new; as often PostgreSQL is asked, however "
        "many follow it.",
    )
    simulated: bool = Field(
        False, description="Say on every page of the dashboard that the data is simulated."
    )
    count_calls_per_second: float = Field(
        50.0,
        gt=0,
        description="Public counts that a client address may ask for in the long run; above it "
        "429. Pages of share links have a limit of their own, which is the same.",
    )
    count_calls_burst: int = Field(
        500,
        ge=1,
        description="Public counts that a client address may ask for at once; of pages of share "
        "links as many.",
    )
    admin_targets: str = Field(
        "",
        description="Comma-separated `host:port` of the admin ports of all our services, which the "
        "Health page asks while somebody looks at it; a DNS name stands for all its addresses, "
        f"{MOST_TARGETS} in all. A host that is not this machine must be in "
        "ROLLCALL_PLAIN_HTTP_HOSTS too.",
    )

    @model_validator(mode="after")
    def _may_ask_its_targets(self) -> Self:
        _ = self.targets
        return self

    @property
    def targets(self) -> tuple[Target, ...]:
        """Whose admin ports are asked. Raises ``ValueError``, at the start."""
        return parse_targets(self.admin_targets, listed(self.plain_http_hosts.lower()))

    @property
    def audit_key(self) -> bytes:
        """Under which the audit of reads hashes its subjects; empty: there is none."""
        return self.user_hash_key.get_secret_value().encode()
