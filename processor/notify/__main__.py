"""``python -m processor.notify``: composes notify and runs it until SIGTERM."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from concurrent.futures import ThreadPoolExecutor

from aiohttp import web
from aiokafka.errors import KafkaError
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector

from processor.alerts.mail import Mailer
from processor.alerts.metrics import AlertMetrics
from processor.alerts.store import AlertStore
from processor.alerts.watcher import Watcher
from processor.notify.means import Means
from processor.notify.metrics import NotifyMetrics
from processor.notify.notifier import Notifier
from processor.notify.records import Rereader
from processor.notify.sender import LOOKUPS_AT_ONCE, Sender
from processor.notify.settings import NotifySettings
from processor.notify.store import NotifyStore
from processor.targeting.courier import Courier
from processor.targeting.metrics import TargetingMetrics
from processor.targeting.store import TargetingStore
from schemas.http.admin_port import create_admin_app
from schemas.log.diagnosis import why_away
from schemas.log.topics import TopicMissingError, TopicProblemError, check_topics
from schemas.service.logging import log_to_stderr
from schemas.service.settings import load_or_exit
from schemas.service.shutdown import STOPPING, Stop, stop_on_signals

log = logging.getLogger("notify")

#: From being told to stop until a thread ends the process: what is stored is stored.
STOP_SECONDS = 10.0
STARTUP_RETRY_SECONDS = 1.0


async def serve(settings: NotifySettings) -> int:
    """Run until SIGTERM, SIGINT or a crash; the exit status."""
    stop = stop_on_signals(STOP_SECONDS)
    lookups = ThreadPoolExecutor(LOOKUPS_AT_ONCE, thread_name_prefix="look up")
    asyncio.get_running_loop().set_default_executor(lookups)
    registry = CollectorRegistry()
    for collector in (ProcessCollector, PlatformCollector, GCCollector):
        collector(registry=registry)
    store, rereader = NotifyStore(settings), Rereader(settings)
    sender = Sender(settings.private_hosts, settings.notify_timeout_seconds)
    metrics = NotifyMetrics(registry)
    onesignal = settings.onesignal
    means = Means(
        *(store, rereader, sender, settings.retry_policy, metrics, settings.user_hash), onesignal
    )
    notifier = Notifier(settings, means)
    alert_store = AlertStore(settings)
    watcher = Watcher(
        alert_store,
        sender,
        Mailer(settings),
        settings.secret_box,
        AlertMetrics(registry),
        timeout_seconds=settings.notify_timeout_seconds,
        retry_seconds=settings.notify_retry_seconds,
    )
    targeting_store = TargetingStore(settings)
    courier = Courier(
        targeting_store,
        sender,
        means.forgotten,
        settings.secret_box,
        onesignal,
        TargetingMetrics(registry),
        disable=store.disable,
        give_up_seconds=settings.notify_retry_seconds,
    )
    waiting_for = "starting"

    async def not_ready() -> str | None:
        if stop.is_set():
            return STOPPING
        if waiting_for:
            return waiting_for
        if not notifier.assigned:
            return "the consumer group has not taken this process in yet"
        return notifier.trouble

    admin = web.AppRunner(
        create_admin_app(registry, not_ready, lambda: notifier.warnings),
        access_log=None,
        auto_decompress=False,
        shutdown_timeout=1.0,
    )
    await admin.setup()
    await web.TCPSite(admin, settings.notify_admin_host, settings.notify_admin_port).start()
    await store.open()
    await alert_store.open()
    await targeting_store.open()
    # These want PostgreSQL alone: they go on while Kafka is away.
    beside = {
        asyncio.create_task(watcher.run(), name="alerts"),
        asyncio.create_task(courier.run(), name="audiences"),
    }
    try:
        while not stop.is_set():
            try:
                await stop.unless(check_topics(settings))
                break
            except (KafkaError, TopicMissingError, OSError, TimeoutError) as error:
                reason = f"{type(error).__name__}: {await why_away(settings, error)}"
            if reason != waiting_for:
                log.warning("waiting until this is mended: %s", reason)
            waiting_for = reason
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STARTUP_RETRY_SECONDS):
                    await stop.wait()
        waiting_for = ""
        return await _run(notifier, stop)
    finally:
        stop.set()
        stop.doing = "closing"
        for task in beside:
            task.cancel()
        await asyncio.wait(beside)
        await rereader.close()
        await sender.close()
        await store.close()
        await alert_store.close()
        await targeting_store.close()
        await admin.cleanup()


async def _run(notifier: Notifier, stop: Stop) -> int:
    """Until ``stop`` or a crash, which the supervisor answers with another process."""
    running = asyncio.create_task(notifier.run(), name="notifier")
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not running.done():
        stop.doing = "ending deliveries"
        running.cancel()
        await asyncio.wait({running})
        return 0
    if not running.cancelled() and running.exception() is not None:
        log.error("notify ended", exc_info=running.exception())
    return 1


def main() -> None:
    """Entry point; settings come from the environment."""
    settings = load_or_exit(NotifySettings)
    log_to_stderr(settings)
    logging.getLogger("aiokafka").setLevel(logging.ERROR)
    try:
        status = asyncio.run(serve(settings))
    except (TopicProblemError, OSError) as error:
        log.error("%s", error)
        status = 1
    raise SystemExit(status)


if __name__ == "__main__":
    main()
