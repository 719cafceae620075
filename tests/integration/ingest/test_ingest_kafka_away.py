"""Kafka away, slow or cut off: 503 in bounded time and memory, recovery without a restart.

A proxy stands between them and gives its own address as Kafka's, so that every byte can be held
back or lost.
"""

from __future__ import annotations

import asyncio
import json
import signal
import struct
import time
from collections.abc import AsyncIterator
from itertools import groupby
from pathlib import Path

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from deploy.local.ports import free_port
from ingest.app import CONNECTION
from schemas.log.events import Heartbeat
from schemas.log.settings import KafkaSettings
from tests.rigs.harness import (
    DEADLINE_SECONDS,
    Answer,
    Ingest,
    client_events,
    ingest_settings,
    running_ingest,
    token,
    wait_until,
)
from tests.rigs.ingest_process import Process, refuses
from tests.rigs.proxy import Proxy

ACCEPT_TIMEOUT_SECONDS = 1.0
#: On a busy machine an answer may be this late.
SLACK_SECONDS = 60.0


class KafkaProxy(Proxy):
    """Of a Kafka of one node."""

    def __init__(self, port: int, bootstrap: str) -> None:
        host, _, upstream_port = bootstrap.rpartition(":")
        super().__init__(port, int(upstream_port))
        self._node = _address(host, int(upstream_port))

    async def answer(self, server: asyncio.StreamReader) -> bytes:
        """In which this is the node."""
        try:
            (size,) = struct.unpack(">i", await server.readexactly(4))
            answer = await server.readexactly(size)
        except asyncio.IncompleteReadError:
            return b""
        answer = answer.replace(self._node, _address("127.0.0.1", self.port))
        return struct.pack(">i", len(answer)) + answer


def _address(host: str, port: int) -> bytes:
    """Of a node, in Kafka's protocol."""
    return struct.pack(f">h{len(host)}si", len(host), host.encode(), port)


@pytest.fixture
async def proxy(kafka_bootstrap: str) -> AsyncIterator[KafkaProxy]:
    proxy = KafkaProxy(free_port(), kafka_bootstrap)
    await proxy.start()
    yield proxy
    proxy.release()
    await proxy.cut()


@pytest.fixture
async def far_settings(proxy: KafkaProxy, emptied_topics: KafkaSettings) -> KafkaSettings:
    """Of a deployment behind the proxy."""
    return emptied_topics.model_copy(update={"kafka_bootstrap": f"127.0.0.1:{proxy.port}"})


@pytest.fixture
async def ingest(far_settings: KafkaSettings) -> AsyncIterator[Ingest]:
    settings = ingest_settings(
        far_settings,
        accept_timeout_seconds=ACCEPT_TIMEOUT_SECONDS,
        buffer_bytes=16_384,
        user_events_burst=10_000,
    )
    async with running_ingest(settings) as running:
        await running.until_ready()
        await beat_until_accepted(running, "before")
        yield running


async def beat_until_accepted(ingest: Ingest, screen: str = "after") -> None:
    """Until this works again, with no restart. One that Kafka took its time for is refused, and may
    be in the log all the same."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while (await ingest.heartbeat(b'{"screen": "%b"}' % screen.encode())).status != 200:
            await asyncio.sleep(0.05)


def assert_unavailable(answer: Answer) -> None:
    assert answer.status == 503
    assert answer.json["code"] == "unavailable"
    assert answer.json["success"] is False
    assert 1 <= int(answer.headers["retry-after"]) <= 15


async def shown(settings: KafkaSettings) -> list[str | None]:
    """The screens in the log, each once however often it was said in a row."""
    return [screen for screen, _ in groupby(await screens(settings))]


async def screens(settings: KafkaSettings) -> list[str | None]:
    return [e.screen for e in await client_events(settings) if isinstance(e, Heartbeat)]


async def test_ingest_comes_up_before_kafka_does(
    proxy: KafkaProxy, far_settings: KafkaSettings
) -> None:
    await proxy.cut()
    settings = ingest_settings(far_settings, accept_timeout_seconds=ACCEPT_TIMEOUT_SECONDS)
    async with running_ingest(settings, at_once=True) as ingest:
        assert_unavailable(await ingest.heartbeat(b'{"screen": "early"}'))
        assert ingest.not_ready
        started = time.monotonic()
        for number in range(60):
            assert_unavailable(await ingest.heartbeat(b'{"screen": "early"}', user=f"u{number}"))
        # At once, and not each after the time that Kafka has: a minute in all.
        assert time.monotonic() - started < 30 * ACCEPT_TIMEOUT_SECONDS
        await proxy.start()
        await ingest.until_ready()
        await beat_until_accepted(ingest)
    assert await shown(far_settings) == ["after"]


async def test_what_was_refused_while_kafka_was_away_never_appears(
    ingest: Ingest, proxy: KafkaProxy, far_settings: KafkaSettings
) -> None:
    await proxy.cut()
    started = time.monotonic()
    answers = await asyncio.gather(
        *(ingest.heartbeat(b'{"screen": "refused"}', user=f"u{n}") for n in range(100))
    )
    assert time.monotonic() - started < ACCEPT_TIMEOUT_SECONDS + SLACK_SECONDS
    for answer in answers:
        assert_unavailable(answer)
    await wait_until(lambda: ingest.not_ready is not None)
    assert ingest.metric("rollcall_ingest_kafka_connected") == 0
    await proxy.start()
    await beat_until_accepted(ingest)
    assert ingest.not_ready is None
    assert await shown(far_settings) == ["before", "after"]


async def test_while_kafka_hangs_answers_and_memory_are_bounded(
    ingest: Ingest, proxy: KafkaProxy, far_settings: KafkaSettings
) -> None:
    proxy.hold()
    body = b'{"screen": "%b"}' % (b"x" * 128)
    started = time.monotonic()
    answers = await asyncio.gather(*(ingest.heartbeat(body, user="u1") for _ in range(400)))
    assert time.monotonic() - started < 2 * ACCEPT_TIMEOUT_SECONDS + SLACK_SECONDS
    assert {answer.status for answer in answers} == {503}
    assert ingest.metric("rollcall_ingest_buffer_bytes") <= 16_384
    proxy.release()
    await beat_until_accepted(ingest)
    # One record was on its way and may have arrived; what waited behind it must not.
    in_the_log = await screens(far_settings)
    assert in_the_log[0] == "before"
    assert in_the_log[-1] == "after"
    assert len(in_the_log) < 2 + 16_384 / 128


async def test_a_lost_answer_is_bridged_and_nothing_is_written_twice(
    proxy: KafkaProxy, far_settings: KafkaSettings
) -> None:
    """Kafka has the record, its answer is lost: the retry has the same sequence number."""
    settings = ingest_settings(far_settings, accept_timeout_seconds=8)
    async with running_ingest(settings) as ingest:
        await ingest.until_ready()
        assert (await ingest.heartbeat(b'{"screen": "before"}')).status == 200
        proxy.deafen()
        assert (await ingest.heartbeat(b'{"screen": "once"}')).status == 200
    assert await screens(far_settings) == ["before", "once"]


async def test_a_short_cut_is_bridged(proxy: KafkaProxy, far_settings: KafkaSettings) -> None:
    settings = ingest_settings(far_settings, accept_timeout_seconds=60)
    async with running_ingest(settings) as ingest:
        await ingest.until_ready()
        assert (await ingest.heartbeat(b'{"screen": "before"}')).status == 200
        await proxy.cut()
        call = asyncio.create_task(ingest.heartbeat(b'{"screen": "during"}'))
        await wait_until(lambda: ingest.metric("rollcall_ingest_buffer_bytes") == 0)
        await proxy.start()
        assert (await call).status == 200
    assert await screens(far_settings) == ["before", "during"]


async def test_a_fleet_is_told_to_come_back_spread_out(ingest: Ingest, proxy: KafkaProxy) -> None:
    await proxy.cut()
    await wait_until(lambda: ingest.app[CONNECTION].away is not None)
    answers = [await ingest.heartbeat(b"{}", user=f"u{n}") for n in range(60)]
    for answer in answers:
        assert_unavailable(answer)
    seconds = {int(answer.headers["retry-after"]) for answer in answers}
    assert min(seconds) >= 5, "a fleet that came back sooner would only be refused again"
    assert len(seconds) > 3
    assert ingest.metric("rollcall_ingest_shed_total", cause="kafka_away") == 60


async def test_more_calls_than_may_wait_are_refused_at_once(
    proxy: KafkaProxy, far_settings: KafkaSettings
) -> None:
    settings = ingest_settings(far_settings, accept_timeout_seconds=60, max_calls_in_flight=20)
    async with running_ingest(settings) as ingest:
        await ingest.until_ready()
        proxy.hold()
        waiting = [
            asyncio.create_task(ingest.heartbeat(b'{"screen": "waits"}', user=f"u{n}"))
            for n in range(20)
        ]
        await wait_until(lambda: ingest.metric("rollcall_ingest_calls_in_flight") == 20)
        for path in (ingest.heartbeat, ingest.logout):
            refused = await path(b"{}", user="one too many")
            assert_unavailable(refused)
            assert int(refused.headers["retry-after"]) <= 5
        # Before its token was looked at: being overloaded is no time for cryptography.
        assert (await ingest.heartbeat(authorization="Bearer nonsense")).status == 503
        assert not any(call.done() for call in waiting)
        assert ingest.metric("rollcall_ingest_shed_total", cause="calls") == 3
        proxy.release()
        assert {answer.status for answer in await asyncio.gather(*waiting)} == {200}
        assert ingest.metric("rollcall_ingest_calls_in_flight") == 0
        assert (await ingest.heartbeat(b"{}")).status == 200


async def test_sockets_of_an_ingest_that_is_cut_off_go_to_another_one(
    proxy: KafkaProxy, far_settings: KafkaSettings
) -> None:
    """Their renewals are lost, and the log goes on with what others write: no outage is seen."""
    settings = ingest_settings(
        far_settings,
        accept_timeout_seconds=ACCEPT_TIMEOUT_SECONDS,
        heartbeat_interval_seconds=1,
        offline_after_seconds=5,
        websocket_ping_timeout_seconds=60,
        allow_short_timing=True,
    )

    async def say(client: ClientConnection, frame: str) -> None:
        """Until it is acknowledged: Kafka has a second."""
        told = "error"
        while told == "error":
            await client.send(frame)
            told = json.loads(await client.recv())["type"]
        assert told == "ack"

    authorization = {"Authorization": f"Bearer {token('u1')}"}
    async with (
        running_ingest(settings) as ingest,
        connect(f"ws://127.0.0.1:{ingest.port}/api/ws", additional_headers=authorization) as u1,
        asyncio.timeout(DEADLINE_SECONDS),
    ):
        await ingest.until_ready()
        assert json.loads(await u1.recv())["type"] == "welcome"
        await say(u1, '{"id": 1, "device_id": "phone", "screen": "Home"}')
        proxy.hold()
        told = json.loads(await u1.recv())
        assert told["type"] == "restart"
        assert told["reconnect_after_ms"] <= 500 * settings.cut_off_seconds
        with pytest.raises(ConnectionClosed):
            await u1.recv()
        assert u1.close_code == 1012
        proxy.release()
        await beat_until_accepted(ingest)
        async with connect(
            f"ws://127.0.0.1:{ingest.port}/api/ws", additional_headers=authorization
        ) as back:
            assert json.loads(await back.recv())["type"] == "welcome"
            await say(back, '{"id": 1, "screen": "Cart"}')


async def in_flight(process: Process, count: int) -> list[asyncio.Task[Answer]]:
    """So many calls that wait for Kafka."""
    calls = [asyncio.create_task(process.heartbeat(f"in-flight-{n}")) for n in range(count)]
    told = b"\nrollcall_ingest_calls_in_flight %d.0\n" % count
    async with asyncio.timeout(DEADLINE_SECONDS):
        while told not in (await process.get("/metrics")).body:
            await asyncio.sleep(0.01)
    return calls


@pytest.mark.parametrize("workers", [pytest.param("1", marks=pytest.mark.long), "2"])
async def test_sigterm_answers_what_is_in_flight_and_exits_with_0(
    proxy: KafkaProxy,
    far_settings: KafkaSettings,
    tmp_path: Path,
    processes: list[Process],
    workers: str,
) -> None:
    process = Process(far_settings, tmp_path / "ingest.log", ROLLCALL_INGEST_WORKERS=workers)
    processes.append(process)
    await process.until_status("/readyz", 200)
    assert (await process.heartbeat("before")).status == 200
    proxy.hold()
    calls = await in_flight(process, 20)
    process.popen.send_signal(signal.SIGTERM)
    await wait_until(lambda: refuses(process.port))
    assert not any(call.done() for call in calls)
    proxy.release()
    answers = await asyncio.gather(*calls)
    assert {(answer.status, answer.body) for answer in answers} == {(200, b'{"success": true}')}
    assert await process.exit_code() == 0
    logged = await screens(far_settings)
    assert sorted(str(s) for s in logged) == sorted(
        ["before", *(f"in-flight-{number}" for number in range(len(calls)))]
    )


async def test_sigterm_while_kafka_is_away_still_answers_and_exits_with_0(
    proxy: KafkaProxy, far_settings: KafkaSettings, tmp_path: Path, processes: list[Process]
) -> None:
    process = Process(far_settings, tmp_path / "ingest.log", ROLLCALL_ACCEPT_TIMEOUT_SECONDS="2")
    processes.append(process)
    await process.until_status("/readyz", 200)
    proxy.hold()
    calls = await in_flight(process, 20)
    process.popen.send_signal(signal.SIGTERM)
    for answer in await asyncio.gather(*calls):
        assert_unavailable(answer)
    assert await process.exit_code() == 0


async def test_an_overloaded_process_still_tells_how_it_is(
    proxy: KafkaProxy, far_settings: KafkaSettings, tmp_path: Path, processes: list[Process]
) -> None:
    process = Process(
        far_settings,
        tmp_path / "ingest.log",
        ROLLCALL_MAX_CALLS_IN_FLIGHT="5",
        ROLLCALL_MAX_HTTP_CONNECTIONS="20",
    )
    processes.append(process)
    await process.until_status("/readyz", 200)
    proxy.hold()
    calls = [asyncio.create_task(process.heartbeat(f"waits-{n}")) for n in range(40)]
    await wait_until(lambda: sum(call.done() for call in calls) >= 35)
    for path in ("/healthz", "/readyz", "/metrics"):
        answer = await process.get(path)
        assert answer.status == 200
    assert b"rollcall_ingest_calls_in_flight 5.0" in answer.body
    assert b'rollcall_ingest_shed_total{cause="calls"}' in answer.body
    assert b"rollcall_ingest_http_connections_refused_total" in answer.body
    proxy.release()
    statuses = sorted([(await call).status for call in calls])
    assert statuses == [200] * 5 + [503] * 35


async def test_a_process_comes_up_before_kafka_and_says_that_it_is_not_ready(
    proxy: KafkaProxy, far_settings: KafkaSettings, tmp_path: Path, processes: list[Process]
) -> None:
    await proxy.cut()
    process = Process(far_settings, tmp_path / "ingest.log", ROLLCALL_ACCEPT_TIMEOUT_SECONDS="5")
    processes.append(process)
    assert (await process.until_status("/healthz", 200)).json == {"status": "ok"}
    answer = await process.until_status("/readyz", 503)
    assert answer.json["reason"]
    assert_unavailable(await process.heartbeat("early"))
    await proxy.start()
    assert (await process.until_status("/readyz", 200)).json == {"status": "ready"}
    assert (await process.heartbeat("after")).status == 200
    process.popen.send_signal(signal.SIGINT)
    assert await process.exit_code() == 0
    assert "Traceback" not in process.output
    assert process.output.count("Kafka cannot be used") == 1


@pytest.mark.parametrize(
    ("change", "variables", "line"),
    [
        ({"partitions": 7}, {"ROLLCALL_INGEST_WORKERS": "2"}, "set ROLLCALL_PARTITIONS=4"),
        (
            {},
            {"ROLLCALL_INGEST_WORKERS": "2", "ROLLCALL_INGEST_HOST": "192.0.2.1"},
            "cannot listen on 192.0.2.1 port",
        ),
        ({"partitions": 7}, {}, "set ROLLCALL_PARTITIONS=4"),
        ({}, {"ROLLCALL_JWT_ALGORITHMS": "RS256"}, "this kind of key serves HS256"),
        ({}, {"ROLLCALL_INGEST_HOST": "192.0.2.1"}, "cannot listen on 192.0.2.1 port"),
    ],
)
async def test_what_cannot_work_is_one_line_that_names_the_remedy(
    far_settings: KafkaSettings,
    tmp_path: Path,
    processes: list[Process],
    change: dict[str, object],
    variables: dict[str, str],
    line: str,
) -> None:
    process = Process(far_settings.model_copy(update=change), tmp_path / "ingest.log", **variables)
    processes.append(process)
    assert await process.exit_code() == 1
    [told] = [said for said in process.output.splitlines() if said.startswith("rollcall: ")]
    assert line in told
    assert process.output.splitlines()[-1] == told
    assert "Traceback" not in process.output
