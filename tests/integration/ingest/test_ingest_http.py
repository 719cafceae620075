"""The phones' calls over HTTP: who may call, with what, and what they are told."""

from __future__ import annotations

import asyncio
import gzip
import json
import time
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass

import pytest
import pytest_asyncio

from schemas.log.events import Heartbeat, Logout
from schemas.log.settings import KafkaSettings
from tests.rigs.harness import (
    Answer,
    Ingest,
    Ways,
    client_events,
    ingest_settings,
    running_ingest,
    token,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

HEARTBEAT = "/api/update-online-status"
LOGOUT = "/api/logout-status"


@pytest.fixture
def kafka_settings(emptied_topics: KafkaSettings) -> KafkaSettings:
    """Of ingest alone: no test of these counts offsets."""
    return emptied_topics


@pytest.fixture(
    scope="module",
    params=["straight", pytest.param("ordinary", marks=pytest.mark.long)],
    autouse=True,
)
def lane(request: pytest.FixtureRequest) -> Iterator[None]:
    """By the straight lane, whatever is usual. That aiohttp's handlers say the same, byte for byte:
    tests/contract/test_straight_lane.py."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Ways, "lane", request.param)
        yield


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_ingest(reused_topics: KafkaSettings, lane: None) -> AsyncIterator[Ingest]:
    """Of all tests but those that want other settings: a start costs as much as three tests."""
    settings = ingest_settings(
        reused_topics,
        cors_origins="http://localhost:*",
        jwt_issuer="https://id.example",
        jwt_audience="rollcall",
        heartbeat_interval_seconds=45.5,
        # All tests have one address and one user.
        auth_failures_burst=100_000,
        user_events_burst=100_000,
        user_logouts_burst=100_000,
    )
    async with running_ingest(settings) as running:
        yield running


@dataclass
class SinceThen(Ingest):
    """An ingest that was there before; it counts from now on."""

    def __post_init__(self) -> None:
        self._before = {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in self.registry.collect()
            for sample in family.samples
        }

    def metric(self, name: str, **labels: str) -> float:
        before = self._before.get((name, frozenset(labels.items())), 0.0)
        return super().metric(name, **labels) - before


@pytest.fixture
def ingest(shared_ingest: Ingest, kafka_settings: KafkaSettings) -> Ingest:
    """Its log is empty."""
    return SinceThen(**vars(shared_ingest))


def good_token(user: str = "u1", **claims: object) -> str:
    return token(user, **{"iss": "https://id.example", "aud": "rollcall", **claims})


def bearer(**claims: object) -> str:
    return f"Bearer {good_token(**claims)}"  # type: ignore[arg-type]


async def beat(ingest: Ingest, body: bytes = b"", **headers: str) -> Answer:
    return await ingest.heartbeat(body, **{"authorization": bearer(), **headers})


def assert_problem(answer: Answer, status: int, code: str) -> None:
    problem = answer.json
    assert answer.status == status
    assert problem["status"] == status
    assert problem["code"] == code
    assert problem["success"] is False
    assert problem["type"] == "about:blank"
    assert problem["title"]
    assert problem["detail"]
    assert problem["request_id"] == answer.headers["x-request-id"]
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "application/json; charset=utf-8",
        "application/json; charset=latin-1",
        'application/json;charset="UTF-8"',
        "text/plain",
        "application/x-www-form-urlencoded",
        "nonsense",
    ],
)
async def test_a_body_is_json_in_utf8_whatever_its_type_says(
    ingest: Ingest, kafka_settings: KafkaSettings, content_type: str
) -> None:
    answer = await beat(ingest, '{"screen": "Küche"}'.encode(), content_type=content_type)
    assert answer.status == 200
    assert answer.headers["x-heartbeat-interval-seconds"] == "45.5"
    [event] = await client_events(kafka_settings)
    assert isinstance(event, Heartbeat)
    assert event.screen == "Küche"


async def test_what_was_mended_is_named_counted_and_logged(
    ingest: Ingest, kafka_settings: KafkaSettings
) -> None:
    body = rb'{"screen": "a\u0000\ud800b", "app_state": "asleep", "app_version": 2, "x": 1}'
    answer = await beat(ingest, body)
    assert answer.status == 200
    assert answer.headers["x-rollcall-warning"] == (
        "app_version: taken as text; screen: control characters removed; "
        "app_state: unknown value ignored"
    )
    [event] = await client_events(kafka_settings)
    assert isinstance(event, Heartbeat)
    assert (event.screen, event.app_state, event.app_version) == ("ab", None, "2")
    for field, kind in (
        ("screen", "characters_removed"),
        ("app_state", "unknown_value"),
        ("app_version", "taken_as_text"),
    ):
        name = "rollcall_ingest_field_warnings_total"
        assert ingest.metric(name, field=field, kind=kind) == 1
    assert ingest.metric("rollcall_ingest_unknown_fields_total") == 1


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b'{"device_id": "%b"}' % (b"d" * 129), 422, "bad_field"),
        (b" " * 16_385, 413, "body_too_large"),
        (b'{"screen": "%b"}' % (b"x" * 20_000), 413, "body_too_large"),
        (b"x" * 3_000_000, 413, "body_too_large"),
    ],
)
async def test_bodies_that_cannot_be_used_are_refused(
    ingest: Ingest, kafka_settings: KafkaSettings, body: bytes, status: int, code: str
) -> None:
    assert_problem(await beat(ingest, body), status, code)
    name = "rollcall_ingest_requests_total"
    assert ingest.metric(name, call="heartbeat", outcome=code) == 1
    assert await client_events(kafka_settings) == []


async def test_a_bad_field_is_named(ingest: Ingest) -> None:
    answer = await beat(ingest, b'{"screen": [], "device_id": "%b"}' % (b"d" * 129))
    assert [error["field"] for error in answer.json["errors"]] == ["device_id"]


async def test_H2_a_valid_token_with_any_body_is_a_sign_of_life(
    ingest: Ingest, kafka_settings: KafkaSettings
) -> None:
    bodies = {
        b"{": "body: not JSON",
        b"[]": "body: not JSON with fields, ignored",
        b'{"x": ' + b"[" * 16_000: "body: not JSON",
        b'{"screen": ["Home"], "device_id": {}}': "screen: not a text, ignored; "
        "device_id: not a text, ignored",
        b"screen: Home": "body: not JSON",
        '{"screen":"Home"}'.encode("utf-16"): "body: not UTF-8",
    }
    for body, warning in bodies.items():
        answer = await beat(ingest, body)
        assert (answer.status, answer.body) == (200, b'{"success": true}')
        assert answer.headers["x-rollcall-warning"] == warning
    screens = [event.screen for event in await client_events(kafka_settings)]  # type: ignore[union-attr]
    assert screens == [None, None, None, None, "Home", "Home"]
    name = "rollcall_ingest_field_warnings_total"
    assert ingest.metric(name, field="body", kind="not_json") == 3
    assert ingest.metric(name, field="screen", kind="not_a_text") == 1


async def test_H1_a_form_a_multipart_form_and_a_query_are_read(
    ingest: Ingest, kafka_settings: KafkaSettings
) -> None:
    form = "screen=MovieDetails&app_version=1.2.3&device_info=Pixel%208"
    multipart = "".join(
        f'--b\r\ncontent-disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in (pair.split("=") for pair in form.replace("%20", " ").split("&"))
    )
    call = f"{HEARTBEAT}?{form}"
    for answer in (
        await beat(
            ingest,
            form.encode(),
            content_type="application/x-www-form-urlencoded; charset=utf-8",
        ),
        await beat(
            ingest, f"{multipart}--b--\r\n".encode(), content_type="multipart/form-data; boundary=b"
        ),
        await ingest.call(call, authorization=bearer()),
    ):
        assert answer.status == 200
        assert "x-rollcall-warning" not in answer.headers
    for event in await client_events(kafka_settings):
        assert isinstance(event, Heartbeat)
        assert (event.screen, event.app_version, event.device_info) == (
            "MovieDetails",
            "1.2.3",
            "Pixel 8",
        )


async def test_a_body_of_16_kib_is_the_largest(ingest: Ingest) -> None:
    body = b'{"screen": "Home"}'
    assert (await beat(ingest, body + b" " * (16_384 - len(body)))).status == 200


def chunked(*chunks: bytes) -> bytes:
    head = f"POST {HEARTBEAT} HTTP/1.1\r\nhost: x\r\nauthorization: {bearer()}\r\n"
    body = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in (*chunks, b""))
    return head.encode() + b"transfer-encoding: chunked\r\n\r\n" + body


async def test_a_body_may_come_in_chunks_up_to_the_same_size(ingest: Ingest) -> None:
    assert (await ingest.send(chunked(b'{"scre', b'en": "Home"}'))).status == 200
    assert_problem(await ingest.send(chunked(*[b"x" * 4096] * 5)), 413, "body_too_large")


async def test_a_broken_chunk_is_a_bad_request(ingest: Ingest) -> None:
    request = chunked(b"{}").removesuffix(b"2\r\n{}\r\n0\r\n\r\n")
    assert (await ingest.send(request, b"zz\r\n{}\r\n0\r\n\r\n")).status == 400


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [
        ("gzip", gzip.compress),
        ("x-gzip", gzip.compress),
        ("GZip", gzip.compress),
        ("deflate", zlib.compress),
        ("Deflate", lambda plain: zlib.compress(plain, wbits=-15)),
        ("identity", bytes),
        ("identity, gzip", gzip.compress),
        ("gzip, gzip", lambda plain: gzip.compress(gzip.compress(plain))),
        ("gzip", bytes),  # a header that somebody forgot
    ],
)
async def test_a_compressed_body_is_read(
    ingest: Ingest,
    kafka_settings: KafkaSettings,
    encoding: str,
    packed: Callable[[bytes], bytes],
) -> None:
    answer = await beat(ingest, packed(b'{"screen": "Home"}'), content_encoding=encoding)
    assert answer.status == 200
    assert "x-rollcall-warning" not in answer.headers
    [event] = await client_events(kafka_settings)
    assert isinstance(event, Heartbeat)
    assert event.screen == "Home"


@pytest.mark.parametrize("encoding", ["br", "zstd", "compress", "gzip, gzip, gzip", "gzip;q=1"])
async def test_another_encoding_is_refused_with_those_that_can_be_read(
    ingest: Ingest, encoding: str
) -> None:
    answer = await beat(ingest, b"packed", content_encoding=encoding)
    assert_problem(answer, 415, "unsupported_encoding")
    assert answer.headers["accept-encoding"] == "gzip, deflate"
    assert (await beat(ingest, content_encoding=encoding)).status == 200  # nothing to unpack


async def test_a_compressed_body_is_measured_while_it_is_unpacked(ingest: Ingest) -> None:
    once = gzip.compress(bytes(10_000_000))
    for bomb, encoding in (
        (once, "gzip"),
        (gzip.compress(once), "gzip, gzip"),
        (zlib.compress(bytes(10_000_000)), "deflate"),
    ):
        answer = await beat(ingest, bomb, content_encoding=encoding)
        assert_problem(answer, 413, "body_too_large")


@pytest.mark.parametrize("torn", [b"no gzip at all", gzip.compress(b'{"screen": "Home"}')[:-9]])
async def test_what_is_not_packed_as_it_says_is_a_sign_of_life(ingest: Ingest, torn: bytes) -> None:
    answer = await beat(ingest, torn, content_encoding="gzip")
    assert answer.status == 200
    assert answer.headers["x-rollcall-warning"].endswith("body: not JSON")


@pytest.mark.parametrize(
    ("authorization", "code"),
    [
        (None, "token_missing"),
        ("", "token_missing"),
        ("Bearer", "token_missing"),
        ("Bearer ", "token_missing"),
        ("Basic dTpw", "token_missing"),
        ("Bearer null", "token_invalid"),
        (f"Bearer {token(iss='https://id.example', aud='other')}", "wrong_audience"),
        (f"Bearer {token(iss='other', aud='rollcall')}", "wrong_issuer"),
        (bearer(exp=int(time.time()) - 25 * 3600), "token_expired"),
        (bearer(nbf=int(time.time()) + 3600), "token_not_yet_valid"),
        (bearer()[:-4] + "AAAA", "bad_signature"),
        (f"Bearer {token('u', 'another secret of 32 bytes or more')}", "bad_signature"),
    ],
)
@pytest.mark.parametrize("path", [HEARTBEAT, LOGOUT])
async def test_every_refusal_of_a_token_names_its_cause(
    ingest: Ingest, path: str, authorization: str | None, code: str
) -> None:
    headers = {} if authorization is None else {"authorization": authorization}
    answer = await ingest.call(path, b"{}", **headers)
    assert_problem(answer, 401, code)
    assert answer.headers["www-authenticate"].startswith('Bearer realm="rollcall"')
    assert ingest.metric("rollcall_ingest_token_refusals_total", code=code) == 1


async def test_bytes_that_are_no_text_are_no_token(ingest: Ingest) -> None:
    request = f"POST {HEARTBEAT} HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\nauthorization: Bearer "
    assert_problem(await ingest.send(request.encode() + b"\xff\xfe\r\n\r\n"), 401, "token_invalid")


@pytest.mark.parametrize("scheme", ["bearer", "BEARER", "Bearer  "])
async def test_the_scheme_has_no_case(ingest: Ingest, scheme: str) -> None:
    answer = await ingest.heartbeat(authorization=f"{scheme} {good_token()}")
    assert answer.status == 200


async def test_a_numeric_user_is_decimal_text(
    ingest: Ingest, kafka_settings: KafkaSettings
) -> None:
    numeric = good_token(sub=12345)
    assert (await ingest.heartbeat(authorization=f"Bearer {numeric}")).status == 200
    [event] = await client_events(kafka_settings)
    assert event.user == "12345"


async def test_logout_takes_a_token_that_expired_within_a_day(
    ingest: Ingest, kafka_settings: KafkaSettings
) -> None:
    expired = int(time.time()) - 23 * 3600
    answer = await ingest.logout(authorization=bearer(exp=expired))
    assert answer.status == 200
    assert "x-heartbeat-interval-seconds" not in answer.headers
    [event] = await client_events(kafka_settings)
    assert isinstance(event, Logout)
    assert event.token_expires_ms == (expired + 30) * 1000
    longer_ago = await ingest.logout(authorization=bearer(exp=expired - 2 * 3600))
    assert_problem(longer_ago, 401, "token_expired")
    same_token = await ingest.heartbeat(authorization=bearer(exp=expired))
    assert_problem(same_token, 401, "token_expired")


async def test_a_token_without_expiry_is_logged_as_such(
    ingest: Ingest, kafka_settings: KafkaSettings
) -> None:
    assert (await ingest.logout(authorization=bearer(exp=None))).status == 200
    [event] = await client_events(kafka_settings)
    assert isinstance(event, Logout)
    assert event.token_expires_ms is None


async def test_a_logout_counts_even_with_a_body_that_cannot_be_read(
    ingest: Ingest, kafka_settings: KafkaSettings
) -> None:
    answer = await ingest.logout(b"not json", authorization=bearer())
    assert (answer.status, answer.body) == (200, b'{"success": true}')
    assert answer.headers["x-rollcall-warning"] == "body: not JSON"
    [event] = await client_events(kafka_settings)
    assert isinstance(event, Logout)


async def test_a_sane_request_id_is_taken_over_and_no_other(ingest: Ingest) -> None:
    assert (await beat(ingest, x_request_id="trace-1.a:b")).headers["x-request-id"] == "trace-1.a:b"
    for odd in ("", "a b", "x" * 129, "<script>", "ü"):
        given = (await beat(ingest, x_request_id=odd)).headers["x-request-id"]
        assert given != odd
        assert len(given) == 24
    first, second = (await beat(ingest), await beat(ingest))
    assert first.headers["x-request-id"] != second.headers["x-request-id"]


async def test_another_method_is_told_which_there_are(ingest: Ingest) -> None:
    for path in (HEARTBEAT, LOGOUT):
        for method in ("GET", "PUT", "DELETE", "PATCH"):
            answer = await ingest.call(path, method=method)
            assert_problem(answer, 405, "method_not_allowed")
            assert answer.headers["allow"] == "OPTIONS, POST"


@pytest.mark.parametrize(
    "path", ["/", "/api", f"{HEARTBEAT}/x", "/api/%00", "/metrics", "/healthz"]
)
async def test_another_path_is_not_found(ingest: Ingest, path: str) -> None:
    answer = await ingest.call(path, method="GET")
    assert answer.status == 404
    assert answer.json["code"] == "not_found"
    assert answer.json["request_id"] == answer.headers["x-request-id"]


PATHS = {
    HEARTBEAT: [
        "//api/update-online-status",
        "/api//update-online-status",
        "/api/update-online-status/",
        "/API/Update-Online-Status",
        "///API///update-online-status//",
    ],
    LOGOUT: ["//api/logout-status", "/api/Logout-Status/"],
}


@pytest.mark.parametrize("path", [each for paths in PATHS.values() for each in paths])
async def test_H4_a_frozen_call_is_reached_however_its_slashes_and_capitals_are(
    ingest: Ingest, kafka_settings: KafkaSettings, path: str
) -> None:
    caller = f"Bearer {good_token(f'caller of {path}')}"
    answer = await ingest.call(f"{path}?device_id=d", b"", authorization=caller)
    assert (answer.status, answer.body) == (200, b'{"success": true}')
    [event] = await client_events(kafka_settings)
    assert isinstance(event, Logout if path in PATHS[LOGOUT] else Heartbeat)
    assert event.device_id == "d"
    assert (await ingest.call(path, method="GET")).status == 405
    allowed = await ingest.call(path, method="OPTIONS", origin="http://localhost:1")
    assert allowed.headers["access-control-allow-methods"] == "POST"


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("/update-online-status", HEARTBEAT),
        ("/api/v1/update-online-status", HEARTBEAT),
        ("/api/update_online_status", HEARTBEAT),
        ("/api/update-online-state", HEARTBEAT),
        ("/api/logoutstatus", LOGOUT),
        ("/ws", "/api/ws"),
    ],
)
async def test_H4_a_near_miss_is_told_the_right_path(ingest: Ingest, path: str, meant: str) -> None:
    answer = await ingest.call(path, authorization=bearer())
    assert (answer.status, answer.json["code"]) == (404, "not_found")
    assert answer.json["detail"] == f"Nothing is at this address. Did you mean {meant}?"


async def test_H4_a_call_at_the_wrong_port_is_told_so(ingest: Ingest) -> None:
    answer = await ingest.call("/api/online-users-count/", method="GET")
    assert answer.status == 404
    assert "Is the port right?" in answer.json["detail"]


async def test_a_page_of_an_allowed_origin_may_call(ingest: Ingest) -> None:
    origin = "http://localhost:5173"
    asked = await ingest.call(
        HEARTBEAT,
        method="OPTIONS",
        origin=origin,
        access_control_request_method="POST",
        access_control_request_headers="authorization,content-type",
    )
    assert asked.status == 204
    assert asked.headers["access-control-allow-origin"] == origin
    assert asked.headers["access-control-allow-methods"] == "POST"
    assert "authorization" in asked.headers["access-control-allow-headers"]
    for answer in (
        await beat(ingest, origin=origin),
        await beat(ingest, b"[]", origin=origin),
        await ingest.call(HEARTBEAT, origin=origin),
    ):
        assert answer.headers["access-control-allow-origin"] == origin
        assert "X-Request-ID" in answer.headers["access-control-expose-headers"]
        assert answer.headers["vary"] == "Origin"
        assert "access-control-allow-credentials" not in answer.headers


async def test_a_page_of_another_origin_gets_no_permission(ingest: Ingest) -> None:
    asked = await ingest.call(HEARTBEAT, method="OPTIONS", origin="https://evil.example")
    answer = await beat(ingest, origin="https://evil.example")
    assert answer.status == 200
    for headers in (asked.headers, answer.headers):
        assert not [name for name in headers if name.startswith("access-control")]
        assert headers["vary"] == "Origin"


async def test_the_phones_clock_only_feeds_a_histogram(ingest: Ingest) -> None:
    for sent_at in (time.time() + 86_400 * 30, "2001-01-01T00:00:00Z", "nonsense"):
        answer = await beat(ingest, json.dumps({"sent_at": sent_at}).encode())
        assert answer.status == 200
    assert ingest.metric("rollcall_ingest_clock_skew_seconds_count") == 2
    assert ingest.metric("rollcall_ingest_clock_skew_seconds_bucket", le="-86400.0") == 1
    assert ingest.metric("rollcall_ingest_clock_skew_seconds_bucket", le="86400.0") == 1


async def test_a_phone_that_leaves_in_the_middle_harms_nobody(ingest: Ingest) -> None:
    head = f"POST {HEARTBEAT} HTTP/1.1\r\nhost: x\r\nauthorization: {bearer()}\r\n"
    for sent in (b"", head.encode(), head.encode() + b"content-length: 100\r\n\r\n{"):
        _, writer = await asyncio.open_connection("127.0.0.1", ingest.port)
        writer.write(sent)
        await writer.drain()
        writer.close()
        await writer.wait_closed()
    assert (await beat(ingest)).status == 200


async def test_a_body_that_comes_by_and_by_is_not_waited_for(kafka_settings: KafkaSettings) -> None:
    settings = ingest_settings(kafka_settings, http_body_timeout_seconds=0.3)
    async with running_ingest(settings) as ingest:
        reader, writer = await asyncio.open_connection("127.0.0.1", ingest.port)
        head = f"POST {HEARTBEAT} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token()}\r\n"
        writer.write(head.encode() + b"content-length: 1000\r\n\r\n")
        # Not until the end: bytes that cross it make it a reset.
        received = asyncio.create_task(reader.readuntil(b"\r\n\r\n"))
        started = time.monotonic()
        while not received.done() and time.monotonic() - started < 60:
            writer.write(b" ")
            await asyncio.sleep(0.05)
        assert (await received).startswith(b"HTTP/1.1 400 ")
        assert ingest.metric("rollcall_ingest_http_timeouts_total", cause="body") == 1
        assert (await ingest.heartbeat()).status == 200
        writer.close()


async def one_is_accepted(ingest: Ingest) -> bool:
    """One whose head was there in time, on a machine that may be slow."""
    async with asyncio.timeout(60):
        while True:
            with suppress(OSError, EOFError):
                return (await ingest.heartbeat()).status == 200


async def test_a_head_that_comes_by_and_by_is_not_waited_for(kafka_settings: KafkaSettings) -> None:
    settings = ingest_settings(kafka_settings, http_head_timeout_seconds=0.3)
    async with running_ingest(settings) as ingest:
        reader, writer = await asyncio.open_connection("127.0.0.1", ingest.port)
        writer.write(f"POST {HEARTBEAT} HTTP/1.1\r\nhost: x\r\n".encode())
        async with asyncio.timeout(60):
            assert await reader.read() == b""
        assert ingest.metric("rollcall_ingest_http_timeouts_total", cause="head") == 1
        assert await one_is_accepted(ingest)
        writer.close()
