"""The API as an aiohttp application: what is built, from what, and in which order it ends."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Final

from aiohttp import web
from prometheus_client import REGISTRY, CollectorRegistry

from api.access.api_keys import ApiKeys
from api.access.browser_session import BrowserSessions
from api.access.browser_session_table import SessionTable
from api.access.readers import Readers
from api.access.single_sign_on import SingleSignOn
from api.alerts.calls import AlertCalls
from api.alerts.store import AlertStore
from api.analytics.active_users import ActiveUserCalls
from api.analytics.breakdown import BreakdownCalls
from api.analytics.concurrency import ConcurrencyCalls
from api.analytics.dwell import DwellCalls
from api.analytics.flows import FlowCalls
from api.analytics.journeys import JourneyCalls
from api.analytics.outages import OutageCalls
from api.analytics.screen_rules import ScreenRulesCalls
from api.analytics.screens import ScreenCalls
from api.analytics.sessions import SessionCalls
from api.analytics.trends import TrendCalls
from api.annotations.calls import AnnotationCalls
from api.audiences.audit import ExportAudit
from api.audiences.calls import AudienceCalls
from api.audiences.export import Exporter
from api.audiences.store import AudienceStore
from api.dashboard.audience_download import AudienceDownload
from api.dashboard.pages import Dashboard
from api.dashboard.saved_view import SavedViewLink
from api.dashboard.shared_page import SharedPage
from api.deliveries.calls import DeliveryCalls
from api.deliveries.store import DeliveryStore
from api.feed.calls import FeedCall
from api.feed.hub import Hub
from api.feed.reader import FeedReader
from api.health.calls import HealthCalls
from api.http.call import Call
from api.http.collaborators import Collaborators
from api.http.documents import Reports
from api.http.door import Door, Handler, not_found
from api.http.routes import Routes
from api.managed_audit.calls import ManagedAuditCalls
from api.metrics import ApiMetrics
from api.openapi import CALLS, OpenApi
from api.postgres.database import Database
from api.postgres.members import Members
from api.presence.calls import PresenceCalls
from api.presence.store import Store
from api.presence.time_travel import TimeTravel
from api.presence.timeline import TimelineCalls
from api.privacy.calls import PrivacyCalls
from api.privacy.data import TopicAges
from api.privacy.log import PrivacyLog
from api.privacy.requests import PrivacyRequests
from api.privacy.store import PrivacyStore
from api.quality import Quality
from api.reads.audit import ReadAudit
from api.reads.calls import AuditCalls
from api.settings import ApiSettings
from api.sharing.calls import SharingCalls
from api.sharing.store import ShareStore
from api.sharing.visitors import Visitors
from api.signing.secret import ApiSecret
from api.views.calls import ViewCalls
from api.views.store import ViewStore
from api.webhooks.calls import WebhookCalls
from api.webhooks.store import WebhookStore
from schemas.http.cors import Cors
from schemas.http.server import BoundedRunner, allow_open_files
from schemas.tokens.door import TokenDoor
from schemas.tokens.verifiers import phone_verifier, staff_verifier

#: Beyond the longest query: time to write its answer.
SHUTDOWN_MARGIN_SECONDS: Final = 2.0
#: Closing connections to PostgreSQL, Kafka and issuers: each is bounded for itself.
CLOSE_SECONDS: Final = 8.0
#: ``await app[PRIVACY].not_ready()`` says whether the database knows users by no key of ours.
PRIVACY: Final = web.AppKey("api_privacy", PrivacyRequests)
STORE: Final = web.AppKey("api_store", Store)
DOOR: Final = web.AppKey("api_door", Door)
METRICS: Final = web.AppKey("api_metrics", ApiMetrics)
#: ``app[TOKEN_WARNINGS]()`` says what keeps tokens from counting.
TOKEN_WARNINGS: Final = web.AppKey[Callable[[], list[str]]]("api_token_warnings")


def install(
    app: web.Application,
    settings: ApiSettings,
    *,
    registry: CollectorRegistry = REGISTRY,
    command: str | None = None,
) -> None:
    """Add the API and the dashboard to an application that other services may share. ``command`` is
    how who looks at the dashboard calls Rollcall's own command, if they have it.

    Raises ``ValueError`` on token settings that contradict each other.
    """
    metrics = ApiMetrics(registry, (call.route for call in CALLS))
    door = Door(metrics)
    database = Database(settings, metrics)
    members = Members(database, metrics)
    quality = Quality(settings.stale_after_seconds, settings.reporting_zone, metrics)
    secret = ApiSecret(database)
    store = Store(database, quality, metrics, secret)
    phones, staff = phone_verifier(settings), staff_verifier(settings)
    keys = ApiKeys(database)
    sessions = BrowserSessions(settings, secret, SessionTable(database))
    token_door = TokenDoor(
        settings.auth_failures,
        key_set=lambda: (phones.key_set, staff and staff.key_set),
        limited=metrics.auth_failures_limited.inc,
    )
    readers = Readers(
        phones,
        staff,
        keys,
        sessions,
        SingleSignOn(settings, metrics),
        token_door,
        settings.proxies,
    )
    reads = ReadAudit(database, settings.audit_key)
    calls = Collaborators(database, quality, Reports(database, metrics))
    time_travel = TimeTravel(database, quality, secret)
    privacy_store, privacy_log = PrivacyStore(database), PrivacyLog(settings)
    privacy = PrivacyRequests(settings, privacy_store, privacy_log)
    audiences = AudienceStore(settings, database, quality)
    audit = ExportAudit(database, quality, secret)
    exporter = Exporter(database, audiences, audit, reads, quality, metrics)
    hub = Hub(FeedReader(database, quality, settings), settings, metrics)
    views = ViewStore(database)
    shares = ShareStore(database, quality)
    visitors = Visitors(settings, shares, metrics)
    health = HealthCalls(calls, settings)
    handlers: dict[Call, Handler] = {}
    for room in (
        PresenceCalls(settings, store, time_travel, quality, reads, metrics),
        TimelineCalls(calls, secret, reads),
        PrivacyCalls(privacy, privacy_store, reads, TopicAges(settings)),
        AudienceCalls(audiences, exporter, audit, reads, quality),
        DeliveryCalls(settings, DeliveryStore(database, audiences), reads),
        ScreenCalls(calls, time_travel),
        ScreenRulesCalls(calls, settings.screens),
        TrendCalls(calls),
        DwellCalls(calls),
        FlowCalls(calls),
        JourneyCalls(calls),
        ConcurrencyCalls(calls),
        OutageCalls(calls),
        ActiveUserCalls(calls),
        BreakdownCalls(calls),
        SessionCalls(calls),
        FeedCall(hub, readers, reads),
        AuditCalls(calls, reads, secret, privacy.refuse_without_the_key),
        AnnotationCalls(calls),
        ViewCalls(views),
        WebhookCalls(settings, WebhookStore(database)),
        AlertCalls(settings, AlertStore(database)),
        SharingCalls(settings, shares, visitors),
        ManagedAuditCalls(database, secret),
        health,
        OpenApi(),
    ):
        handlers |= room.handlers()
    Routes(door, readers, Cors(settings.cors_origin_list), metrics).add(app.router, CALLS, handlers)
    Dashboard(settings, readers, sessions, quality, metrics, command).install(app, door)
    AudienceDownload(readers, exporter, metrics).add_routes(app.router, door)
    SavedViewLink(readers, views).add_routes(app.router, door)
    SharedPage(visitors).add_routes(app.router, door)
    app.on_response_prepare.append(sessions.renew)
    app[STORE] = store
    app[PRIVACY] = privacy
    app[DOOR] = door
    app[METRICS] = metrics
    verifiers = (phones,) if staff is None else (phones, staff)
    app[TOKEN_WARNINGS] = lambda: [hint for each in verifiers for hint in each.hints]

    async def send_viewers_away(_app: web.Application) -> None:
        await hub.close()

    app.on_shutdown.append(send_viewers_away)

    async def life_cycle(_app: web.Application) -> AsyncIterator[None]:
        await database.open()
        members.watch()
        yield
        await members.close()
        await health.close()
        await keys.close()
        await audit.close()
        await reads.close()
        await privacy_log.close()
        await database.close()
        await phones.close()
        if staff is not None:
            await staff.close()

    app.cleanup_ctx.append(life_cycle)


def create_app(settings: ApiSettings, *, registry: CollectorRegistry = REGISTRY) -> web.Application:
    """The API alone: :func:`install`, and 404 for every other path."""
    app = web.Application()
    install(app, settings, registry=registry)
    app.router.add_route("*", r"/{path:[\s\S]*}", app[DOOR].guard("other", not_found))
    return app


def create_runner(app: web.Application, settings: ApiSettings) -> BoundedRunner:
    """The runner of :func:`create_app`'s application: its public port."""
    allow_open_files(settings.max_http_connections)
    return BoundedRunner(
        app,
        settings,
        app[METRICS].http,
        shutdown_timeout=_answer_seconds(settings),
    )


def stop_seconds(settings: ApiSettings) -> float:
    """An API that is told to stop and takes longer than this hangs."""
    # What is in flight may end, and then has as long again to end after it was cancelled.
    return settings.drain_seconds + 2 * _answer_seconds(settings) + CLOSE_SECONDS


def _answer_seconds(settings: ApiSettings) -> float:
    return settings.api_statement_timeout_seconds + SHUTDOWN_MARGIN_SECONDS
