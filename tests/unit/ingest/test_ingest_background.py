"""What ingest does until it ends goes on after an error that nobody thought of."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry

from ingest.app import CONNECTION, create_app
from ingest.log import client, cut_off, opt_outs, publisher, sign_outs
from ingest.log.publisher import Publisher
from ingest.metrics import BACKGROUND, IngestMetrics
from ingest.socket import sockets
from schemas.log.events import Heartbeat, encode_event
from schemas.log.settings import KafkaSettings
from tests.rigs.harness import ingest_settings

KAFKA = KafkaSettings(kafka_bootstrap="127.0.0.1:1", partitions=1, replication_factor=1)
#: Of each, what every round does.
ROUNDS = {
    "kafka_connection": (client.Connection, "_connect"),
    "lanes": (publisher._Lane, "_pause"),
    "sign_outs": (sign_outs.SignOuts, "_read"),
    "opt_outs": (opt_outs.OptOuts, "_read"),
    "cut_off": (cut_off.CutOff, "look"),
}


def errors(registry: CollectorRegistry, work: str) -> float | None:
    name = "rollcall_ingest_background_errors_total"
    return registry.get_sample_value(name, {"work": work})


@pytest.mark.parametrize("work", BACKGROUND)
async def test_there_is_another_round(work: str, monkeypatch: pytest.MonkeyPatch) -> None:
    again = asyncio.Event()
    rounds = 0

    def fails_once(*_: object) -> object:
        nonlocal rounds
        rounds += 1
        if rounds == 1:
            raise LookupError("nobody thought of this")
        again.set()
        return frozenset() if work == "cut_off" else asyncio.sleep(0.01 if work == "lanes" else 60)

    monkeypatch.setattr(*ROUNDS[work], fails_once)
    monkeypatch.setattr(client, "RECONNECT_SECONDS", 0.0)
    monkeypatch.setattr(publisher, "TROUBLE_SECONDS", 0.0)
    monkeypatch.setattr(sign_outs, "RETRY_SECONDS", 0.0)
    monkeypatch.setattr(opt_outs, "RETRY_SECONDS", 0.0)
    monkeypatch.setattr(sockets, "look_seconds", lambda _: 0.001)
    registry = CollectorRegistry()
    app = create_app(ingest_settings(KAFKA, websocket_drain_seconds=0), registry=registry)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        async with asyncio.timeout(60):
            await again.wait()
        assert errors(registry, work) == 1
        if work == "kafka_connection":
            assert app[CONNECTION].away == "LookupError", "whoever waits is told so at once"
    finally:
        await runner.cleanup()


async def test_who_waits_for_a_record_is_answered_whatever_went_wrong() -> None:
    class Log:
        max_record_bytes = 100_000
        away = None
        fails = True

        async def append(self, *_: object) -> None:
            if self.fails:
                raise LookupError("nobody thought of this")

    log, registry = Log(), CollectorRegistry()
    lanes = Publisher(ingest_settings(KAFKA), log, IngestMetrics(registry))  # type: ignore[arg-type]
    lanes.start()
    event = encode_event(Heartbeat(user="u", token="t"))
    async with asyncio.timeout(60):
        assert not await lanes.publish("u", event)
        log.fails = False
        assert await lanes.publish("u", event)
        await lanes.close()
    assert errors(registry, "lanes") == 1
    assert lanes._lanes[0]._budget.held_bytes == 0
