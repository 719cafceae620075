"""Ingest as an aiohttp application: what is built, from what, and in which order it ends."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

from aiohttp import web
from prometheus_client import REGISTRY, CollectorRegistry

from ingest.auth import Authentication
from ingest.connection import Connection
from ingest.errors import not_found
from ingest.heartbeat import PhoneCalls
from ingest.limits import AuthFailureLimits, UserLimits
from ingest.log import EventLog
from ingest.metrics import IngestMetrics
from ingest.publisher import Publisher
from ingest.settings import IngestSettings
from schemas.jwks import JwksClient
from schemas.tokens import TokenVerifier, key_source
from schemas.topics import EVENTS, topic_name

#: ``app[CONNECTION].not_ready`` says why phones should not be sent here now.
CONNECTION: Final = web.AppKey("ingest_connection", Connection)


def install(
    app: web.Application, settings: IngestSettings, *, registry: CollectorRegistry = REGISTRY
) -> None:
    """Add ingest to an application that other services may share: its routes, and a life cycle
    that ends by writing what is queued.

    Raises ``ValueError`` on token settings that contradict each other.
    """
    metrics = IngestMetrics(registry)
    connection = Connection(settings, metrics)
    log = EventLog(topic_name(settings, EVENTS), connection)
    publisher = Publisher(settings, log, metrics)
    keys = key_source(settings)
    authentication = Authentication(
        TokenVerifier(settings, keys), AuthFailureLimits(settings), settings.proxies, metrics
    )
    PhoneCalls(settings, authentication, UserLimits(settings), publisher, metrics).add_routes(
        app.router
    )
    app[CONNECTION] = connection

    async def life_cycle(_app: web.Application) -> AsyncIterator[None]:
        connection.start()
        publisher.start()
        yield
        await publisher.close()
        await connection.close()
        if isinstance(keys, JwksClient):
            await keys.close()

    app.cleanup_ctx.append(life_cycle)


def create_app(
    settings: IngestSettings, *, registry: CollectorRegistry = REGISTRY
) -> web.Application:
    """Ingest alone: :func:`install`, and 404 for every other path."""
    app = web.Application()
    install(app, settings, registry=registry)
    app.router.add_route("*", r"/{path:[\s\S]*}", not_found)
    return app
