"""``python -m ingest``: the composition root of the ingest service."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys

import uvloop
from aiohttp import web
from aiokafka.errors import KafkaError
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector

from ingest.app import CONNECTION, create_app, create_runner
from ingest.health import create_admin_app
from ingest.settings import IngestSettings
from schemas.service_log import log_to_stderr
from schemas.settings import load_or_exit
from schemas.topics import TopicProblemError, check_topics

#: Phones connect anew for each call, thousands at once after an outage.
BACKLOG = 4096

logger = logging.getLogger("ingest")


class StartError(Exception):
    """Ingest cannot start; the message is one line that names the remedy."""


async def serve(settings: IngestSettings) -> None:
    """Serve until SIGTERM or SIGINT; then stop accepting, answer what is in flight, write what is
    queued. Raises :class:`StartError`."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await _refuse_wrong_topics(settings)
    registry = _registry()
    try:
        app = create_app(settings, registry=registry)
    except ValueError as error:
        raise StartError(str(error)) from error
    public = create_runner(app, settings)
    admin = web.AppRunner(
        create_admin_app(registry, lambda: app[CONNECTION].not_ready), access_log=None
    )
    try:
        await _listen(admin, settings.ingest_admin_host, settings.ingest_admin_port)
        await _listen(public, settings.ingest_host, settings.ingest_port)
        logger.info("Listening on %s port %d", settings.ingest_host, settings.ingest_port)
        await stop.wait()
    finally:
        await public.cleanup()
        await admin.cleanup()


async def _refuse_wrong_topics(settings: IngestSettings) -> None:
    """A wrong topic ends the start; a Kafka that is away does not: calls get 503 until it is."""
    try:
        async with asyncio.timeout(settings.accept_timeout_seconds):
            await check_topics(settings)
    except TopicProblemError as error:
        raise StartError(str(error)) from error
    except (KafkaError, OSError, TimeoutError) as error:
        logger.warning("Topics not checked yet, Kafka did not answer: %s", error)


async def _listen(runner: web.AppRunner, host: str, port: int) -> None:
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port, backlog=BACKLOG).start()
    except OSError as error:
        reason = error.strerror or error
        raise StartError(f"cannot listen on {host} port {port}: {reason}") from error


def _registry() -> CollectorRegistry:
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return registry


def main() -> None:
    """Entry point; settings come from the environment."""
    settings = load_or_exit(IngestSettings)
    log_to_stderr()
    # It repeats every attempt to connect; ingest.connection says once that Kafka is away, and why.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    try:
        uvloop.run(serve(settings))
    except StartError as error:
        sys.stderr.write(f"rollcall: {error}\n")
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
