"""Issue 15, line 4: logouts cost no more than they are worth, and an expired token is its own."""

from __future__ import annotations

import asyncio
import time

import pytest

from schemas.log.events import Connect, Logout
from schemas.log.settings import KafkaSettings
from tests.contract.raw_socket import RawSocket
from tests.rigs.harness import (
    DEADLINE_SECONDS,
    Ingest,
    client_events,
    ingest_settings,
    read_log,
    running_ingest,
    token,
)

pytestmark = pytest.mark.usefixtures("both_lanes")


async def test_line_4_a_repeat_is_answered_and_not_written(
    ingest: Ingest, kafka_settings: KafkaSettings
) -> None:
    expired = token("u1", exp=int(time.time()) - 23 * 3600)
    for bearer, body in ((token("u1", sid="s"), b'{"device_id": "a"}'), (expired, b"")):
        answers = [
            answer
            for _ in range(5)
            for answer in await asyncio.gather(
                *(ingest.logout(body, authorization=f"Bearer {bearer}") for _ in range(20))
            )
        ]
        assert {answer.status for answer in answers} == {200}
        assert {answer.body for answer in answers} == {b'{"success": true}'}
    logouts = await client_events(kafka_settings)
    assert [(type(each), each.device_id) for each in logouts] == [(Logout, "a"), (Logout, None)]
    assert ingest.metric("rollcall_ingest_logouts_repeated_total") == 198


async def test_line_4_a_repeat_after_the_fence_is_a_new_one(kafka_settings: KafkaSettings) -> None:
    async with running_ingest(ingest_settings(kafka_settings, logout_fence_seconds=0)) as ingest:
        await ingest.until_ready()
        bearer = f"Bearer {token('u1')}"
        for _ in range(2):
            assert (await ingest.logout(authorization=bearer)).status == 200
    assert len(await client_events(kafka_settings)) == 2


async def test_line_4_distinct_logouts_have_a_bucket_of_their_own(ingest: Ingest) -> None:
    # On a busy machine a second goes by meanwhile, and one more may be sent.
    for _ in range(600):
        last = await ingest.heartbeat()
        if last.status == 429:
            break
    assert last.status == 429
    # One token: made a second later, it would be another one, and no repeat.
    bearer = f"Bearer {token('u1')}"
    answers = [
        await ingest.logout(b'{"device_id": "d%d"}' % n, authorization=bearer) for n in range(21)
    ]
    assert [answer.status for answer in answers] == [200] * 20 + [429]
    assert answers[-1].json["code"] == "rate_limited"
    assert ingest.metric("rollcall_ingest_rate_limited_total", limit="user_logouts") == 1
    # A repeat passes whatever the bucket holds, and so does anybody else.
    repeat = await ingest.logout(b'{"device_id": "d3"}', authorization=bearer)
    assert repeat.status == 200
    assert (await ingest.logout(user="u2")).status == 200


async def test_line_4_a_logout_frame_is_no_way_around_it(
    ingest: Ingest, kafka_settings: KafkaSettings
) -> None:
    for _ in range(5):
        raw = await RawSocket.open(ingest)
        raw.send(b'{"type": "logout", "id": 1}')
        assert await raw.close_code() == 4409
        raw.end()
    for number in range(20):
        await ingest.logout(b'{"device_id": "d%d"}' % number, user="raw")
    raw = await RawSocket.open(ingest)
    raw.send(b'{"id": 1, "device_id": "phone"}')
    raw.send(b'{"type": "logout", "id": 2}')
    async with asyncio.timeout(DEADLINE_SECONDS):
        error = await anext(f async for f in raw.frames() if b'"error"' in f.payload)
    assert b'"rate_limited"' in error.payload
    raw.end()
    events = [event for record in await read_log(kafka_settings) for event in record.events]
    assert sum(isinstance(event, Logout) for event in events) == 20
    assert sum(isinstance(event, Connect) for event in events) == 1
