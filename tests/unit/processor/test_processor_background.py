"""What a processor and notify do until they end goes on after an error that nobody thought of."""

from __future__ import annotations

import asyncio
import faulthandler
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest
from prometheus_client import CollectorRegistry

from processor.notify import notifier
from processor.notify.metrics import NotifyMetrics
from processor.notify.settings import NotifySettings
from processor.targeting import courier
from processor.targeting.metrics import TargetingMetrics
from processor.watch import log_watch, watchdog
from processor.watch.metrics import Metrics
from processor.watch.progress import Progress
from schemas.log.settings import KafkaSettings

KAFKA = KafkaSettings(kafka_bootstrap="127.0.0.1:1", partitions=1, replication_factor=1)


def fails_once(again: asyncio.Event) -> Callable[..., Awaitable[None]]:
    rounds = 0

    async def act(*_: object) -> None:
        nonlocal rounds
        rounds += 1
        if rounds == 1:
            raise LookupError("nobody thought of this")
        again.set()

    return act


async def goes_on(work: Awaitable[None], again: asyncio.Event) -> None:
    task = asyncio.ensure_future(work)
    try:
        async with asyncio.timeout(60):
            await again.wait()
    finally:
        task.cancel()
        await asyncio.wait({task})


async def test_the_watch_of_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    registry, again, anything = CollectorRegistry(), asyncio.Event(), cast(Any, None)
    watch = log_watch.LogWatch(cast(Any, KAFKA), anything, anything, anything, Metrics(registry))
    monkeypatch.setattr(watch, "_look", fails_once(again))
    monkeypatch.setattr(log_watch, "ASK_EVERY_SECONDS", 0.0)
    await goes_on(watch.run(anything, asyncio.Event()), again)
    name = "rollcall_processor_background_errors_total"
    assert registry.get_sample_value(name, {"work": "log_watch"}) >= 1  # type: ignore[operator]


async def test_the_beats_of_the_watchdog(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without beats it would end a processor whose loop runs."""
    registry, again = CollectorRegistry(), asyncio.Event()

    class FailingLags:
        app = None
        looks = 0

        def now(self) -> list[Any]:
            self.looks += 1
            if self.looks == 1:
                raise LookupError("nobody thought of this")
            again.set()
            return []

    monkeypatch.setattr(watchdog, "BEAT_SECONDS", 0.0)
    background = Metrics(registry).background
    watch = watchdog.Watchdog(60.0, cast(Any, FailingLags()), Progress(), background)
    await goes_on(watch._beat(), again)
    faulthandler.cancel_dump_traceback_later()
    name = "rollcall_processor_background_errors_total"
    assert registry.get_sample_value(name, {"work": "watchdog"}) == 1


async def test_the_webhooks_that_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    registry, again = CollectorRegistry(), asyncio.Event()
    means = cast(Any, SimpleNamespace(metrics=NotifyMetrics(registry)))
    of_all = notifier.Notifier(NotifySettings(**KAFKA.model_dump()), means)
    monkeypatch.setattr(of_all, "_refresh", fails_once(again))
    monkeypatch.setattr(notifier, "REFRESH_SECONDS", 0.0)
    await goes_on(of_all._keep_refreshing(), again)
    name = "rollcall_notify_background_errors_total"
    assert registry.get_sample_value(name, {"work": "webhooks"}) == 1


@pytest.mark.parametrize("act", ["waiting", "keep"])
async def test_the_sending_of_audiences(act: str, monkeypatch: pytest.MonkeyPatch) -> None:
    registry, again = CollectorRegistry(), asyncio.Event()

    async def nothing(*_: object) -> tuple[int, int, int]:
        return 0, 0, 0

    store = SimpleNamespace(claim=nothing, waiting=nothing, keep=nothing, release=nothing)
    failing = fails_once(again)

    async def once(*_: object) -> tuple[int, int, int]:
        await failing()
        return 0, 0, 0

    setattr(store, act, once)
    anything = cast(Any, None)
    sends = courier.Courier(
        cast(Any, store),
        *(anything, anything, anything, anything),
        TargetingMetrics(registry),
        disable=anything,
        give_up_seconds=1,
    )
    for pause in ("POLL_SECONDS", "TROUBLE_SECONDS", "KEEP_SECONDS"):
        monkeypatch.setattr(courier, pause, 0.0)
    monkeypatch.setattr(courier, "AT_ONCE", 0)
    await goes_on(sends.run(), again)
    assert registry.get_sample_value("rollcall_targeting_failures_total") == 1
