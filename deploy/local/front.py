"""`python -m deploy.local.front`: ingest and API in one process, on one origin.

In production a gateway joins the two; `rollcall up` has none, and the sample app has a single
`baseUrl`. Both services install themselves into one aiohttp application here, exactly as each does
into its own, and share one registry of metrics and one admin port.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from pathlib import Path

import uvloop
from aiohttp import web
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector

import api.app
import ingest.app
from api.http.door import asks_for_html
from api.http.door import not_found as page_not_found
from api.settings import ApiSettings
from ingest.http.errors import not_found
from ingest.settings import IngestSettings
from schemas.http.admin_port import create_admin_app
from schemas.service.logging import log_to_stderr
from schemas.service.settings import load_or_exit


def create_app(
    ingest_settings: IngestSettings, api_settings: ApiSettings, *, registry: CollectorRegistry
) -> web.Application:
    """The public application: routes and life cycles of both services.

    Raises `ValueError` on token settings that contradict each other.
    """
    app = web.Application()
    ingest.app.install(app, ingest_settings, registry=registry)
    api.app.install(app, api_settings, registry=registry, command=own_command())
    page = app[api.app.DOOR].guard("other", page_not_found)

    async def nothing_here(request: web.Request) -> web.StreamResponse:
        """For a person a page, for a phone what ingest says."""
        return await (page if asks_for_html(request) else not_found)(request)

    app.router.add_route("*", r"/{path:[\s\S]*}", nothing_here)
    return app


def own_command() -> str | None:
    """How `rollcall` is called where this stack was started; `None` where it is not installed."""
    path = Path(sys.executable).with_name("rollcall")
    if not path.exists():
        return None
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


async def serve(ingest_settings: IngestSettings, api_settings: ApiSettings) -> None:
    """Serve until SIGTERM or SIGINT; then stop accepting and answer what is in flight."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    registry = CollectorRegistry()
    for collector in (ProcessCollector, PlatformCollector, GCCollector):
        collector(registry=registry)
    app = create_app(ingest_settings, api_settings, registry=registry)
    public = ingest.app.create_runner(app, ingest_settings)

    async def not_ready() -> str | None:
        return (
            ingest.app.why_not_ready(app)
            or await app[api.app.STORE].not_ready()
            or await app[api.app.PRIVACY].not_ready()
        )

    refresh_metrics = app[api.app.STORE].refresh_metrics

    def warnings() -> list[str]:
        """Both services' of the phones' tokens, each once; of staff's those of the API."""
        both = app[ingest.app.TOKEN_WATCH].warnings() + app[api.app.TOKEN_WARNINGS]()
        return list(dict.fromkeys(both))

    admin = web.AppRunner(
        create_admin_app(registry, not_ready, warnings, refresh_metrics),
        access_log=None,
        auto_decompress=False,
    )
    settings = ingest_settings
    try:
        await admin.setup()
        await web.TCPSite(admin, settings.ingest_admin_host, settings.ingest_admin_port).start()
        await public.setup()
        await web.TCPSite(public, settings.ingest_host, settings.ingest_port).start()
        await stop.wait()
    finally:
        await public.cleanup()
        await admin.cleanup()


def main() -> None:
    """Entry point; settings come from the environment."""
    ingest_settings, api_settings = load_or_exit(IngestSettings), load_or_exit(ApiSettings)
    log_to_stderr(ingest_settings)
    # It repeats every attempt to connect; ingest says once that Kafka is away, and why.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    try:
        uvloop.run(serve(ingest_settings, api_settings))
    except (OSError, ValueError) as error:  # a port in use; settings that contradict each other
        sys.stderr.write(f"rollcall: {error}\n")
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
