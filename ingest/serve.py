"""One ingest process from its first listener to its last answer."""

from __future__ import annotations

import asyncio
import logging
import select
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, Final

from aiohttp import web
from aiokafka.errors import KafkaError
from prometheus_client import CollectorRegistry

from ingest.app import OPT_OUTS, TOKEN_WATCH, create_app, create_runner, why_not_ready
from ingest.garbage_collection import spare_the_living
from ingest.settings import IngestSettings
from schemas.http.admin_port import create_admin_app
from schemas.http.eager_site import EagerSite
from schemas.http.server import BoundedRunner
from schemas.log.diagnosis import why_away
from schemas.log.topics import TopicMissingError, TopicProblemError, check_topics
from schemas.service.logging import log_to_stderr
from schemas.service.shutdown import STOPPING, Stop

#: Phones connect anew for each call, thousands at once after an outage.
BACKLOG: Final = 4096
#: How long a worker leaves the shared port to others while it reads who has opted out: a million
#: flags and more.
MAX_OPT_OUTS_SECONDS: Final = 60.0

logger = logging.getLogger("ingest")


class StartError(Exception):
    """Ingest cannot start; the message is one line that names the remedy."""


def set_up_logging(settings: IngestSettings, *, worker: int | None = None) -> None:
    """As :func:`log_to_stderr`."""
    log_to_stderr(settings, worker=worker)
    # It repeats every attempt to connect; ingest.log.client says once that Kafka is away, and why.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)


async def serve(
    settings: IngestSettings,
    stop: Stop,
    registry: CollectorRegistry,
    *,
    admin_socket: Path | None = None,
) -> None:
    """Serve until ``stop``; then drain, stop accepting, answer what is in flight, write what is
    queued.

    With ``admin_socket``, as one of several workers: the public port is shared, and the admin
    calls are answered on that Unix socket. Raises :class:`StartError`.
    """
    kafka_answers = await _refuse_wrong_topics(settings)
    try:
        app = create_app(settings, registry=registry)
    except ValueError as error:
        raise StartError(str(error)) from error

    async def not_ready() -> str | None:
        return STOPPING if stop.is_set() else why_not_ready(app)

    public = create_runner(app, settings)
    admin = web.AppRunner(
        create_admin_app(registry, not_ready, app[TOKEN_WATCH].warnings),
        access_log=None,
        auto_decompress=False,
    )
    try:
        if admin_socket is None:
            await listen(admin, settings.ingest_admin_host, settings.ingest_admin_port)
            await listen(public, settings.ingest_host, settings.ingest_port)
        else:
            await public.setup()
            if kafka_answers:
                await _first_of(stop.wait(), app[OPT_OUTS].until_decided(), MAX_OPT_OUTS_SECONDS)
            await _bind(public, settings.ingest_host, settings.ingest_port, shared=True)
            await _listen_on_socket(admin, admin_socket)
        logger.info("Listening on %s port %d", settings.ingest_host, settings.ingest_port)
        spare_the_living()
        await stop.wait()
        logger.info("Stopping")
        await public.drain(stop)
    finally:
        await public.cleanup()
        await admin.cleanup()


async def _first_of(
    one: Coroutine[Any, Any, object], other: Coroutine[Any, Any, object], timeout_seconds: float
) -> None:
    tasks = [asyncio.create_task(one), asyncio.create_task(other)]
    try:
        await asyncio.wait(tasks, timeout=timeout_seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()


async def listen(runner: web.AppRunner, host: str, port: int) -> None:
    """Set a runner up on a port. Raises :class:`StartError`."""
    await runner.setup()
    await _bind(runner, host, port)


async def _bind(runner: web.AppRunner, host: str, port: int, *, shared: bool = False) -> None:
    """On a port that other processes of ours may have too if it is ``shared``: the kernel sends
    them phones at once, so a worker is on it only when it can answer."""
    is_eager = isinstance(runner, BoundedRunner) and hasattr(select, "epoll")  # not on macOS
    site = EagerSite if is_eager else web.TCPSite
    try:
        await site(runner, host, port, backlog=BACKLOG, reuse_port=shared or None).start()
    except OSError as error:
        reason = error.strerror or error
        raise StartError(f"cannot listen on {host} port {port}: {reason}") from error


async def _listen_on_socket(runner: web.AppRunner, path: Path) -> None:
    await runner.setup()
    try:
        await web.UnixSite(runner, str(path)).start()
    except OSError as error:  # the usual reason: a path of more than about 100 bytes
        raise StartError(f"cannot listen on {path}: {error}; set TMPDIR to a short path") from error


async def _refuse_wrong_topics(settings: IngestSettings) -> bool:
    """Whether Kafka is there with its topics. A wrong topic ends the start; one that is missing or
    a Kafka that is away does not: calls get 503 until both are there."""
    try:
        async with asyncio.timeout(settings.accept_timeout_seconds):
            await check_topics(settings)
    except TopicMissingError:
        return False  # the connection waits for it, and says so once
    except TopicProblemError as error:
        raise StartError(str(error)) from error
    except (KafkaError, OSError, TimeoutError) as error:
        reason = await why_away(settings, error)
        logger.warning("Topics not checked yet, Kafka did not answer: %s", reason)
        return False
    return True
