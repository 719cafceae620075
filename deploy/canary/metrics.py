"""What canaries tell Prometheus."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from deploy.canary.script import Change
from schemas.service.build_info import tell_version

Transport: TypeAlias = Literal["http", "socket"]
Called: TypeAlias = Literal["accepted", "refused", "unanswered"]
Look: TypeAlias = Literal["answered", "stale", "failed"]
TRANSPORTS: Final[tuple[Transport, ...]] = get_args(Transport)
#: Up to a death, which is seen after ``offline_after``.
SECONDS: Final = (1.0, 2.5, 5.0, 10.0, 15.0, 30.0, 45.0, 60.0, 120.0, 300.0, 330.0, 600.0, 1200.0)


class CanaryMetrics:
    """Of one process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        tell_version(registry, "rollcall_canary")

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"rollcall_canary_{name}", text, labels, registry=registry)

        self.devices = Gauge(
            "rollcall_canary_devices", "Canaries that run.", ["transport"], registry=registry
        )
        self.online_seconds = counter(
            "online_seconds_total",
            "Time in which canaries were online in truth, and were looked at.",
            "transport",
        )
        self.false_offline_seconds = counter(
            "false_offline_seconds_total",
            "Time of that in which they were shown offline.",
            "transport",
        )
        self.false_offline = counter("false_offline_total", "Times that this began.", "transport")
        self.false_online_seconds = counter(
            "false_online_seconds_total",
            "Time in which canaries were shown online that had left: longer than may be.",
            "transport",
        )
        self.false_online = counter("false_online_total", "Times that this began.", "transport")
        self.detection_seconds = Histogram(
            "rollcall_canary_detection_seconds",
            "From a change of a canary to the first look that shows it.",
            ["transport", "change"],
            buckets=SECONDS,
            registry=registry,
        )
        self.undetected = counter(
            "undetected_total",
            "Changes of canaries that were not shown before the next one.",
            "transport",
            "change",
        )
        self.calls = counter(
            "calls_total",
            "Calls, frames and connections of canaries, by what came of them.",
            "transport",
            "outcome",
        )
        self.looks = counter(
            "looks_total", "Looks at what is shown; those that failed tell nothing.", "outcome"
        )
        self.as_of_age = Gauge(
            "rollcall_canary_as_of_age_seconds",
            "How old what is shown was at the last look, by this process's clock.",
            registry=registry,
        )
        self.unmarked = Gauge(
            "rollcall_canary_unmarked",
            "Canaries that are online and counted as people: their token lacks the claim.",
            registry=registry,
        )
        self.tokens_usable = Gauge(
            "rollcall_canary_tokens_usable",
            "Whether the file of tokens could be read when it last changed.",
            registry=registry,
        )
        self.token_seconds = Gauge(
            "rollcall_canary_token_seconds",
            "How long the token that expires first is still good; none of them says: +Inf.",
            registry=registry,
        )
        for transport in TRANSPORTS:
            for metric in (
                *(self.devices, self.online_seconds, self.false_offline_seconds),
                *(self.false_offline, self.false_online_seconds, self.false_online),
            ):
                metric.labels(transport)
            for change in get_args(Change):
                self.detection_seconds.labels(transport, change)
                self.undetected.labels(transport, change)
            for called in get_args(Called):
                self.calls.labels(transport, called)
        for look in get_args(Look):
            self.looks.labels(look)


class TransportFindings:
    """Counts what is found of canaries of one transport (``judge.Findings``)."""

    def __init__(self, metrics: CanaryMetrics, transport: Transport) -> None:
        self._metrics, self._transport = metrics, transport

    def online(self, seconds: float) -> None:
        self._metrics.online_seconds.labels(self._transport).inc(seconds)

    def false_offline(self, seconds: float, *, begins: bool) -> None:
        self._metrics.false_offline_seconds.labels(self._transport).inc(seconds)
        self._metrics.false_offline.labels(self._transport).inc(int(begins))

    def false_online(self, seconds: float, *, begins: bool) -> None:
        self._metrics.false_online_seconds.labels(self._transport).inc(seconds)
        self._metrics.false_online.labels(self._transport).inc(int(begins))

    def detected(self, change: Change, seconds: float) -> None:
        self._metrics.detection_seconds.labels(self._transport, change).observe(seconds)

    def undetected(self, change: Change) -> None:
        self._metrics.undetected.labels(self._transport, change).inc()
