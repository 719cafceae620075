"""Ingest as an aiohttp application: what is built, from what, and in which order it ends."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

from aiohttp import web
from prometheus_client import REGISTRY, CollectorRegistry

from ingest.auth import Authentication
from ingest.body.validate import BodyReader
from ingest.http.calls import PhoneCalls
from ingest.http.errors import not_found
from ingest.limits import ConnectionLimits, UserLimits
from ingest.log.appender import EventLog
from ingest.log.client import Connection
from ingest.log.logouts import Logouts
from ingest.log.opt_outs import OptOuts
from ingest.log.publisher import Publisher
from ingest.log.sign_outs import SignOuts
from ingest.metrics import IngestMetrics
from ingest.settings import IngestSettings
from ingest.socket.sockets import Sockets
from ingest.token_watch import TokenWatch
from schemas.http.server import BoundedRunner, allow_open_files
from schemas.log.topics import EVENTS, topic_name
from schemas.tokens.verifiers import phone_verifier

#: Beyond what a call may wait for Kafka: time to write its answer.
SHUTDOWN_MARGIN_SECONDS: Final = 2.0
CONNECTION: Final = web.AppKey("ingest_connection", Connection)
OPT_OUTS: Final = web.AppKey("ingest_opt_outs", OptOuts)
METRICS: Final = web.AppKey("ingest_metrics", IngestMetrics)
PHONE_CALLS: Final = web.AppKey("ingest_phone_calls", PhoneCalls)
#: ``app[TOKEN_WATCH].warnings()`` says what refused tokens say about settings and apps.
TOKEN_WATCH: Final = web.AppKey("ingest_token_watch", TokenWatch)
#: The authenticated sockets.
SOCKETS: Final = web.AppKey("ingest_sockets", ConnectionLimits)


def install(
    app: web.Application, settings: IngestSettings, *, registry: CollectorRegistry = REGISTRY
) -> None:
    """Add ingest to an application that other services may share: its routes, and a life cycle
    that ends by writing what is queued.

    Raises ``ValueError`` on token settings that contradict each other.
    """
    metrics = IngestMetrics(registry)
    metrics.tell_limits(
        calls=settings.max_calls_in_flight,
        buffer_bytes=settings.total_buffer_bytes,
        sockets=settings.max_connections,
    )
    connection = Connection(settings, metrics)
    log = EventLog(topic_name(settings, EVENTS), connection)
    publisher = Publisher(settings, log, metrics)
    verifier = phone_verifier(settings, logout_seconds=settings.offline_after_seconds)
    watch = TokenWatch(metrics, lambda: verifier.hints)
    authentication = Authentication(
        verifier, settings.auth_failures, settings.proxies, metrics, watch
    )
    user_limits = UserLimits(settings)
    logouts = Logouts(settings, publisher, metrics)

    async def end_opted_out() -> None:
        await sockets.end_opted_out()

    opt_outs = OptOuts(settings, end_opted_out, metrics)
    reader = BodyReader(settings.door_rules)
    phone_calls = PhoneCalls(
        settings,
        reader,
        authentication,
        user_limits,
        publisher,
        logouts,
        opt_outs,
        metrics,
    )
    phone_calls.add_routes(app.router)
    connection_limits = ConnectionLimits(settings)
    sockets = Sockets(
        settings,
        reader,
        authentication,
        publisher,
        logouts,
        opt_outs,
        metrics,
        user_limits,
        connection_limits,
    )
    sockets.add_routes(app.router)
    sign_outs = SignOuts(settings, sockets.end_signed_out, metrics)
    app[CONNECTION] = connection
    app[OPT_OUTS] = opt_outs
    app[METRICS] = metrics
    app[PHONE_CALLS] = phone_calls
    app[TOKEN_WATCH] = watch
    app[SOCKETS] = connection_limits

    async def life_cycle(_app: web.Application) -> AsyncIterator[None]:
        connection.start()
        publisher.start()
        sign_outs.start()
        opt_outs.start()
        sockets.start()
        yield
        await sockets.close()
        await opt_outs.close()
        await sign_outs.close()
        await publisher.close()
        await connection.close()
        await verifier.close()

    async def drain(_app: web.Application) -> None:
        await sockets.drain()

    app.cleanup_ctx.append(life_cycle)
    app.on_shutdown.append(drain)


def why_not_ready(app: web.Application) -> str | None:
    """Why phones should not be sent here now."""
    return app[CONNECTION].not_ready or app[OPT_OUTS].not_ready


def create_app(
    settings: IngestSettings, *, registry: CollectorRegistry = REGISTRY
) -> web.Application:
    """Ingest alone: :func:`install`, and 404 for every other path."""
    app = web.Application()
    install(app, settings, registry=registry)
    app.router.add_route("*", r"/{path:[\s\S]*}", not_found)
    return app


def create_runner(app: web.Application, settings: IngestSettings) -> BoundedRunner:
    """The runner of an application that has ingest in it: its public port."""
    allow_open_files(settings.max_http_connections + settings.max_connections)
    return BoundedRunner(
        app,
        settings,
        app[METRICS].http,
        sockets=lambda: app[SOCKETS].total,
        direct=app[PHONE_CALLS].direct,
        lanes=app[PHONE_CALLS].lanes,
        shutdown_timeout=settings.accept_timeout_seconds + SHUTDOWN_MARGIN_SECONDS,
    )
