"""What is known of a head is what aiohttp's parser says of it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http import HttpProcessingError
from aiohttp.http_parser import HttpRequestParser
from hypothesis import given
from hypothesis import strategies as st

from schemas.http.known_heads import MOST, KnownHeads, UsualCall, ends_so

LIMIT_BYTES = 1024
BODY = b'{"screen": "Home"}'
TOKEN = b"eyJh.bGci-O_i=="


def request(
    *more: bytes, token: bytes = TOKEN, body: bytes = BODY, name: bytes = b"authorization"
) -> bytes:
    lines = [
        b"POST /call HTTP/1.1",
        b"host: x",
        b"%b: Bearer %b" % (name, token),
        b"content-type: application/json",
        b"content-length: %d" % len(body),
        *more,
    ]
    return b"\r\n".join([*lines, b"", b""]) + body


def parsed(data: bytes) -> UsualCall | None:
    """As the parser has it: one message that is all there, and nothing behind it."""
    loop = asyncio.new_event_loop()
    try:
        protocol = BaseProtocol(loop)
        parser = HttpRequestParser(
            protocol, loop, 2**16, max_field_size=LIMIT_BYTES, auto_decompress=False
        )
        try:
            messages, upgraded, tail = parser.feed_data(data)
            if len(messages) != 1 or not messages[0][1].is_eof() or upgraded or tail:
                return None
            behind, _, _ = parser.feed_data(b"GET /end HTTP/1.1\r\nHost: x\r\n\r\n")
            if len(behind) != 1 or behind[0][0].path != "/end":
                return None
        except HttpProcessingError:
            return None
        message, payload = messages[0]
        said: Any = message.headers.get
        body = b"".join(payload._buffer) if payload.total_bytes else b""
        return UsualCall(
            message.path,
            said("Authorization"),
            said("Content-Type"),
            said("X-Request-ID"),
            message.should_close,
            body,
        )
    finally:
        loop.close()


def knowing(*learned: bytes) -> KnownHeads:
    heads = KnownHeads(LIMIT_BYTES)
    for data in learned:
        call = parsed(data)
        assert call is not None
        assert ends_so(data, len(call.body))
        heads.learn(data, call)
    return heads


FORWARDED = b"X-Forwarded-For: 192.0.2.1, 10.0.0.1"
HEADS: list[tuple[bytes, ...]] = [
    (),
    (b"X-Request-ID: a-1",),
    (b"x-request-id: a-1", FORWARDED),
    (FORWARDED,),
]


@pytest.mark.parametrize("more", HEADS)
def test_a_head_is_known_with_another_token_body_and_values(more: tuple[bytes, ...]) -> None:
    heads = knowing(request(*more))
    other = [
        each.replace(b"a-1", b"trace/77").replace(b"192.0.2.1", b"2001:db8::1") for each in more
    ]
    data = request(*other, token=b"x" * 300, body=b"0" * len(BODY))
    call = heads.call(data)
    assert call is not None
    assert call == parsed(data)


@pytest.mark.parametrize(
    "data",
    [
        request(body=BODY + b" "),
        request(token=b""),
        request(token=b"a b"),
        request(token=b"a,b"),
        request(token=b"a\0b"),
        request(token="ä".encode()),
        request(token=b"x" * LIMIT_BYTES),
        request(b"X-Request-ID:"),
        request(b"X-Request-ID: \0"),
        request(b"X-Request-ID: a\tb"),
        request(b"X-Request-ID: " + b"x" * LIMIT_BYTES),
        request(b"X-Request-ID: 1", b"x-request-id: 2"),
        request(b"X-Request-ID:\0", b"X-Forwarded-For: 1.2.3.4"),
        request(b"Expect: 100-continue"),
        request(name=b"Authorization"),
        b"\r\n" + request(),
        request()[:-1],
        request() + b"\r\n",
        request() + request(),
        b"",
        b"\r\n\r\n",
        b"P" * 10_000,
    ],
)
def test_what_differs_otherwise_is_for_the_parser(data: bytes) -> None:
    assert knowing(request(), *(request(*more) for more in HEADS)).call(data) is None


def test_a_head_whose_parts_do_not_say_what_was_parsed_is_not_learned() -> None:
    odd = [
        request(b"Authorization: Bearer y").replace(b"authorization: Bearer", b"X-A: Bearer"),
        request().replace(b": Bearer ", b": Bearer   "),
        request().replace(b"authorization: Bearer", b"authorization: Basic"),
        request(b'X-Request-ID: a\xff"'),
    ]
    heads = KnownHeads(LIMIT_BYTES)
    for data in odd:
        call = parsed(data)
        assert call is not None
        heads.learn(data, call)
        assert heads.call(data) in (None, call)


def test_a_bounded_number_is_kept() -> None:
    heads = KnownHeads(LIMIT_BYTES)
    for number in range(MOST + 5):
        data = request(b"X-Trace: %d" % number)
        heads.learn(data, UsualCall("/call", f"Bearer {TOKEN.decode()}", None, None, False, BODY))
    assert len(heads) == MOST
    assert heads.call(request(b"X-Trace: 4")) is None
    assert heads.call(request(b"X-Trace: 5")) is not None


PIECES = st.sampled_from(
    [b"\r\n", b"\r\n\r\n", b"\0", b" ", b":", b"x", b"X-Request-ID: ", b"authorization: Bearer "]
)


@given(
    st.sampled_from(HEADS),
    st.lists(st.tuples(st.integers(0, 300), st.integers(0, 3), PIECES | st.binary(max_size=3))),
)
def test_whatever_is_sent_is_what_the_parser_says(
    more: tuple[bytes, ...], changes: list[tuple[int, int, bytes]]
) -> None:
    data = request(*more)
    for at, less, piece in changes:
        data = data[:at] + piece + data[at + less :]
    call = knowing(*(request(*each) for each in HEADS)).call(data)
    assert call is None or call == parsed(data)
