"""The settings of the ingest service, from ``ROLLCALL_…`` variables."""

from __future__ import annotations

from dataclasses import replace
from typing import Final, Self

from pydantic import Field, model_validator

from ingest.body.validate import DoorRules
from ingest.socket.actions import SessionPolicy
from schemas.http.settings import CorsSettings, HttpSettings
from schemas.log.settings import KafkaSettings, ScreenRulesSettings
from schemas.service.settings import (
    DELIVERY_SLACK_SECONDS,
    LogSettings,
    PrivacySettings,
    TimingSettings,
)
from schemas.service.user_hash import DevicePseudonym
from schemas.tokens.claims import ClaimRules
from schemas.tokens.settings import TokenSettings

#: Of silence before a ping, unless it is set.
MAX_PING_SECONDS: Final = 30.0
#: Where timing is short on purpose.
LEAST_CUT_OFF_SECONDS: Final = 1.0


def ping_problem(
    heartbeat_interval_seconds: float,
    ping_interval_seconds: float,
    ping_timeout_seconds: float,
    offline_after_seconds: float,
) -> str | None:
    """Why these pings break promise 7 for a client that is there and says nothing, with the sum;
    ``None`` if they do not.

    Its renewals come a heartbeat interval apart, each only if it was heard of since the one before:
    at worst a ping interval of silence, the pong at the end of its time-out, and a heartbeat
    interval until the next renewal is due.
    """
    between = (heartbeat_interval_seconds, ping_interval_seconds, ping_timeout_seconds)
    needed = sum(between) + DELIVERY_SLACK_SECONDS
    if needed <= offline_after_seconds:
        return None
    return (
        f"heartbeat interval {between[0]:g} s + ROLLCALL_WEBSOCKET_PING_INTERVAL_SECONDS "
        f"{between[1]:g} s + ROLLCALL_WEBSOCKET_PING_TIMEOUT_SECONDS {between[2]:g} s + "
        f"{DELIVERY_SLACK_SECONDS:g} s = {needed:g} s is more than offline-after "
        f"{offline_after_seconds:g} s: a quiet socket that answers pings would be shown offline; "
        "ping more often (unset both: half of the heartbeat interval), or use offline-after "
        f"{needed:g} s or more"
    )


class IngestSettings(
    KafkaSettings,
    TimingSettings,
    TokenSettings,
    PrivacySettings,
    ScreenRulesSettings,
    HttpSettings,
    CorsSettings,
    LogSettings,
):
    """Where ingest listens, what it holds for Kafka, and how much it lets clients do."""

    ingest_host: str = Field("127.0.0.1", description="Address that phones reach.")
    ingest_port: int = Field(8081, ge=0, le=65535, description="Port that phones reach.")
    ingest_admin_host: str = Field("127.0.0.1", description="Address of metrics and health.")
    ingest_admin_port: int = Field(9081, ge=0, le=65535, description="Port of metrics and health.")
    ingest_workers: int = Field(
        1, ge=1, le=64, description="Processes that share the port that phones reach."
    )
    accept_timeout_seconds: float = Field(
        5.0, gt=0, le=60, description="How long a call may wait for Kafka before its 503."
    )
    tick_interval_seconds: float = Field(
        1.0, gt=0, le=5, description="A partition not written to for this long gets a tick."
    )
    buffer_bytes: int = Field(
        1_048_576,
        ge=16_384,
        description="Bytes of events that wait for Kafka, per partition; above it, 503 at once.",
    )
    total_buffer_bytes: int = Field(
        67_108_864,
        ge=16_384,
        description="Bytes of events that wait for Kafka or its acknowledgement, over all "
        "partitions; above it, 503 at once.",
    )
    max_calls_in_flight: int = Field(
        5_000, ge=1, description="Calls that are not answered yet; above it, 503 at once."
    )
    max_linger_seconds: float = Field(
        0.06, ge=0, le=0.09, description="The longest that an event waits for company under load."
    )
    max_body_bytes: int = Field(16_384, ge=1_024, description="Largest body of a call.")
    http_body_timeout_seconds: float = Field(
        10.0, gt=0, le=600, description="How long the body of a call may take to arrive."
    )
    user_events_per_second: float = Field(
        1.0, gt=0, description="Events of a user in the long run; above it 429. Logouts are apart."
    )
    user_events_burst: int = Field(60, ge=1, description="Events of a user at once, after a pause.")
    user_logouts_per_second: float = Field(
        0.2,
        gt=0,
        description="Distinct logouts of a user in the long run; above it 429. A repeat within the "
        "fence is answered 200 and not written.",
    )
    user_logouts_burst: int = Field(
        20, ge=1, description="Distinct logouts of a user at once: there are 16 devices at most."
    )
    user_connections: int = Field(20, ge=1, description="Sockets of a user, per process.")
    max_connections: int = Field(
        50_000, ge=1, description="Sockets of all users together, per process."
    )
    websocket_auth_timeout_seconds: float = Field(
        5.0, gt=0, le=60, description="How long a socket may take to authenticate."
    )
    websocket_first_frame_seconds: float = Field(
        2.0,
        ge=0,
        le=60,
        description="How long a socket's device may stay unnamed before the token names it.",
    )
    websocket_ping_interval_seconds: float | None = Field(
        None,
        gt=0,
        description="A socket that is silent for this long is pinged; default half of the "
        "heartbeat interval, at most 30.",
    )
    websocket_ping_timeout_seconds: float | None = Field(
        None,
        gt=0,
        description="A socket that does not answer a ping for this long is lost; default likewise.",
    )
    websocket_messages_per_second: int = Field(
        250,
        ge=10,
        description="Messages of a socket that are read in a second, pings and pongs included; "
        "what comes faster waits with its client.",
    )
    max_silent_foreground_seconds: float = Field(
        0.0,
        ge=0,
        description="A foreground device whose socket answers pings but sends no frame for this "
        "long is written as hidden (a tab that nobody looks at). welcome tells it, and clients "
        "that say nothing while they are idle, as ours, send a frame within it. At least two "
        "heartbeat intervals. 0: never.",
    )
    websocket_drain_seconds: float = Field(
        3.0, ge=0, le=60, description="Over how long the sockets are closed when ingest stops."
    )
    websocket_reconnect_seconds: float = Field(
        30.0,
        ge=0,
        description="Over how long clients come back after that; at most a third of offline-after.",
    )
    websocket_compression: bool = Field(
        False, description="Offer permessage-deflate: some 300 KB of memory per socket."
    )

    canary_claim: str | None = Field(
        None,
        min_length=1,
        description="Claim that is `true` in tokens of canaries, synthetic users who are in no "
        "count ([canaries](canary.md)): its name, a path or a JSON pointer. One that only the "
        "issuer sets: a user who could set it would hide from counts. Default: nobody is a "
        "canary.",
    )
    drop_name: bool = Field(
        False,
        description="Never read users' names in tokens, so that none is stored; a user's stored "
        "name goes with their next heartbeat.",
    )
    drop_device_info: bool = Field(
        False,
        description="Write a keyed hash in place of each device_info, so that the devices of a "
        "user stay apart and no text of it is stored. Needs ROLLCALL_USER_HASH_KEY.",
    )

    @model_validator(mode="after")
    def _devices_stay_apart(self) -> Self:
        if self.drop_device_info and self.user_hash is None:
            raise ValueError(
                "ROLLCALL_DROP_DEVICE_INFO needs ROLLCALL_USER_HASH_KEY, under which devices that "
                "name themselves by their device_info stay apart: openssl rand -base64 33 makes one"
            )
        return self

    @model_validator(mode="after")
    def _pings_keep_a_quiet_socket_online(self) -> Self:
        problem = ping_problem(
            self.heartbeat_interval_seconds,
            self.ping_interval_seconds,
            self.ping_timeout_seconds,
            self.offline_after_seconds,
        )
        if problem and not self.allow_short_timing:
            raise ValueError(problem)
        return self

    @model_validator(mode="after")
    def _workers_share_a_port(self) -> Self:
        if self.ingest_workers > 1 and self.ingest_port == 0:
            raise ValueError(
                "ROLLCALL_INGEST_PORT: with several workers choose a port: with 0 each would get "
                "another one"
            )
        return self

    @model_validator(mode="after")
    def _a_client_can_keep_to_the_bound(self) -> Self:
        bound = self.max_silent_foreground_seconds
        if 0 < bound < 2 * self.heartbeat_interval_seconds:
            raise ValueError(
                f"ROLLCALL_MAX_SILENT_FOREGROUND_SECONDS: {bound:g} hides people who are there; "
                "write at least twice ROLLCALL_HEARTBEAT_INTERVAL_SECONDS, or 0"
            )
        return self

    @property
    def door_rules(self) -> DoorRules:
        """What becomes of texts before they are written."""
        screens = self.screens
        return DoorRules(
            screen=None if screens is None else screens.folder(),
            device_info=(
                DevicePseudonym(self.user_hash_key.get_secret_value())
                if self.drop_device_info
                else None
            ),
        )

    def _rules(self, issuer: str | None, audience: str | None) -> ClaimRules:
        rules = replace(super()._rules(issuer, audience), canary_claim=self.canary_claim)
        return replace(rules, name_claim=None) if self.drop_name else rules

    @property
    def ping_interval_seconds(self) -> float:
        """The silence after which a socket is pinged."""
        return self.websocket_ping_interval_seconds or self._ping_default_seconds

    @property
    def ping_timeout_seconds(self) -> float:
        """How long it may take to answer."""
        return self.websocket_ping_timeout_seconds or self._ping_default_seconds

    @property
    def _ping_default_seconds(self) -> float:
        return min(MAX_PING_SECONDS, self.heartbeat_interval_seconds / 2)

    @property
    def cut_off_seconds(self) -> float:
        """How long nothing of a partition may be acknowledged before its sockets are sent away: a
        third of what a socket that is well leaves of offline-after (``ingest/log/cut_off.py``)."""
        silent = self.heartbeat_interval_seconds + self.ping_interval_seconds
        left = self.offline_after_seconds - silent - self.ping_timeout_seconds
        return max(LEAST_CUT_OFF_SECONDS, left / 3)

    @property
    def session_policy(self) -> SessionPolicy:
        """What the life of a socket goes by."""
        return SessionPolicy(
            heartbeat_interval_seconds=self.heartbeat_interval_seconds,
            offline_after_seconds=self.offline_after_seconds,
            auth_timeout_seconds=self.websocket_auth_timeout_seconds,
            first_frame_seconds=self.websocket_first_frame_seconds,
            ping_interval_seconds=self.ping_interval_seconds,
            ping_timeout_seconds=self.ping_timeout_seconds,
            max_silent_foreground_seconds=self.max_silent_foreground_seconds,
            messages_per_second=self.websocket_messages_per_second,
        )

    @property
    def reconnect_spread_ms(self) -> int:
        """The longest that a client is told to wait before it comes back."""
        return int(1000 * min(self.websocket_reconnect_seconds, self.offline_after_seconds / 3))
