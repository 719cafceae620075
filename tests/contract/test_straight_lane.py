"""Both lanes of ingest say the same, byte for byte, and write and count the same."""

from __future__ import annotations

import asyncio
import gzip
import re
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import NamedTuple

import pytest

from schemas.log.events import Heartbeat, Logout
from schemas.log.settings import KafkaSettings
from tests.rigs.harness import (
    DEADLINE_SECONDS,
    Ingest,
    client_events,
    ingest_settings,
    running_ingest,
    token,
    wait_until,
)

HEARTBEAT = "/api/update-online-status"
LOGOUT = "/api/logout-status"
BURST = 30
EXPIRES_AT = int(time.time()) + 3600
EXPIRED = EXPIRES_AT - 3 * 3600


class Lanes(NamedTuple):
    ordinary: Ingest
    straight: Ingest


@pytest.fixture
async def lanes(kafka_settings: KafkaSettings) -> AsyncIterator[Lanes]:
    """Two ingests on one log."""
    settings = ingest_settings(
        kafka_settings,
        cors_origins="http://localhost:*",
        user_events_per_second=0.01,
        user_events_burst=BURST,
        heartbeat_interval_seconds=45.5,
    )
    async with AsyncExitStack() as stack:
        ordinary = await stack.enter_async_context(running_ingest(settings, "ordinary"))
        straight = await stack.enter_async_context(running_ingest(settings, "straight"))
        await ordinary.until_ready()
        await straight.until_ready()
        yield Lanes(ordinary, straight)


def bearer(user: str) -> str:
    """The same token whenever it is asked for."""
    return f"Bearer {token(user, exp=EXPIRES_AT)}"


def request(
    path: str,
    body: bytes = b"",
    *headers: str,
    user: str = "u1",
    method: str = "POST",
    version: str = "1.1",
    sized: bool = True,
    expires_at: int = EXPIRES_AT,
) -> bytes:
    lines = [
        f"{method} {path} HTTP/{version}",
        "Host: x",
        f"Authorization: Bearer {token(user, exp=expires_at)}",
    ]
    if sized:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, *headers, "", ""]).encode() + body


class Case(NamedTuple):
    """``parts`` are sent one after the other; so many calls of them go straight."""

    name: str
    parts: tuple[bytes, ...]
    straight: int = 1


BODY = b'{"screen": "Home", "app_version": "1.4.2", "device_info": "Pixel 8"}'
MENDED = rb'{"screen": "a\u0000b", "app_state": "asleep", "x": 1}'
BAD = b'{"device_id": "%b"}' % (b"d" * 129)
CHUNKED, CHUNKS = "Transfer-Encoding: chunked", b"2\r\n{}\r\n0\r\n\r\n"
HALF = request(LOGOUT, user="u5")[:12], request(LOGOUT, user="u5")[12:]
GATEWAY = "X-Forwarded-For: 192.0.2.1, 10.0.0.1"
#: Heads that are the same but for their token, request id and addresses.
KNOWN = (
    request(HEARTBEAT, BODY, "X-Request-ID: a-1", GATEWAY, user="u6"),
    request(HEARTBEAT, BODY[::-1], "X-Request-ID: b-2", GATEWAY.replace("2.1", "2.2"), user="u7"),
    request(HEARTBEAT, BODY, 'X-Request-ID: a"b', GATEWAY, user="u6"),
    request(HEARTBEAT, user="u6"),
    request(HEARTBEAT, user="u7"),
)
LAST = request(LOGOUT, b"{}", "Connection: close", user="u6")
CASES = [
    Case("a body", (request(HEARTBEAT, BODY, "Content-Type: application/json"),)),
    Case("no body", (request(HEARTBEAT),)),
    Case("no length", (request(HEARTBEAT, sized=False),)),
    Case("blanks", (request(HEARTBEAT, b" \r\n"),)),
    Case("mended", (request(HEARTBEAT, MENDED),)),
    Case("a clock", (request(HEARTBEAT, b'{"sent_at": 1767225600}'),)),
    Case("no JSON", (request(HEARTBEAT, b"hello"),)),
    Case("a form", (request(HEARTBEAT, b"screen=Home"),)),
    Case("a request id", (request(HEARTBEAT, BODY, "X-Request-ID: trace-1"),)),
    Case("an odd request id", (request(HEARTBEAT, BODY, 'X-Request-ID: a"b'),)),
    Case("the last one", (request(HEARTBEAT, BODY, "Connection: close"),)),
    Case("a bad field", (request(HEARTBEAT, BAD),)),
    Case("a bad field at last", (request(LOGOUT, BAD, "Connection: close"),)),
    Case("a scheme", (request(HEARTBEAT, BODY).replace(b"Bearer ", b"bEARER   "),)),
    Case("a logout", (request(LOGOUT, user="out"),)),
    Case("the same logout", (request(LOGOUT, user="out"),)),
    Case("a logout of a device", (request(LOGOUT, b'{"device_id": "d1"}', user="out"),)),
    Case("a logout that cannot be read", (request(LOGOUT, b"{", user="out"),)),
    Case("too many", (request(HEARTBEAT, user="eager"),) * (BURST + 2), BURST + 2),
    Case("a page", (request(HEARTBEAT, BODY, "Origin: http://localhost:1"),), 0),
    Case("another page", (request(HEARTBEAT, BODY, "Origin: http://elsewhere"),), 0),
    Case("packed", (request(HEARTBEAT, gzip.compress(BODY), "Content-Encoding: gzip"),), 0),
    Case("packed strangely", (request(HEARTBEAT, BODY, "Content-Encoding: x"),), 0),
    Case("chunks", (request(HEARTBEAT, CHUNKS, CHUNKED, sized=False),), 0),
    Case("too large", (request(HEARTBEAT, b"x" * 16_385),), 0),
    Case("expectant", (request(HEARTBEAT, b"", "Expect: 200-ok"),), 0),
    Case("HTTP/1.0", (request(HEARTBEAT, BODY, version="1.0"),), 0),
    Case("a query", (request(HEARTBEAT + "?screen=Cart"),), 0),
    Case("capitals", (request("/API//update-online-status/"),), 0),
    Case("another method", (request(HEARTBEAT, method="GET"),), 0),
    Case("another path", (request("/api/elsewhere"),), 0),
    Case("no token", (b"POST /api/logout-status HTTP/1.1\r\nHost: x\r\n\r\n",), 0),
    Case("a bad token", (request(HEARTBEAT).replace(b"Bearer ", b"Bearer x"),), 0),
    Case("a bad signature", (request(HEARTBEAT).replace(b"\r\nContent", b"x\r\nContent"),) * 2, 0),
    Case("not known yet", (request(HEARTBEAT, BODY, user="new"),)),
    Case("not known yet, and a bad field", (request(HEARTBEAT, BAD, user="newer"),)),
    Case(
        "not known yet, and expired", (request(HEARTBEAT, user="old", expires_at=EXPIRED),) * 2, 0
    ),
    Case("the logout of one that expired", (request(LOGOUT, user="old", expires_at=EXPIRED),), 0),
    Case("no HTTP", (b"nonsense\r\n\r\n",), 0),
    Case("by and by", (request(HEARTBEAT, BODY)[:-10], BODY[-10:]), 0),
    Case("kept alive", (request(HEARTBEAT, BODY, user="u2"), request(LOGOUT, user="u2")), 2),
    Case("known", KNOWN, len(KNOWN)),
    Case("known, by and by", (*KNOWN[:2], KNOWN[0][:-10], KNOWN[0][-10:]), 2),
    Case("known and a half", (KNOWN[0], KNOWN[0] + KNOWN[0][:40], KNOWN[0][40:]), 3),
    Case("known, and not any more", (KNOWN[0], KNOWN[0].replace(b"Bearer ", b"Bearer x")), 1),
    Case("known, and the last one", (LAST,)),
    Case("known, and the last one again", (LAST,)),
    Case("in turn", tuple(request(path, user="u3") for path in (HEARTBEAT, "/api/x", LOGOUT)), 2),
    Case("pipelined", (request(HEARTBEAT, user="u4") + request(LOGOUT, user="u4"),), 0),
    Case("one and a half", (request(HEARTBEAT, user="u5") + HALF[0], HALF[1]), 2),
]
#: What differs from answer to answer.
VARYING = re.compile(
    rb"(Date: |Retry-After: |X-Request-ID: (?=[0-9a-f]{24}\r)"
    rb'|"request_id": "(?=[0-9a-f]{24}"))[^\r"]*'
)


async def conversation(ingest: Ingest, parts: tuple[bytes, ...]) -> bytes:
    """Everything that is said until the connection has nothing more to say."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        reader, writer = await asyncio.open_connection("127.0.0.1", ingest.port)
        said = b""
        for part in parts:
            writer.write(part)
            await wait_until_answered(ingest)
        writer.write(b"GET /the-end HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        while data := await reader.read(65_536):
            said += data
        writer.close()
    return VARYING.sub(rb"\1*", said)


async def wait_until_answered(ingest: Ingest) -> None:
    """The loop is given time to see what was written, and nothing is in flight any more."""
    for _ in range(5):
        await asyncio.sleep(0.002)
    await wait_until(lambda: ingest.metric("rollcall_ingest_calls_in_flight") == 0)


async def test_both_lanes_give_the_same_bytes_and_write_and_count_the_same(
    lanes: Lanes, kafka_settings: KafkaSettings
) -> None:
    for user in ("u1", "u2", "u3", "u4", "u5", "u6", "u7", "out", "eager"):
        await lanes.straight.know(bearer(user))
    for case in CASES:
        before = lanes.straight.straight_calls
        said = await asyncio.gather(*(conversation(ingest, case.parts) for ingest in lanes))
        assert said[0] == said[1], case.name
        assert said[0].startswith(b"HTTP/1."), case.name
        assert lanes.straight.straight_calls - before == case.straight, case.name
    assert lanes.ordinary.straight_calls == 0

    written = await client_events(kafka_settings)
    kinds: dict[tuple[str, type], int] = {}
    for event in written:
        assert isinstance(event, Heartbeat | Logout)
        key = event.user, type(event)
        kinds[key] = kinds.get(key, 0) + 1
    assert all(count % 2 == 0 for count in kinds.values()), kinds
    assert counted(lanes.ordinary) == counted(lanes.straight)


def counted(ingest: Ingest) -> dict[str, float]:
    """What does not tell times or Kafka's doings."""
    return {
        f"{sample.name}{sample.labels}": sample.value
        for metric in ingest.registry.collect()
        for sample in metric.samples
        if not re.search("_(created|sum|bucket)$|record|ack_|ticks|topic_id", sample.name)
    }


async def test_what_comes_behind_a_straight_call_is_answered_in_order(lanes: Lanes) -> None:
    ingest = lanes.straight
    await ingest.know(bearer("u1"))
    reader, writer = await asyncio.open_connection("127.0.0.1", ingest.port)
    writer.write(request(HEARTBEAT, b"", "X-Request-ID: 0"))
    await wait_until(lambda: ingest.straight_calls == 1)
    # More than aiohttp takes from one connection at once.
    for n in range(1, 100):
        writer.write(request("/api/elsewhere", b"", f"X-Request-ID: {n}", method="PUT"))
    writer.write(request(LOGOUT, b"", "X-Request-ID: 100", "Connection: close"))
    async with asyncio.timeout(DEADLINE_SECONDS):
        said = await reader.read(-1)
    assert re.findall(rb"X-Request-ID: (\d+)", said) == [b"%d" % n for n in range(101)]
    writer.close()


async def test_a_phone_that_leaves_before_its_answer_harms_nobody(
    lanes: Lanes, kafka_settings: KafkaSettings
) -> None:
    ingest = lanes.straight
    await ingest.know(bearer("u1"))
    _reader, writer = await asyncio.open_connection("127.0.0.1", ingest.port)
    writer.write(request(HEARTBEAT))
    await wait_until(lambda: ingest.straight_calls == 1)
    writer.transport.abort()
    await wait_until(lambda: ingest.metric("rollcall_ingest_calls_in_flight") == 0)
    name = "rollcall_ingest_requests_total"
    assert ingest.metric(name, call="heartbeat", outcome="accepted") == 1
    assert len(await client_events(kafka_settings)) == 1
    assert ingest.metric("rollcall_ingest_http_connections") == 0


async def test_no_more_calls_are_in_flight_than_may_be(kafka_settings: KafkaSettings) -> None:
    settings = ingest_settings(kafka_settings, max_calls_in_flight=1)
    async with running_ingest(settings, "straight") as ingest:
        await ingest.until_ready()
        answers = await asyncio.gather(*(ingest.heartbeat() for _ in range(20)))
        refused = [answer for answer in answers if answer.status == 503]
        assert {answer.status for answer in answers} == {200, 503}
        assert ingest.metric("rollcall_ingest_shed_total", cause="calls") == len(refused)


async def test_while_kafka_does_not_answer_both_lanes_say_503(
    kafka_settings: KafkaSettings,
) -> None:
    deaf = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = deaf.sockets[0].getsockname()[1]
    settings = ingest_settings(
        kafka_settings.model_copy(update={"kafka_bootstrap": f"127.0.0.1:{port}"}),
        accept_timeout_seconds=0.2,
        user_hash_key="",  # so nobody has opted out
    )
    said: dict[str, list[bytes]] = {}
    for lane in ("ordinary", "straight"):
        async with running_ingest(settings, lane, at_once=True) as ingest:
            await ingest.know(bearer("u1"))
            said[lane] = [await conversation(ingest, (request(HEARTBEAT, BODY),)) for _ in range(3)]
            assert ingest.straight_calls == (3 if lane == "straight" else 0)
            assert ingest.metric("rollcall_ingest_calls_in_flight") == 0
    assert said["ordinary"] == said["straight"]
    assert all(each.startswith(b"HTTP/1.1 503 ") for each in said["straight"])
    deaf.close()


async def test_until_opt_outs_are_known_both_lanes_say_503(kafka_settings: KafkaSettings) -> None:
    nowhere = kafka_settings.model_copy(update={"kafka_bootstrap": "127.0.0.1:1"})
    said: dict[str, bytes] = {}
    for lane in ("ordinary", "straight"):
        async with running_ingest(ingest_settings(nowhere), lane, at_once=True) as ingest:
            await ingest.know(bearer("u1"))
            said[lane] = await conversation(ingest, (request(HEARTBEAT, BODY),))
            assert ingest.straight_calls == 0
    assert said["ordinary"] == said["straight"]
    assert said["straight"].startswith(b"HTTP/1.1 503 ")
    assert b"not known yet who has opted out" in said["straight"]
