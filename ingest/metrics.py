"""What ingest tells about itself. Label values come from closed sets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from ingest.field_warnings import WARNING_TEXT, FieldWarning
from schemas.events import MAX_TEXT
from schemas.problems import CODES, TOKEN_CODES

CALLS: Final = ("heartbeat", "logout")
ACCEPTED: Final = "accepted"
#: The client went away before its answer.
GONE: Final = "gone"
OUTCOMES: Final = (ACCEPTED, GONE, *CODES)
#: Which limit was met: see ingest.limits.
LIMITS: Final = ("user_events", "auth_failures", "user_connections", "max_connections")
FIELDS: Final = (*MAX_TEXT, "app_state", "device_id", "sent_at", "body")

_SECONDS: Final = (0.002, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.2, 0.5, 1, 2, 5, 10)
_HOUR: Final = 3600
_SKEW_SECONDS: Final = (
    *(-24 * _HOUR, -_HOUR, -300, -60, -30, -10, -2),
    *(0, 2, 10, 30, 60, 300, _HOUR, 24 * _HOUR),
)


class IngestMetrics:
    """One object per service. Children are looked up once: label look-ups cost microseconds."""

    def __init__(self, registry: CollectorRegistry) -> None:
        requests = Counter(
            "rollcall_ingest_requests",
            "Calls answered, by outcome: accepted, gone (the client left), or a problem's code.",
            ("call", "outcome"),
            registry=registry,
        )
        self.requests: Mapping[tuple[str, str], Counter] = {
            (call, outcome): requests.labels(call, outcome)
            for call in CALLS
            for outcome in OUTCOMES
        }
        accept = Histogram(
            "rollcall_ingest_accept_seconds",
            "From the request's head to Kafka's acknowledgement, of accepted calls, in seconds.",
            ("call",),
            buckets=_SECONDS,
            registry=registry,
        )
        self.accept_seconds = {call: accept.labels(call) for call in CALLS}
        refusals = Counter(
            "rollcall_ingest_token_refusals",
            "Calls whose token was refused, by cause.",
            ("code",),
            registry=registry,
        )
        self.token_refusals = {code: refusals.labels(code) for code in sorted(TOKEN_CODES)}
        limited = Counter(
            "rollcall_ingest_rate_limited",
            "Calls, frames and sockets that were refused, by the limit that they met.",
            ("limit",),
            registry=registry,
        )
        self.rate_limited = {limit: limited.labels(limit) for limit in LIMITS}
        warnings = Counter(
            "rollcall_ingest_field_warnings",
            "Fields that were mended or ignored, by field and what was done.",
            ("field", "kind"),
            registry=registry,
        )
        self.field_warnings = {
            FieldWarning(field, kind): warnings.labels(field, kind)
            for field in FIELDS
            for kind in WARNING_TEXT
        }
        self.unknown_fields = Counter(
            "rollcall_ingest_unknown_fields",
            "Fields of bodies that Rollcall does not know and ignored.",
            registry=registry,
        )
        self.clock_skew_seconds = Histogram(
            "rollcall_ingest_clock_skew_seconds",
            "A phone's sent_at less our clock, in seconds; used for nothing else.",
            buckets=_SKEW_SECONDS,
            registry=registry,
        )
        self.buffer_bytes = Gauge(
            "rollcall_ingest_buffer_bytes",
            "Encoded events that wait for Kafka, over all partitions, in bytes.",
            registry=registry,
        )
        self.record_events = Histogram(
            "rollcall_ingest_record_events",
            "Events in a record that Kafka acknowledged, ticks not counted.",
            buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000),
            registry=registry,
        )
        self.record_bytes = Histogram(
            "rollcall_ingest_record_bytes",
            "Size of a record that Kafka acknowledged, in bytes.",
            buckets=(256, 1024, 4096, 16_384, 65_536, 262_144, 1_048_576),
            registry=registry,
        )
        self.ack_seconds = Histogram(
            "rollcall_ingest_ack_seconds",
            "From a record's hand-over to Kafka's acknowledgement, in seconds.",
            buckets=_SECONDS,
            registry=registry,
        )
        self.record_failures = Counter(
            "rollcall_ingest_record_failures",
            "Records whose acknowledgement did not come in time; their calls got a 503.",
            registry=registry,
        )
        ticks = Counter(
            "rollcall_ingest_ticks",
            "Ticks written to partitions that were quiet, by outcome.",
            ("outcome",),
            registry=registry,
        )
        self.ticks_written = ticks.labels("written")
        self.ticks_failed = ticks.labels("failed")
        self.kafka_connected = Gauge(
            "rollcall_ingest_kafka_connected",
            "1 while Kafka answers, else 0.",
            registry=registry,
        )
