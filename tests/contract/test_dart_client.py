"""What Dart's ``http`` package sends for the guide's app, byte for byte, and what it gets.

The app calls ``http.post`` of the top-level library: a new connection for each call. ``dart:io``
writes lower-case header names; ``content-length`` is there on every POST, 0 on a logout. Its order
(a hash map's) is fixed for these names. Its bytes are in the field: these tests never change.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec
import pytest

from schemas.log.events import Heartbeat, Logout
from schemas.log.settings import KafkaSettings
from tests import guide_app
from tests.rigs.harness import (
    Answer,
    Ingest,
    client_events,
    ingest_settings,
    running_ingest,
    token,
)

JSON = b"content-type: application/json; charset=utf-8\r\n"
TOKEN = token("user-1", name="Zoë", sid="s-1")


@pytest.fixture
async def ingest(kafka_settings: KafkaSettings) -> AsyncIterator[Ingest]:
    async with running_ingest(ingest_settings(kafka_settings)) as running:
        yield running


def dart_post(path: bytes, body: bytes, *, content_type: bytes = JSON, port: int) -> bytes:
    return (
        b"POST " + path + b" HTTP/1.1\r\n"
        b"user-agent: Dart/3.5 (dart:io)\r\n"
        b"accept-encoding: gzip\r\n"
        + content_type
        + b"authorization: Bearer "
        + TOKEN.encode()
        + b"\r\n"
        + b"content-length: %d\r\n" % len(body)
        + b"host: 10.0.2.2:%d\r\n\r\n" % port
    ) + body


def heartbeat(ingest: Ingest, body: bytes) -> bytes:
    return dart_post(b"/api/update-online-status", body, port=ingest.port)


def assert_success(answer: Answer) -> None:
    assert answer.status == 200
    assert answer.body == b'{"success": true}'
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["content-length"] == "17"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-request-id"]
    assert "x-rollcall-warning" not in answer.headers
    # `accept-encoding: gzip` is an offer that seventeen bytes do not need.
    assert "content-encoding" not in answer.headers


async def test_a_heartbeat_with_all_fields(ingest: Ingest, kafka_settings: KafkaSettings) -> None:
    body = (
        b'{"app_version":"1.0.0","device_info":"iPhone 14 Pro, iOS 17.4",'
        b'"screen":"HomeScreen","app_state":"foreground"}'
    )
    answer = await ingest.send(heartbeat(ingest, body))
    assert_success(answer)
    assert answer.headers["x-heartbeat-interval-seconds"] == "90"
    assert await client_events(kafka_settings) == [
        Heartbeat(
            user="user-1",
            token="sid:s-1",
            name="Zoë",
            claimed_device="s-1",
            device_info="iPhone 14 Pro, iOS 17.4",
            app_version="1.0.0",
            screen="HomeScreen",
            app_state="foreground",
        )
    ]


async def test_what_the_guides_app_sends_is_logged_as_it_was_meant(
    ingest: Ingest, kafka_settings: KafkaSettings
) -> None:
    """Start, timer and resume; navigation; pause; logout."""
    for body in guide_app.BODIES:
        assert_success(await ingest.send(heartbeat(ingest, body)))
    logout = dart_post(b"/api/logout-status", b"", port=ingest.port)
    assert_success(await ingest.send(logout))
    who = {"user": "user-1", "token": "sid:s-1", "claimed_device": "s-1"}
    *beats, out = await client_events(kafka_settings)
    assert beats == [guide_app.event_of(body, name="Zoë", **who) for body in guide_app.BODIES]
    assert isinstance(out, Logout)
    assert msgspec.structs.replace(out, token_expires_ms=None) == guide_app.logout_of(**who)


@pytest.mark.parametrize(
    ("body", "screen"),
    [
        (b'{"screen":"background"}', "background"),
        (b'{"screen":"Unknown"}', "Unknown"),
        ('{"screen":"Küche"}'.encode(), "Küche"),
        (b'{"screen":null}', None),
        (b"{}", None),
        (b"", None),
    ],
)
async def test_a_heartbeat_is_logged_as_it_was_meant(
    ingest: Ingest, kafka_settings: KafkaSettings, body: bytes, screen: str | None
) -> None:
    """What `background` and `Unknown` mean is decided by the processor alone."""
    assert_success(await ingest.send(heartbeat(ingest, body)))
    [event] = await client_events(kafka_settings)
    assert isinstance(event, Heartbeat)
    assert event.screen == screen


async def test_head_and_body_may_come_apart(ingest: Ingest, kafka_settings: KafkaSettings) -> None:
    request = heartbeat(ingest, b'{"screen":"Cart"}')
    head, body = request[:-17], request[-17:]
    assert_success(await ingest.send(head[:40], head[40:], body[:3], body[3:]))
    [event] = await client_events(kafka_settings)
    assert isinstance(event, Heartbeat)
    assert event.screen == "Cart"


@pytest.mark.parametrize("content_type", [JSON, b""])
async def test_a_logout_has_no_body(
    ingest: Ingest, kafka_settings: KafkaSettings, content_type: bytes
) -> None:
    answer = await ingest.send(
        dart_post(b"/api/logout-status", b"", content_type=content_type, port=ingest.port)
    )
    assert_success(answer)
    [event] = await client_events(kafka_settings)
    assert isinstance(event, Logout)
    assert (event.user, event.token, event.device_id) == ("user-1", "sid:s-1", None)
    assert event.claimed_device == "s-1"


async def test_a_logout_may_name_its_device(ingest: Ingest, kafka_settings: KafkaSettings) -> None:
    request = dart_post(b"/api/logout-status", b'{"device_id":"d-1"}', port=ingest.port)
    assert_success(await ingest.send(request))
    [event] = await client_events(kafka_settings)
    assert event.device_id == "d-1"


async def test_calls_of_one_phone_are_logged_in_their_order(
    ingest: Ingest, kafka_settings: KafkaSettings
) -> None:
    bodies = [b'{"screen":"%d"}' % number for number in range(5)]
    for body in bodies:
        assert_success(await ingest.send(heartbeat(ingest, body)))
    assert_success(await ingest.send(dart_post(b"/api/logout-status", b"", port=ingest.port)))
    events = await client_events(kafka_settings)
    assert [e.screen if isinstance(e, Heartbeat) else "out" for e in events] == [
        *("0", "1", "2", "3", "4"),
        "out",
    ]
