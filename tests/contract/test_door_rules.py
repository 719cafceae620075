"""What the operator drops or folds at the door reaches the log by no way: both lanes of HTTP, a
socket's first frame, its frames one by one and several in a message."""

from __future__ import annotations

import gzip
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from websockets.asyncio.client import connect

from schemas.log.events import Connect, Heartbeat
from schemas.log.settings import KafkaSettings
from tests.rigs.harness import Ingest, client_events, ingest_settings, running_ingest, token

KEY = "a key of the tests, of 32 characters and more"
PHONE = {"app_version": "1.4.2", "device_info": "Bob's iPhone"}


@pytest.fixture
async def ingest(kafka_settings: KafkaSettings, tmp_path: Path) -> AsyncIterator[Ingest]:
    rules = tmp_path / "screen-rules"
    rules.write_text("digits\nChat with {name}\n")
    settings = ingest_settings(
        kafka_settings,
        screen_rules=rules,
        drop_name=True,
        drop_device_info=True,
        user_hash_key=KEY,
    )
    async with running_ingest(settings) as ingest:
        await ingest.until_ready()
        yield ingest


def body(screen: str) -> dict[str, str]:
    return {"screen": screen, **PHONE}


async def test_no_way_leads_a_name_or_a_device_into_the_log(
    ingest: Ingest, kafka_settings: KafkaSettings
) -> None:
    bearer = f"Bearer {token('bob', name='Bob Smith')}"
    ways = ("ordinary", "straight")
    for way in ways:
        sent = json.dumps(body(f"/{way}/4711")).encode()
        headers = {"authorization": bearer}
        if way == "ordinary":
            sent, headers["content-encoding"] = gzip.compress(sent), "gzip"
        answer = await ingest.heartbeat(sent, **headers)
        assert answer.body == b'{"success": true}'
        assert "x-rollcall-warning" not in answer.headers
    assert ingest.straight_calls == 1
    async with connect(f"ws://127.0.0.1:{ingest.port}/api/ws") as socket:
        auth = {"type": "auth", "token": bearer.removeprefix("Bearer "), **body("/first/1")}
        await socket.send(json.dumps(auth))
        await socket.send(json.dumps(body("/frame/2")))
        await socket.send(json.dumps([body("/batch/3"), body("Chat with Bob")]))
        await socket.send(json.dumps({**body("/lenient/4"), "id": 9, "battery": 1}))
        while json.loads(await socket.recv()).get("id") != 9:
            pass

    # The last frame was acknowledged, so all before it are in the log.
    seen = [e for e in await client_events(kafka_settings) if isinstance(e, Heartbeat)]
    assert len(seen) == 7
    assert {event.screen for event in seen} == {
        *(f"/{way}/{{id}}" for way in (*ways, "first", "frame", "batch", "lenient")),
        "Chat with {name}",
    }
    assert any(isinstance(event, Connect) for event in seen)
    assert {event.name for event in seen} == {""}
    [pseudonym] = {event.device_info for event in seen}
    assert pseudonym is not None
    assert pseudonym.startswith("hidden-")
    assert {event.app_version for event in seen} == {"1.4.2"}
