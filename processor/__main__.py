"""``python -m processor``: composes the processor and runs it until SIGTERM."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import sys
from typing import Any

import psycopg
import uvloop
from aiohttp import web
from aiokafka.errors import KafkaError
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector

from processor.core.deployment import UnusableDeploymentError
from processor.core.log.positions import Log
from processor.kafka.app import create_app
from processor.kafka.publisher import ChangePublisher
from processor.maintenance.housekeeper import Housekeeper
from processor.pipeline import Pipeline
from processor.settings import ProcessorSettings
from processor.startup import open_deployment
from processor.store.claim import NotMigratedError
from processor.store.store import Store
from processor.watch.lag import Lags, behind
from processor.watch.log_watch import LogWatch
from processor.watch.metrics import Metrics
from processor.watch.partition_metrics import PartitionMetrics
from processor.watch.progress import Progress
from processor.watch.watchdog import Watchdog
from schemas.database.sqlstates import Meaning, meaning_of, told
from schemas.http.admin_port import create_admin_app
from schemas.log.diagnosis import why_away
from schemas.log.topics import TopicMissingError, TopicProblemError
from schemas.service.logging import log_to_stderr
from schemas.service.settings import load_or_exit
from schemas.service.shutdown import STOPPING, Stop, stop_on_signals
from schemas.service.user_hash import UserHashKeyError

log = logging.getLogger("processor")

#: From being told to stop until a thread ends the process, whatever hangs. Nothing is lost by it:
#: what is committed is committed, and the rest is read again.
STOP_SECONDS = 15.0
#: Of these for Faust, which may hang in a stop that meets a rebalance, swallows cancellation while
#: it stops, and blocks the event loop until its Kafka thread is gone.
FAUST_STOP_SECONDS = 8.0
ADMIN_STOP_SECONDS = 1.0
STARTUP_RETRY_SECONDS = 0.5
LONGEST_STARTUP_RETRY_SECONDS = 5.0


async def serve(settings: ProcessorSettings) -> int:
    """Run until SIGTERM, SIGINT or a crash; the exit status."""
    stop = stop_on_signals(STOP_SECONDS)
    registry = CollectorRegistry()
    for collector in (ProcessCollector, PlatformCollector, GCCollector):
        collector(registry=registry)
    metrics = Metrics(registry)
    store = Store(settings.session_dsn, settings.user_hash)
    progress = Progress()
    publisher = ChangePublisher(settings, metrics.publish_failures, progress)
    pipeline = Pipeline(settings.partitions, settings.policy, store, publisher, metrics, progress)
    lags = Lags(pipeline)
    registry.register(PartitionMetrics(lags.now))
    watchdog = Watchdog(settings.stall_seconds, lags, progress, metrics.background)
    log_watch = LogWatch(settings, lags, pipeline, progress, metrics)
    watching: asyncio.Task[None] | None = None
    claiming: asyncio.Task[None] | None = None
    waiting_for, retry_seconds = "starting", STARTUP_RETRY_SECONDS
    app: Any = None
    read: Log | None = None

    async def not_ready() -> str | None:
        if stop.is_set():
            return STOPPING
        if app is None:
            return waiting_for
        if not app.assigned:
            return "the consumer group has not taken this process in yet"
        if log_watch.trouble is not None:
            return log_watch.trouble
        return pipeline.trouble or behind(lags.now(), settings.ready_lag_seconds)

    admin = web.AppRunner(
        create_admin_app(registry, not_ready),
        access_log=None,
        auto_decompress=False,
        shutdown_timeout=ADMIN_STOP_SECONDS,
    )
    await admin.setup()
    await web.TCPSite(admin, settings.processor_admin_host, settings.processor_admin_port).start()
    housekeeper = Housekeeper(settings, metrics)
    housekeeper.start()
    watchdog.start()
    try:
        while not stop.is_set():
            try:
                read = await stop.unless(open_deployment(settings, store))
                break
            except psycopg.Error as error:
                if meaning_of(error) in (Meaning.BUG, Meaning.DATA):
                    raise
                await store.close()
                reason = f"{type(error).__name__}: {told(error)}"
            except (
                *(KafkaError, TopicMissingError, NotMigratedError, UserHashKeyError),
                *(OSError, TimeoutError),
            ) as error:
                reason = f"{type(error).__name__}: {await why_away(settings, error)}"
            if reason != waiting_for:
                log.warning("waiting until this is mended: %s", reason)
            waiting_for = reason
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(retry_seconds):
                    await stop.wait()
            retry_seconds = min(2 * retry_seconds, LONGEST_STARTUP_RETRY_SECONDS)
        if stop.is_set() or read is None:
            return 0
        app = lags.app = create_app(settings, pipeline, metrics, log_watch.may_go_on, read.base)
        watching = asyncio.create_task(log_watch.run(read, stop), name="log-watch")
        if settings.user_hash is not None:
            fingerprint = settings.user_hash.fingerprint

            async def claim() -> None:
                is_published = False
                while not is_published:
                    with metrics.background.goes_on("claim"):
                        await publisher.publish_claim(fingerprint)
                        is_published = True
                    await asyncio.sleep(0 if is_published else LONGEST_STARTUP_RETRY_SECONDS)

            claiming = asyncio.create_task(claim(), name="claim")
        # Users by the million are never garbage in cycles: look for cycles a hundred times less.
        gc.freeze()
        gc.set_threshold(70_000, 20, 100)
        return await _run(app, stop)
    finally:
        # After a crash the same deadline holds.
        stop.set()
        watchdog.stop()
        for task in (watching, claiming):
            if task is not None:
                task.cancel()
        stop.doing = "maintenance"
        await asyncio.to_thread(housekeeper.stop)
        stop.doing = "publishing changes"
        await pipeline.close()
        stop.doing = "closing"
        await admin.cleanup()


async def _run(app: Any, stop: Stop) -> int:
    """Run Faust until ``stop`` or a crash. A crash is an exit status of 1: the supervisor starts
    another process, which reads everything from PostgreSQL."""
    await stop.unless(app.start())
    stopping = asyncio.create_task(stop.wait())
    crashed = asyncio.create_task(app._crashed.wait())
    try:
        await asyncio.wait({stopping, crashed}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopping.cancel()
        crashed.cancel()
    failed = bool(app.crashed)
    stop.set()
    stop.doing = "stopping Faust"
    faust_stops = asyncio.create_task(app.stop())
    await asyncio.wait({faust_stops}, timeout=FAUST_STOP_SECONDS)
    if not faust_stops.done():
        log.warning("Faust did not stop in %g s: ending the process", FAUST_STOP_SECONDS)
        os._exit(1)
    await faust_stops
    return 1 if failed else 0


def main() -> None:
    """Entry point; settings come from the environment."""
    settings = load_or_exit(ProcessorSettings)
    log_to_stderr(settings)
    for noisy in ("faust", "mode", "aiokafka"):
        # Around a rebalance they report as errors what the recipe expects.
        logging.getLogger(noisy).setLevel(logging.WARNING)
    try:
        status = uvloop.run(serve(settings))
    except (UnusableDeploymentError, TopicProblemError, psycopg.Error, OSError) as error:
        sys.stderr.write(f"rollcall: {error}\n")
        raise SystemExit(1) from None
    raise SystemExit(status)


if __name__ == "__main__":
    main()
