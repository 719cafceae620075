"""``/api/ws`` as clients meet it: every row of the close-code and error tables (design, section 4).

Through the ``websockets`` and ``websocket-client`` libraries, or bytes where those are too polite;
none of them is what the server uses.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
import websocket
from aiokafka import AIOKafkaProducer
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import Frame, Opcode
from websockets.typing import Origin

from ingest.socket import renewals as renewals_module
from ingest.socket.renewals import Renewals
from schemas.log.events import Connect, Disconnect, Event, Heartbeat, Logout, Renew
from schemas.log.settings import KafkaSettings
from schemas.log.topics import SIGN_OUTS, topic_name
from tests.contract.raw_socket import RawSocket
from tests.rigs.harness import (
    DEADLINE_SECONDS,
    Ingest,
    ingest_settings,
    read_log,
    running_ingest,
    token,
    wait_until,
)


@pytest.fixture
async def ingest(kafka_settings: KafkaSettings) -> AsyncIterator[Ingest]:
    async with running(kafka_settings) as ingest:
        yield ingest


@asynccontextmanager
async def running(kafka: KafkaSettings, **values: Any) -> AsyncIterator[Ingest]:
    values.setdefault("websocket_drain_seconds", 0)
    async with running_ingest(ingest_settings(kafka, **values)) as ingest:
        await ingest.until_ready()
        yield ingest


@asynccontextmanager
async def opened(
    ingest: Ingest, user: str = "u1", *, header: bool = True, **options: Any
) -> AsyncIterator[Socket]:
    """A socket; authenticated by its header unless ``header`` is false."""
    headers = {"Authorization": f"Bearer {token(user)}"} if header else {}
    url = f"ws://127.0.0.1:{ingest.port}/api/ws"
    async with connect(url, additional_headers=headers, **options) as client:
        socket = Socket(client)
        if header:
            assert (await socket.receive())["type"] == "welcome"
        yield socket


class Socket:
    """A client that speaks JSON, with deadlines."""

    def __init__(self, client: ClientConnection) -> None:
        self.client = client

    async def send(self, *frames: Any) -> None:
        for frame in frames:
            await self.client.send(json.dumps(frame))

    async def receive(self) -> Any:
        async with asyncio.timeout(DEADLINE_SECONDS):
            return json.loads(await self.client.recv())

    async def ask(self, frame: Any) -> Any:
        await self.send(frame)
        return await self.receive()

    async def end(self) -> tuple[int | None, str, list[Any]]:
        """Close code, reason, and the frames that came before."""
        frames = []
        try:
            while True:
                frames.append(await self.receive())
        except ConnectionClosed as closed:
            end = closed.rcvd
        return (end.code, end.reason, frames) if end is not None else (None, "", frames)


async def events(kafka: KafkaSettings, kind: type[Event] | None = None) -> list[Any]:
    return [
        event
        for record in await read_log(kafka)
        for event in record.events
        if (type(event) is kind if kind else type(event).__name__ != "Tick")
    ]


async def until_logged(kafka: KafkaSettings, kind: type[Event], count: int = 1) -> list[Any]:
    """The events of a kind, once there are so many."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while len(found := await events(kafka, kind)) < count:
            await asyncio.sleep(0.05)
    return found


# -- who is let in


async def test_a_header_is_enough_and_the_welcome_tells_what_to_do(ingest: Ingest) -> None:
    async with opened(ingest, header=False) as socket:
        await socket.send({"type": "auth", "token": token("u1")})
        assert await socket.receive() == {
            "type": "welcome",
            "heartbeat_interval_seconds": 90,
            "offline_after_seconds": 300,
            "ping_interval_seconds": 30,
        }
    async with opened(ingest):
        await wait_until(lambda: ingest.metric("rollcall_ingest_sockets_open") == 1)
    await wait_until(lambda: ingest.metric("rollcall_ingest_sockets_open") == 0)


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"Authorization": "Bearer nonsense"}, 401, "token_invalid"),
        ({"Authorization": "Basic dTpw"}, 401, "token_missing"),
        ({"Authorization": f"Bearer {token('u1', exp=1)}"}, 401, "token_expired"),
    ],
)
async def test_a_bad_header_is_refused_at_the_handshake(
    ingest: Ingest, headers: dict[str, str], status: int, code: str
) -> None:
    url = f"ws://127.0.0.1:{ingest.port}/api/ws"
    with pytest.raises(InvalidStatus) as refused:
        await connect(url, additional_headers=headers)
    response = refused.value.response
    body = json.loads(response.body or b"")
    assert (response.status_code, body["code"], body["success"]) == (status, code, False)
    assert response.headers["WWW-Authenticate"].startswith("Bearer")
    assert response.headers["X-Request-ID"] == body["request_id"]


async def test_a_page_may_only_open_it_from_an_allowed_origin(
    kafka_settings: KafkaSettings,
) -> None:
    async with running(kafka_settings, cors_origins="https://app.example.com") as ingest:
        async with opened(ingest, origin=Origin("https://app.example.com")):
            pass
        with pytest.raises(InvalidStatus) as refused:
            async with opened(ingest, origin=Origin("https://evil.example.com")):
                pass
        assert refused.value.response.status_code == 403
        assert json.loads(refused.value.response.body or b"")["code"] == "origin_refused"


async def test_a_plain_request_is_told_to_open_a_websocket(ingest: Ingest) -> None:
    answer = await ingest.call("/api/ws", method="GET")
    assert (answer.status, answer.json["code"]) == (400, "bad_request")
    answer = await ingest.call("/api/ws", method="POST")
    assert (answer.status, answer.headers["allow"]) == (405, "GET")


@pytest.mark.parametrize("key", [b"", b"AAAA", b"=", b"\xff", "é".encode()])
async def test_a_handshake_with_a_key_that_is_none_is_refused(ingest: Ingest, key: bytes) -> None:
    answer = await ingest.send(
        b"GET /api/ws HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\nupgrade: websocket\r\n"
        b"sec-websocket-version: 13\r\nsec-websocket-key: " + key + b"\r\n\r\n"
    )
    assert (answer.status, answer.json["code"]) == (400, "bad_request")


async def test_a_full_server_refuses_the_handshake(kafka_settings: KafkaSettings) -> None:
    async with running(kafka_settings, max_connections=1) as ingest, opened(ingest):
        with pytest.raises(InvalidStatus) as refused:
            async with opened(ingest, "u2"):
                pass
        assert refused.value.response.status_code == 503
        assert "Retry-After" in refused.value.response.headers


async def test_compression_is_off_unless_it_is_wanted(kafka_settings: KafkaSettings) -> None:
    async with running(kafka_settings) as ingest, opened(ingest) as socket:
        assert socket.client.protocol.extensions == []
    wanted = running(kafka_settings, websocket_compression=True)
    async with wanted as ingest, opened(ingest) as socket:
        assert socket.client.protocol.extensions != []
        assert (await socket.ask({"id": 1, "screen": "Home"}))["type"] == "ack"


# -- what goes into the log


async def test_frames_become_events_of_one_connection(
    ingest: Ingest, kafka_settings: KafkaSettings
) -> None:
    async with opened(ingest, header=False) as socket:
        await socket.send({"type": "auth", "token": token("u1"), "device_id": "phone"})
        assert (await socket.receive())["type"] == "welcome"
        assert await socket.ask({"id": 1, "screen": "Home"}) == {"type": "ack", "id": 1}
        await socket.send([{"id": "a", "screen": "Cart"}, {"id": "b", "app_state": "paused"}])
        assert [(await socket.receive())["id"] for _ in range(2)] == ["a", "b"]
    [disconnect] = await until_logged(kafka_settings, Disconnect)
    logged = await events(kafka_settings)
    assert [type(event) for event in logged] == [Connect, *[Heartbeat] * 3, Disconnect]
    assert {event.connection for event in logged} == {disconnect.connection}
    assert {event.device_id for event in logged[:-1]} == {"phone"}
    assert [event.screen for event in logged[1:-1]] == ["Home", "Cart", None]
    assert not disconnect.by_server
    assert token("u1") not in repr(logged)


async def test_two_sockets_have_two_connections(
    ingest: Ingest, kafka_settings: KafkaSettings
) -> None:
    async with opened(ingest) as one, opened(ingest) as other:
        for socket in (one, other):
            assert (await socket.ask({"id": 1}))["type"] == "ack"
    connects = await events(kafka_settings, Connect)
    assert len({event.connection for event in connects}) == 2


async def test_an_answering_socket_is_renewed(kafka_settings: KafkaSettings) -> None:
    quick = {
        "heartbeat_interval_seconds": 0.2,
        "offline_after_seconds": 60,
        "websocket_ping_interval_seconds": 0.1,
        "websocket_ping_timeout_seconds": 30,
    }
    async with running(kafka_settings, **quick) as ingest, opened(ingest) as socket:
        await socket.send({"device_id": "phone"})
        renewals = await until_logged(kafka_settings, Renew, 2)
    assert {event.device_id for event in renewals} == {"phone"}


async def test_a_renewal_that_waits_is_in_the_log_before_the_end_of_its_socket(
    kafka_settings: KafkaSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits, add = asyncio.Event(), Renewals.add

    def add_and_say_so(renewals: Renewals, renewal: Renew) -> None:
        add(renewals, renewal)
        waits.set()

    monkeypatch.setattr(renewals_module, "WAIT_SECONDS", 10 * DEADLINE_SECONDS)
    monkeypatch.setattr(Renewals, "add", add_and_say_so)
    quick = {
        "heartbeat_interval_seconds": 0.2,
        "offline_after_seconds": 60,
        "websocket_ping_interval_seconds": 0.1,
        "websocket_ping_timeout_seconds": 30,
    }
    async with running(kafka_settings, **quick) as ingest, opened(ingest) as socket:
        await socket.send({"device_id": "phone"})
        async with asyncio.timeout(DEADLINE_SECONDS):
            await waits.wait()
    await until_logged(kafka_settings, Disconnect)
    kinds = [type(event) for event in await events(kafka_settings)]
    assert Renew in kinds
    assert kinds[-1] is Disconnect


async def test_another_library_is_understood_as_well(
    ingest: Ingest, kafka_settings: KafkaSettings
) -> None:
    def talk() -> list[Any]:
        client = websocket.create_connection(
            f"ws://127.0.0.1:{ingest.port}/api/ws",
            timeout=DEADLINE_SECONDS,
            suppress_origin=True,
        )
        client.send(json.dumps({"type": "auth", "token": token("u1"), "id": 1}))
        answers = [json.loads(client.recv()) for _ in range(2)]
        client.send(json.dumps({"screen": "Home", "id": 2}))
        answers.append(json.loads(client.recv()))
        client.ping("are you there")
        client.send(json.dumps({"type": "logout", "id": 3}))
        answers.append(json.loads(client.recv()))
        opcode, data = client.recv_data(control_frame=True)
        while opcode != websocket.ABNF.OPCODE_CLOSE:
            opcode, data = client.recv_data(control_frame=True)
        client.close()
        return [*answers, int.from_bytes(data[:2], "big")]

    *answers, code = await asyncio.to_thread(talk)
    assert [(answer["type"], answer.get("id")) for answer in answers] == [
        ("ack", 1),
        ("welcome", None),
        ("ack", 2),
        ("ack", 3),
    ]
    assert code == 4409
    assert [type(event) for event in await events(kafka_settings)][:2] == [Connect, Logout]


# -- errors that leave it open

ERRORS: list[tuple[str, str, str]] = [
    ("bad_json", "{", "The message is not JSON."),
    ("bad_json", "[1]", "A frame is a JSON object."),
    ("bad_json", "[" * 5000, "The message is nested too deeply."),
    ("bad_field", '{"device_id": "' + "d" * 129 + '"}', "device_id: must have at most 128 char"),
    ("bad_field", '{"type": "auth"}', "token: an auth frame carries the user's token"),
    ("bad_field", '{"id": 1.5}', "id: must be an integer or an ASCII text"),
    ("unknown_type", '{"type": "subscribe"}', "type: must be auth, heartbeat"),
    (
        "not_authenticated",
        '{"type": "auth", "token": "x"}',
        "The token is not a JSON Web Token; it looks opaque",
    ),
]


@pytest.mark.parametrize(("code", "message", "text"), ERRORS)
async def test_a_bad_frame_is_answered_and_the_socket_stays(
    ingest: Ingest, code: str, message: str, text: str
) -> None:
    async with opened(ingest) as socket:
        await socket.client.send(message)
        answer = await socket.receive()
        assert (answer["type"], answer["code"]) == ("error", code)
        assert answer["message"].startswith(text)
        assert (await socket.ask({"id": 1}))["type"] == "ack"
    assert ingest.metric("rollcall_ingest_frame_errors_total", code=code) == 1


async def test_too_many_frames_of_a_user_are_refused(kafka_settings: KafkaSettings) -> None:
    limits = {"user_events_per_second": 0.001, "user_events_burst": 2}
    async with running(kafka_settings, **limits) as ingest, opened(ingest) as socket:
        await socket.send([{"id": n, "screen": "Home"} for n in range(3)])
        answers = {answer["id"]: answer for answer in [await socket.receive() for _ in range(3)]}
        assert answers[2]["code"] == "rate_limited"
        assert answers[0]["type"] == answers[1]["type"] == "ack"
        # HTTP has no allowance of its own.
        assert (await ingest.heartbeat()).status == 429
        assert (await socket.ask({"type": "logout", "id": 4}))["type"] == "ack"


async def test_warnings_come_with_the_ack(ingest: Ingest) -> None:
    async with opened(ingest) as socket:
        answer = await socket.ask({"id": 1, "screen": "s" * 200, "platform": 5})
        assert answer == {
            "type": "ack",
            "id": 1,
            "warning": "platform: taken as text; screen: cut to 128 characters",
        }
    assert ingest.metric("rollcall_ingest_field_warnings_total", field="screen", kind="cut") == 1


# -- closes


async def test_4401_not_authenticated_in_time(kafka_settings: KafkaSettings) -> None:
    short = running(kafka_settings, websocket_auth_timeout_seconds=0.2)
    async with short as ingest, opened(ingest, header=False) as socket:
        assert await socket.end() == (4401, "not authenticated in time", [])


async def test_4401_bad_token(ingest: Ingest) -> None:
    async with opened(ingest, header=False) as socket:
        await socket.send({"type": "auth", "token": token("u1", exp=1), "id": 1})
        code, reason, [answer] = await socket.end()
        assert (code, reason) == (4401, "token_expired")
        assert (answer["code"], answer["id"]) == ("not_authenticated", 1)
    assert ingest.metric("rollcall_ingest_token_refusals_total", code="token_expired") == 1


async def test_4402_token_expired(kafka_settings: KafkaSettings) -> None:
    async with running(kafka_settings, jwt_leeway_seconds=0) as ingest:
        code, reason, frames = await ends_soon(f"ws://127.0.0.1:{ingest.port}/api/ws")
    assert (code, reason) == (4402, "token expired")
    assert [frame["type"] for frame in frames] == ["welcome", "token_expiring"]
    assert 0 <= frames[1]["seconds"] <= 2


async def ends_soon(url: str) -> tuple[int | None, str, list[Any]]:
    """The end of a socket whose token ends two seconds after it was made."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while True:
            soon = {"Authorization": f"Bearer {token('u1', exp=int(time.time()) + 2)}"}
            try:
                async with connect(url, additional_headers=soon) as client:
                    return await Socket(client).end()
            except InvalidStatus:  # the machine took longer
                continue


async def test_4408_ping_time_out(kafka_settings: KafkaSettings) -> None:
    quick = {"websocket_ping_interval_seconds": 0.2, "websocket_ping_timeout_seconds": 0.3}
    async with running(kafka_settings, **quick) as ingest:
        raw = await RawSocket.open(ingest)
        raw.send(b'{"device_id": "phone"}')
        assert await raw.close_code() == 4408  # no pong was sent
        [disconnect] = await until_logged(kafka_settings, Disconnect)
        raw.end()
    assert not disconnect.by_server
    assert disconnect.silent_ms >= 450


async def test_4408_slow_reader(kafka_settings: KafkaSettings) -> None:
    """Errors are answered: a client that sends rubbish and reads nothing would fill our memory."""
    async with running(kafka_settings, user_events_burst=10**6) as ingest:
        raw = await RawSocket.open(ingest, receive_buffer_bytes=4096)
        raw.send(b'{"device_id": "phone"}')
        rubbish = json.dumps([{"type": "no", "id": "x" * 64}] * 100).encode()
        closes = {"code": "4408"}
        async with asyncio.timeout(DEADLINE_SECONDS):
            while not ingest.metric("rollcall_ingest_socket_closes_total", **closes):
                raw.send(rubbish)
                await asyncio.sleep(0.001)
        [disconnect] = await until_logged(kafka_settings, Disconnect)
        raw.end()
    assert disconnect.by_server


async def test_4409_logged_out(ingest: Ingest, kafka_settings: KafkaSettings) -> None:
    """The processor says so on presence.sign_outs; other sockets stay."""
    async with opened(ingest) as gone, opened(ingest) as stays:
        for number, socket in enumerate((gone, stays)):
            assert (await socket.ask({"id": number, "device_id": f"d{number}"}))["type"] == "ack"
        first, _ = await events(kafka_settings, Connect)
        await write_sign_out(kafka_settings, b"no json", {"connections": [first.connection, "x"]})
        assert (await gone.end())[:2] == (4409, "logged out")
        assert (await stays.ask({"id": 2}))["type"] == "ack"


async def test_4429_too_many_connections(kafka_settings: KafkaSettings) -> None:
    async with running(kafka_settings, user_connections=1) as ingest:
        async with opened(ingest):
            async with opened(ingest, header=False) as socket:
                await socket.send({"type": "auth", "token": token("u1")})
                assert await socket.end() == (4429, "too many connections", [])
            async with opened(ingest, "somebody else"):
                pass
        await wait_until(lambda: ingest.metric("rollcall_ingest_sockets_open") == 0)
        async with opened(ingest):  # there is room again
            pass


async def test_1003_binary_frame(ingest: Ingest, kafka_settings: KafkaSettings) -> None:
    async with opened(ingest) as socket:
        assert (await socket.ask({"id": 1}))["type"] == "ack"
        await socket.client.send(b"binary")
        assert await socket.end() == (1003, "frames are JSON text", [])
    [disconnect] = await until_logged(kafka_settings, Disconnect)
    assert disconnect.by_server


async def test_1007_invalid_utf8(ingest: Ingest) -> None:
    raw = await RawSocket.open(ingest)
    raw.send(b'{"screen": "\xff\xfe"}')
    assert await raw.close_code() == 1007
    raw.end()


async def test_1009_too_long(ingest: Ingest, kafka_settings: KafkaSettings) -> None:
    longest = json.dumps({"id": 1, "note": ""})
    longest = json.dumps({"id": 1, "note": "x" * (16_384 - len(longest))})
    async with opened(ingest) as socket:
        await socket.client.send(longest)
        assert (await socket.receive())["type"] == "ack"
        await socket.client.send(longest + " ")
        code, _, _ = await socket.end()
        assert code == 1009
    [disconnect] = await until_logged(kafka_settings, Disconnect)
    assert disconnect.by_server


async def test_1012_restart(kafka_settings: KafkaSettings) -> None:
    async with running(kafka_settings, websocket_drain_seconds=0.1) as ingest:
        url = f"ws://127.0.0.1:{ingest.port}/api/ws"
        clients = []
        for n in range(5):
            headers = {"Authorization": f"Bearer {token(f'u{n}')}"}
            clients.append(Socket(await connect(url, additional_headers=headers)))
            await clients[-1].send({"device_id": "phone"})
        await until_logged(kafka_settings, Connect, 5)
        ends = [asyncio.create_task(client.end()) for client in clients]
        # Leaving the block is SIGTERM: aiohttp's runner cleans up.
    for end in ends:
        code, reason, frames = await end
        assert (code, reason) == (1012, "restart")
        assert frames[-1]["type"] == "restart"
        assert 0 <= frames[-1]["reconnect_after_ms"] <= 30_000
    disconnects = await events(kafka_settings, Disconnect)
    assert [event.by_server for event in disconnects] == [True] * 5


@pytest.mark.parametrize("by", ["a restart", "a logout"])
async def test_a_connection_is_kept_until_the_client_has_closed_too(
    kafka_settings: KafkaSettings, by: str
) -> None:
    """RFC 6455, 7.1.1. Otherwise what the client says meanwhile resets the connection, and with it
    goes the close frame that it has not read yet."""
    async with running(kafka_settings) as ingest:
        raw = await RawSocket.open(ingest)
        raw.send(b'{"device_id": "phone"}')
        [first] = await until_logged(kafka_settings, Connect)
        if by == "a logout":
            await write_sign_out(kafka_settings, {"connections": [first.connection]})
        else:
            stopping = asyncio.create_task(ingest.app.shutdown())
        assert await raw.close_code() == (4409 if by == "a logout" else 1012)
        raw.send(b'{"screen": "Home"}')
        with pytest.raises(TimeoutError):
            await raw.until_ended(within_seconds=0.3)
        raw.write(Frame(Opcode.CLOSE, b"\x03\xe8").serialize(mask=True))
        await raw.until_ended()
        if by == "a restart":
            await stopping


async def test_one_client_s_trouble_is_not_another_s(ingest: Ingest) -> None:
    async with opened(ingest, "good") as good:
        assert (await good.ask({"id": 1}))["type"] == "ack"
        for data in (b"\xff\xff\xff\xff", b"\x00" * 100, b"GET / HTTP/1.1\r\n\r\n"):
            raw = await RawSocket.open(ingest)
            raw.write(data)
            await raw.until_closed()
        assert (await good.ask({"id": 2}))["type"] == "ack"
    await wait_until(lambda: ingest.metric("rollcall_ingest_sockets_open") == 0)


async def write_sign_out(kafka: KafkaSettings, *values: Any) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=kafka.kafka_bootstrap)
    await producer.start()
    try:
        for value in values:
            data = value if isinstance(value, bytes) else msgspec.json.encode(value)
            await producer.send_and_wait(topic_name(kafka, SIGN_OUTS), data, partition=0)
    finally:
        await producer.stop()
