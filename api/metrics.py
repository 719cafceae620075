"""What the API tells about itself. Label values come from closed sets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from api.page_table import PAGES
from schemas.http.metrics import HttpMetrics
from schemas.http.problems import CODES, TOKEN_CODES
from schemas.service.background import Background
from schemas.service.build_info import tell_version

#: Those of the dashboard, and of what is nowhere; beside them each declared call has one.
PAGE_ROUTES: Final = (
    *("view_link", "shared_page", *(page.route for page in PAGES)),
    *("login", "logout", "audience_download", "static", "other"),
)
#: Those that are limited by client address.
LIMITED_ROUTES: Final = ("count", "shared")
ANSWERED: Final = "answered"
#: The client went away before its answer.
GONE: Final = "gone"
OUTCOMES: Final = (ANSWERED, GONE, *CODES)
QUERIES: Final = (
    *("freshness", "list", "user", "lookup", "list_at", "user_at", "timeline"),
    *("screens", "engagement", "screen", "trends", "dwell", "flows", "concurrency"),
    *("screen_rules", "funnel", "retention", "outages"),
    *("active_users", "breakdown", "sessions", "keys", "key_used"),
    *("feed", "feed_fleet", "feed_peaks"),
    *("audience_preview", "audience_export", "audience_exports"),
    *("audience_export_begin", "audience_export_end"),
    *("audience_delivery_begin", "audience_deliveries"),
    *("reads", "reads_noted", "health", "members"),
    *("privacy", "privacy_data"),
    *("annotations", "annotation_write", "views", "view_write"),
    *("secret", "session", "session_begin", "session_used", "session_end"),
    *("webhooks", "alerts", "alert_try"),
    *("share_links", "shared_live", "managed_audit"),
)
#: What goes on until a process ends.
BACKGROUND: Final = ("members",)
ONLINE_STATES: Final = ("foreground", "background")
#: Why PostgreSQL did not answer in time.
FAILURES: Final = (
    *("pool_wait", "lane_full", "statement_timeout", "no_answer", "connection"),
    *("read_only", "not_migrated", "not_granted"),
)

_SECONDS: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)


class ApiMetrics:
    """One object per service. ``calls`` are the routes of the declared calls."""

    def __init__(self, registry: CollectorRegistry, calls: Iterable[str] = ()) -> None:
        routes = (*dict.fromkeys(calls), *PAGE_ROUTES)
        tell_version(registry, "rollcall_api")
        self.background = Background(registry, "rollcall_api", BACKGROUND)
        self.http = HttpMetrics(registry, "rollcall_api")
        requests = Counter(
            "rollcall_api_requests",
            "Calls, by route and outcome: answered, gone (the client left), or a problem's code.",
            ("route", "outcome"),
            registry=registry,
        )
        self.requests: Mapping[tuple[str, str], Counter] = {
            (route, outcome): requests.labels(route, outcome)
            for route in routes
            for outcome in OUTCOMES
        }
        request_seconds = Histogram(
            "rollcall_api_request_seconds",
            "From the request's head to its answer, in seconds.",
            ("route",),
            buckets=_SECONDS,
            registry=registry,
        )
        self.request_seconds = {route: request_seconds.labels(route) for route in routes}
        limited = Counter(
            "rollcall_api_rate_limited",
            "Calls that were refused because their address asks too often, by route.",
            ("route",),
            registry=registry,
        )
        self.rate_limited = {route: limited.labels(route) for route in LIMITED_ROUTES}
        self.auth_failures_limited = Counter(
            "rollcall_api_auth_failures_limited",
            "Calls whose token was not accepted, from addresses that fail too often.",
            registry=registry,
        )
        query_seconds = Histogram(
            "rollcall_api_query_seconds",
            "Time of a query in PostgreSQL and on the way, in seconds; of an export until its end.",
            ("query",),
            buckets=_SECONDS,
            registry=registry,
        )
        self.query_seconds = {query: query_seconds.labels(query) for query in QUERIES}
        failures = Counter(
            "rollcall_api_database_failures",
            "Queries that PostgreSQL did not answer, by cause; each was a 503. lane_full: too many "
            "of a kind of which few run at a time.",
            ("cause",),
            registry=registry,
        )
        self.database_failures = {cause: failures.labels(cause) for cause in FAILURES}
        self.broken_exports = Counter(
            "rollcall_api_broken_exports",
            "Exports that were broken off after their start: their readers saw no end.",
            registry=registry,
        )
        self.feed_viewers = Gauge(
            "rollcall_api_feed_viewers", "Readers that follow the feed now.", registry=registry
        )
        self.feed_cut = Counter(
            "rollcall_api_feed_cut",
            "Readers of the feed that were cut off because they did not keep up.",
            registry=registry,
        )
        refusals = Counter(
            "rollcall_api_token_refusals",
            "Calls whose token was refused, by cause.",
            ("code",),
            registry=registry,
        )
        self.token_refusals = {code: refusals.labels(code) for code in sorted(TOKEN_CODES)}
        self.sign_on_ignored = Counter(
            "rollcall_api_sign_on_ignored",
            "Requests with the header of ROLLCALL_SSO_USER_HEADER that no trusted proxy sent: it "
            "counted for nothing.",
            registry=registry,
        )
        self.as_of_age_seconds = Gauge(
            "rollcall_api_as_of_age_seconds",
            "PostgreSQL's clock less as_of, read anew for each scrape, in seconds; NaN without an "
            "as_of and while PostgreSQL does not answer.",
            registry=registry,
        )
        online_users = Gauge(
            "rollcall_online_users",
            "Users online in the whole fleet, read anew for each scrape; NaN while PostgreSQL does "
            "not answer. Every API process tells the same: take the highest, never the sum.",
            ("state",),
            registry=registry,
        )
        self.online_users = {state: online_users.labels(state) for state in ONLINE_STATES}
        self.audit_differences = Gauge(
            "rollcall_audit_differences",
            "Rows that are not what the log says, by the latest run of rollcall audit; NaN before "
            "the first and while PostgreSQL does not answer. Every API process tells the same.",
            registry=registry,
        )
        self.audit_age_seconds = Gauge(
            "rollcall_audit_age_seconds",
            "Time since that run ended, in seconds; NaN as above.",
            registry=registry,
        )
        self.audit_checked_ratio = Gauge(
            "rollcall_audit_checked_ratio",
            "Share of the users of whom that run knew the whole log, 0 to 1; NaN as above.",
            registry=registry,
        )
        self.forget_fleet()
        self.pool_waiting = Gauge(
            "rollcall_api_pool_waiting",
            "Reads that wait for a connection to PostgreSQL now.",
            registry=registry,
        )
        connections = Gauge(
            "rollcall_api_pool_connections",
            "Connections to PostgreSQL: in use by a read, or idle.",
            ("state",),
            registry=registry,
        )
        self._pool_in_use = connections.labels("in_use")
        self._pool_idle = connections.labels("idle")
        self._pool_limit = Gauge(
            "rollcall_api_pool_limit",
            "Connections to PostgreSQL that there may be.",
            registry=registry,
        )

    def watch_pool(self, stats: Callable[[], Mapping[str, int]]) -> None:
        """Tell of a pool whenever somebody asks; ``stats`` are those of psycopg's pools."""

        def idle() -> int:
            return stats().get("pool_available", 0)

        self._pool_idle.set_function(idle)
        self._pool_in_use.set_function(lambda: stats().get("pool_size", 0) - idle())
        self._pool_limit.set_function(lambda: stats().get("pool_max", 0))

    def forget_fleet(self) -> None:
        """What is known of the fleet is old: better no figure than a wrong one."""
        for gauge in (self.as_of_age_seconds, *self.online_users.values()):
            gauge.set(float("nan"))
        self.tell_of_audit(None, None, None)

    def tell_of_audit(
        self, differences: int | None, age_seconds: float | None, percent_in_full: float | None
    ) -> None:
        """What the latest run of the audit found."""
        ratio = None if percent_in_full is None else percent_in_full / 100
        for gauge, value in (
            (self.audit_differences, differences),
            (self.audit_age_seconds, age_seconds),
            (self.audit_checked_ratio, ratio),
        ):
            gauge.set(float("nan") if value is None else value)
