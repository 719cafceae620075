"""``python -m api``: the composition root of the query API."""

from __future__ import annotations

import logging
import sys

import uvloop
from aiohttp import web
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector

from api.app import (
    PRIVACY,
    STORE,
    TOKEN_WARNINGS,
    create_app,
    create_runner,
    stop_seconds,
)
from api.settings import ApiSettings
from schemas.http.admin_port import create_admin_app
from schemas.service.logging import log_to_stderr
from schemas.service.settings import load_or_exit
from schemas.service.shutdown import STOPPING, stop_on_signals

logger = logging.getLogger("api")


class StartError(Exception):
    """The API cannot start; the message is one line that names the remedy."""


async def serve(settings: ApiSettings) -> None:
    """Serve until SIGTERM or SIGINT; then drain, stop accepting and answer what is in flight.

    Raises :class:`StartError`.
    """
    stop = stop_on_signals(stop_seconds(settings))
    registry = CollectorRegistry()
    for collector in (ProcessCollector, PlatformCollector, GCCollector):
        collector(registry=registry)
    try:
        app = create_app(settings, registry=registry)
    except ValueError as error:
        raise StartError(str(error)) from error

    public, store = create_runner(app, settings), app[STORE]

    async def not_ready() -> str | None:
        if stop.is_set():
            return STOPPING
        return await store.not_ready() or await app[PRIVACY].not_ready()

    admin = web.AppRunner(
        create_admin_app(registry, not_ready, app[TOKEN_WARNINGS], store.refresh_metrics),
        access_log=None,
        auto_decompress=False,
    )
    try:
        await _listen(admin, settings.api_admin_host, settings.api_admin_port)
        await _listen(public, settings.api_host, settings.api_port)
        logger.info("Listening on %s port %d", settings.api_host, settings.api_port)
        await stop.wait()
        logger.info("Stopping")
        await public.drain(stop)
    finally:
        await public.cleanup()
        await admin.cleanup()


async def _listen(runner: web.AppRunner, host: str, port: int) -> None:
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        reason = error.strerror or error
        raise StartError(f"cannot listen on {host} port {port}: {reason}") from error


def main() -> None:
    """Entry point; settings come from the environment."""
    settings = load_or_exit(ApiSettings)
    log_to_stderr(settings)
    try:
        uvloop.run(serve(settings))
    except StartError as error:
        sys.stderr.write(f"rollcall: {error}\n")
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
