"""Settings of the processor, from the environment."""

from __future__ import annotations

import math
from typing import Final, Self

from pydantic import Field, field_validator, model_validator

from processor.core.model import Policy
from schemas.log.settings import KafkaSettings
from schemas.service.settings import (
    AnalyticsSettings,
    DatabaseSettings,
    LogSettings,
    PrivacySettings,
    TimingSettings,
)

SHORTEST_TIMER_SECONDS: Final = 30


class GroupSettings(KafkaSettings):
    """Which processes are the processors of a log."""

    consumer_group: str = Field("rollcall-processor", description="Kafka consumer group.")

    @property
    def group(self) -> str:
        """Its name in Kafka, where deployments may share brokers."""
        return self.topic_prefix + self.consumer_group


class ProcessorSettings(
    GroupSettings,
    DatabaseSettings,
    TimingSettings,
    AnalyticsSettings,
    PrivacySettings,
    LogSettings,
):
    """Everything that the processor needs to know."""

    processor_admin_host: str = Field("127.0.0.1", description="Address of the admin port.")
    processor_admin_port: int = Field(
        9083, ge=0, le=65535, description="Port of /metrics, /healthz and /readyz."
    )
    session_timeout_seconds: float = Field(
        6.0, gt=0, description="Silence after which Kafka gives a processor's partitions away."
    )
    outage_gap_seconds: float = Field(
        15.0, gt=0, description="Silence of the log that counts as our own outage, in seconds."
    )
    outage_hold_seconds: float = Field(
        900.0, ge=0, description="Longest time that an outage keeps anybody online, in seconds."
    )
    client_interval_seconds: float = Field(
        180.0,
        gt=0,
        description="The longest interval at which apps in the field send heartbeats in the "
        "foreground, in seconds: tells a silence of theirs from one of ours.",
    )
    background_timer_seconds: float = Field(
        120.0,
        ge=0,
        le=3_600,
        description="The period of the timer that apps of the guide's kind leave running in the "
        "background, in seconds: an Unknown on its grid is the timer, any other a person who came "
        "back. 0: each is a person, and only marked.",
    )
    ready_lag_seconds: float = Field(
        30.0,
        gt=0,
        description="A processor is ready while no record of its partitions waits longer than "
        "this, in seconds.",
    )
    stall_seconds: float = Field(
        60.0,
        gt=0,
        description="A processor whose event loop hangs for so long, or that gets nothing done "
        "while records wait, ends, and its supervisor starts another; in seconds.",
    )
    batch_records: int = Field(1_000, ge=1, description="Records of a batch at most.")
    batch_wait_seconds: float = Field(
        1.0,
        ge=0,
        le=1.5,
        description="The longest that a batch waits for more events, in seconds: on a busy log, "
        "for what changes nothing that is shown. What people look at waits half as long, a logout "
        "not at all. Less shows changes sooner and costs more CPU an event.",
    )
    max_screens: int = Field(
        200,
        ge=1,
        le=10_000,
        description="Screen names that count as themselves per minute and partition; any further "
        "one counts as (other) in analytics. Known names, which five users showed on an earlier "
        "day, go before new ones.",
    )
    min_group_size: int = Field(
        0,
        ge=0,
        le=10_000,
        description="Lists and views of analytics tell no group of fewer users apart: those below "
        "are merged into (suppressed). 0: off.",
    )
    spans_retention_days: int = Field(
        14, ge=1, description="Days for which closed spans and sessions are kept."
    )
    samples_retention_days: int = Field(
        14, ge=1, description="Days for which samples of concurrency are kept."
    )
    minutes_retention_days: int = Field(
        3, ge=2, description="Days for which windows of a minute and their transitions are kept."
    )
    user_days_retention_days: int = Field(
        62, ge=31, description="Days for which it is kept on which days a user was active."
    )
    rollups_retention_days: int = Field(
        400, ge=32, description="Days for which quarter-hours and days of analytics are kept."
    )
    screen_versions_retention_days: int = Field(
        62,
        ge=1,
        description="Days for which engagement by version and platform is kept, by the hour.",
    )
    audience_exports_retention_days: int = Field(
        400, ge=1, description="Days for which the audit of exported audiences is kept."
    )
    reads_audit_retention_days: int = Field(
        400,
        ge=1,
        description="Days for which it is kept who looked at whom, and what managers did.",
    )
    erasures_retention_days: int = Field(
        400,
        ge=1,
        description="Days for which it is kept that an erasure or an opt-out was done, and how "
        "many rows went. Whether somebody has opted out is kept for good.",
    )
    users_retention_days: int = Field(
        90,
        ge=1,
        description="Days for which a user who is not seen any more is kept; then they are removed "
        "and count as new if they come back. Never shorter than their changes, spans, sessions and "
        "days are kept.",
    )
    api_keys_retention_days: int = Field(
        400,
        ge=1,
        description="Days after which an API key that nobody used is removed, revoked or not.",
    )

    @field_validator("background_timer_seconds")
    @classmethod
    def _a_timer_has_a_grid(cls, seconds: float) -> float:
        if 0 < seconds < SHORTEST_TIMER_SECONDS:
            raise ValueError(
                f"is {seconds:g}: a person could not be told from a timer that beats so often; "
                f"use {SHORTEST_TIMER_SECONDS} or more, or 0 to take each beat for a person"
            )
        return seconds

    @model_validator(mode="after")
    def _the_log_is_kept_long_enough(self) -> Self:
        problem = None if self.allow_create_time else self._log_retention_problem()
        if problem:
            raise ValueError(problem)
        return self

    def _log_retention_problem(self) -> str | None:
        """Records of these durations tell who is online; and what the log asks for is proven for as
        long as it is there, because ``rollcall audit`` compares the two."""
        parts = {
            "offline-after": self.offline_after_seconds,
            "outage hold": self.outage_hold_seconds,
            "grace after an outage": self.reconnect_grace_seconds,
            "disconnect grace": self.disconnect_grace_seconds,
            "logout fence": self.logout_fence_seconds,
        }
        needed, hours = sum(parts.values()), self.log_retention_hours
        if needed > hours * 3600:
            summands = " + ".join(f"{name} {seconds:g} s" for name, seconds in parts.items())
            return (
                f"ROLLCALL_LOG_RETENTION_HOURS={hours} is less than {summands} = {needed:g} s: "
                "after an outage records of all that time decide who is online; use "
                f"{math.ceil(needed / 3600)} or more"
            )
        days = self.erasures_retention_days
        if days * 24 < hours:
            return (
                f"ROLLCALL_ERASURES_RETENTION_DAYS={days} is less than "
                f"ROLLCALL_LOG_RETENTION_HOURS={hours}: rollcall audit would miss records of what "
                f"the log still asks for; use {math.ceil(hours / 24)} or more"
            )
        return None

    @property
    def users_kept_days(self) -> int:
        """How long a user stays: a user who is removed is named in no other row."""
        return max(
            self.users_retention_days,
            self.changes_retention_days,
            self.spans_retention_days,
            self.user_days_retention_days,
        )

    @property
    def policy(self) -> Policy:
        """The policy that these settings ask for."""
        return Policy(
            offline_after_ms=_ms(self.offline_after_seconds),
            logout_fence_ms=_ms(self.logout_fence_seconds),
            reconnect_grace_ms=_ms(self.reconnect_grace_seconds),
            outage_gap_ms=_ms(self.outage_gap_seconds),
            outage_hold_ms=_ms(self.outage_hold_seconds),
            disconnect_grace_ms=_ms(self.disconnect_grace_seconds),
            max_screens=self.max_screens,
            reporting_time_zone=self.reporting_time_zone,
            client_interval_ms=_ms(self.client_interval_seconds),
            background_timer_ms=_ms(self.background_timer_seconds),
        )


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
