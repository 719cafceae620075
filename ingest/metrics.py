"""What ingest tells about itself. Label values come from closed sets."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter as Counts
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from ingest.body.field_warnings import WARNING_TEXT, FieldWarning
from ingest.body.validate import Sent
from ingest.socket.actions import CLOSE_CODES, Write
from ingest.socket.frames import ERROR_CODES
from schemas.http.metrics import HttpMetrics
from schemas.http.problems import CODES, TOKEN_CODES
from schemas.log.events import MAX_TEXT, Connect, Disconnect, Heartbeat, Logout, Renew
from schemas.service.background import Background
from schemas.service.build_info import tell_version
from schemas.tokens.causes import CAUSES

CALLS: Final = ("heartbeat", "logout")
ACCEPTED: Final = "accepted"
#: The client went away before its answer.
GONE: Final = "gone"
OUTCOMES: Final = (ACCEPTED, GONE, *CODES)
#: Which limit a call met: see ingest.limits. What sockets meet is in the metrics of sockets.
LIMITS: Final = ("user_events", "user_logouts", "auth_failures")
#: Why calls and frames get a 503 at once: too many calls in flight, too many bytes waiting (over
#: all partitions or for one), or Kafka known to be away.
SHED_CAUSES: Final = ("calls", "buffer", "partition_buffer", "kafka_away")
FIELDS: Final = (*MAX_TEXT, "app_state", "device_id", "sent_at", "body")
#: What goes on until a process ends.
BACKGROUND: Final = ("kafka_connection", "lanes", "sign_outs", "opt_outs", "cut_off")
SOCKET_KINDS: Final = (Connect, Heartbeat, Logout, Renew, Disconnect)

_SECONDS: Final = (0.002, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.2, 0.5, 1, 2, 5, 10)
_HOUR: Final = 3600
_SKEW_SECONDS: Final = (
    *(-24 * _HOUR, -_HOUR, -300, -60, -30, -10, -2),
    *(0, 2, 10, 30, 60, 300, _HOUR, 24 * _HOUR),
)


def observe_all(histogram: Histogram, values: Iterable[float]) -> None:
    """As ``observe`` of each, with one lock a bucket in place of two a value."""
    bounds = histogram._upper_bounds
    by_bucket: dict[int, int] = {}
    total = 0.0
    for value in values:
        bucket = bisect_left(bounds, value)
        by_bucket[bucket] = by_bucket.get(bucket, 0) + 1
        total += value
    histogram._sum.inc(total)
    for bucket, count in by_bucket.items():
        histogram._buckets[bucket].inc(count)


class IngestMetrics:
    """One object per service. Children are looked up once: label look-ups cost microseconds."""

    def __init__(self, registry: CollectorRegistry) -> None:
        tell_version(registry, "rollcall_ingest")
        self.http = HttpMetrics(registry, "rollcall_ingest")
        self.background = Background(registry, "rollcall_ingest", BACKGROUND)
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
        causes = Counter(
            "rollcall_ingest_token_causes",
            "Tokens that were refused, by what was wrong with them more closely than a code says.",
            ("cause",),
            registry=registry,
        )
        self.token_causes = {cause: causes.labels(cause) for cause in CAUSES}
        limited = Counter(
            "rollcall_ingest_rate_limited",
            "Calls and tokens that were refused, by the limit that they met.",
            ("limit",),
            registry=registry,
        )
        self.rate_limited = {limit: limited.labels(limit) for limit in LIMITS}
        self.logouts_repeated = Counter(
            "rollcall_ingest_logouts_repeated",
            "Logouts that repeat one within the fence: answered 200, not written again.",
            registry=registry,
        )
        self.not_tracked = Counter(
            "rollcall_ingest_not_tracked",
            "Calls of users who have opted out: answered 200, written nowhere.",
            registry=registry,
        )
        shed = Counter(
            "rollcall_ingest_shed",
            "Calls and frames that were refused at once to keep memory bounded, by cause.",
            ("cause",),
            registry=registry,
        )
        self.shed = {cause: shed.labels(cause) for cause in SHED_CAUSES}
        self.calls_in_flight = Gauge(
            "rollcall_ingest_calls_in_flight",
            "Calls that were not answered yet.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self._calls_limit = Gauge(
            "rollcall_ingest_calls_limit",
            "Calls that may be unanswered at once; above it, 503.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self._buffer_limit_bytes = Gauge(
            "rollcall_ingest_buffer_limit_bytes",
            "Bytes that may wait for Kafka, over all partitions; above it, 503.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self._sockets_limit = Gauge(
            "rollcall_ingest_sockets_limit",
            "Sockets that may be open at once; above it, 503.",
            registry=registry,
            multiprocess_mode="livesum",
        )
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
        self.sockets_open = Gauge(
            "rollcall_ingest_sockets_open",
            "Sockets open now.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        handshakes = Counter(
            "rollcall_ingest_handshake_refusals",
            "Handshakes of sockets that were refused, by the problem's code.",
            ("code",),
            registry=registry,
        )
        self.handshake_refusals = {code: handshakes.labels(code) for code in CODES}
        closes = Counter(
            "rollcall_ingest_socket_closes",
            "Sockets that ended, by close code; 1000 where the client ended it or was cut off.",
            ("code",),
            registry=registry,
        )
        self.socket_closes = {code: closes.labels(str(code)) for code in CLOSE_CODES}
        events = Counter(
            "rollcall_ingest_events",
            "Events that Kafka acknowledged, by kind and by how they came; ticks are not among "
            "them.",
            ("kind", "transport"),
            registry=registry,
        )
        self.http_events = {call: events.labels(call, "http") for call in CALLS}
        self._socket_events = {
            kind: events.labels(kind.__name__.lower(), "websocket") for kind in SOCKET_KINDS
        }
        frame_errors = Counter(
            "rollcall_ingest_frame_errors",
            "Frames of sockets that were answered with an error, by its code.",
            ("code",),
            registry=registry,
        )
        self.frame_errors = {code: frame_errors.labels(code) for code in ERROR_CODES}
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
            multiprocess_mode="livesum",
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
            "1 while Kafka answers, else 0; of several workers the lowest.",
            registry=registry,
            multiprocess_mode="livemin",
        )
        self.topic_replaced = Gauge(
            "rollcall_ingest_topic_replaced",
            "1 while presence.events is gone, or is another topic than when this process began; of "
            "several workers the highest.",
            registry=registry,
            multiprocess_mode="livemax",
        )

    def tell_limits(self, *, calls: int, buffer_bytes: int, sockets: int) -> None:
        """The bounds of this process, beside what is held against them."""
        self._calls_limit.set(calls)
        self._buffer_limit_bytes.set(buffer_bytes)
        self._sockets_limit.set(sockets)

    def count_fields(self, sent: Sent, unix_seconds: float) -> None:
        """What an accepted body or frame said that is worth counting."""
        for warning in sent.warnings:
            self.field_warnings[warning].inc()
        if sent.unknown_fields:
            self.unknown_fields.inc(sent.unknown_fields)
        if sent.sent_at is not None:
            self.clock_skew_seconds.observe(sent.sent_at - unix_seconds)

    def count_renewals(self, renewals: Sequence[int], acknowledged: bool) -> None:
        """What became of so many renewals, for which no socket waits."""
        if acknowledged:
            self._socket_events[Renew].inc(sum(renewals))

    def count_socket_events(self, writes: Sequence[Write], unix_seconds: float) -> None:
        """Events of sockets are in the log."""
        for kind, count in Counts(type(write.event) for write in writes).items():
            self._socket_events[kind].inc(count)
        for write in writes:
            if write.sent is not None:
                self.count_fields(write.sent, unix_seconds)


class WorkersMetrics:
    """What the supervisor of several workers tells beside the sums of theirs."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.running = Gauge(
            "rollcall_ingest_workers", "Worker processes that run now.", registry=registry
        )
        self.restarts = Counter(
            "rollcall_ingest_worker_restarts",
            "Workers that ended by themselves and were started again.",
            registry=registry,
        )
