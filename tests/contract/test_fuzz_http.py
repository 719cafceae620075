"""HTTP as strangers might speak it: no fault of ours, no growth, and an answer of the closed table
to whatever is HTTP at all."""

from __future__ import annotations

import asyncio
import contextlib
import zlib
from collections.abc import Iterator
from typing import Final

from hypothesis import given
from hypothesis import strategies as st

from tests.contract.fuzzing import (
    ANYTHING,
    BODIES,
    GOOD_TOKEN,
    SIGNED,
    Watch,
    assert_ours,
    examples,
    json_text,
    mangled,
)
from tests.rigs.harness import (
    DEADLINE_SECONDS,
    Answer,
    Ingest,
)

#: An answer that is not there by then is one that waits for more of the request.
QUIET_SECONDS: Final = 0.02


# -- requests that are well-formed, whatever they say

PATHS: Final = st.one_of(
    st.sampled_from(
        [
            "/api/update-online-status",
            "/api/update-online-status",
            "/api/logout-status",
            "/api/ws",
            "/api/online-users-count",
            "/api/update-online-status/",
            "//",
            "/%",
            "/%00",
            "/%ff%fe?%=%",
            "/../api/ws",
            "*",
            "http://[::1/",
            "http://elsewhere.example/api/ws",
        ]
    ),
    st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=30).map("/".__add__),
)
METHODS: Final = st.one_of(
    st.sampled_from(["POST", "POST", "POST", "GET", "OPTIONS", "PUT", "DELETE", "PATCH", "TRACE"]),
    st.text("ABCDEFGXYZ", min_size=1, max_size=8),
)
#: Field values (RFC 9110, section 5.5): printable, or of any other encoding than ours.
VALUES: Final = st.one_of(
    st.binary(max_size=30),
    st.text(max_size=12).map(str.encode),
    st.sampled_from([b"x" * 8000, b",", b"*", b";" * 50, b"\xff", "é".encode("latin-1")]),
).map(lambda value: bytes(b for b in value if b > 31 and b != 127).strip())
AUTHORIZATION: Final = st.one_of(
    st.just(b"Bearer " + GOOD_TOKEN.encode()),
    SIGNED.map(lambda token: b"Bearer " + token.encode()),
    st.builds(bytes.__add__, st.sampled_from([b"Bearer ", b"bearer  ", b"Basic ", b""]), VALUES),
    mangled(GOOD_TOKEN.encode(), (b".", b"..", b"e30", b"=", b"\xff")).map(
        lambda token: b"Bearer " + bytes(b for b in token if 32 < b != 127)
    ),
)
_ORIGINS = [b"https://app.example.com", b"http://localhost:1", b"null", b"HTTPS://APP.EXAMPLE.COM"]
_ADDRESSES = [b"unknown", b"1.2.3.4", b"[::1]:5", b"::ffff:1.2.3.4, 127.0.0.1", b"fe80::1%eth0"]
HEADERS: Final = st.lists(
    st.one_of(
        st.tuples(st.just(b"Content-Type"), st.sampled_from([b"application/json", b";"]) | VALUES),
        st.tuples(st.just(b"Content-Encoding"), st.sampled_from([b"gzip", b"br"]) | VALUES),
        st.tuples(st.just(b"Origin"), st.sampled_from(_ORIGINS) | VALUES),
        st.tuples(st.just(b"X-Request-ID"), st.sampled_from([b"a-1", b"a b"]) | VALUES),
        st.tuples(st.just(b"X-Forwarded-For"), st.sampled_from(_ADDRESSES) | VALUES),
        st.tuples(st.just(b"Expect"), st.sampled_from([b"100-continue", b"200-ok"]) | VALUES),
        st.tuples(st.just(b"Upgrade"), st.sampled_from([b"websocket", b"h2c", b"tcp"]) | VALUES),
        st.tuples(st.just(b"Connection"), st.sampled_from([b"Upgrade", b"close"]) | VALUES),
        st.tuples(st.just(b"Sec-WebSocket-Version"), st.sampled_from([b"13", b"8"]) | VALUES),
        st.tuples(
            st.just(b"Sec-WebSocket-Key"),
            st.sampled_from([b"AAAAAAAAAAAAAAAAAAAAAA==", b"=", b"AAAA"]) | VALUES,
        ),
        st.tuples(st.just(b"Sec-WebSocket-Protocol"), VALUES),
        st.tuples(st.just(b"Sec-WebSocket-Extensions"), st.just(b"permessage-deflate") | VALUES),
        st.tuples(st.sampled_from([b"Accept", b"Cookie", b"Range", b"If-Match", b"Date"]), VALUES),
    ),
    max_size=5,
)
#: What opens a socket, if nothing of it is replaced.
HANDSHAKE: Final = {
    b"Connection": b"Upgrade",
    b"Upgrade": b"websocket",
    b"Sec-WebSocket-Version": b"13",
    b"Sec-WebSocket-Key": b"AAAAAAAAAAAAAAAAAAAAAA==",
}
HANDSHAKES: Final = st.dictionaries(st.sampled_from(sorted(HANDSHAKE)), VALUES, max_size=2).map(
    lambda replaced: list({**HANDSHAKE, **replaced}.items())
)
CONTENT: Final = st.one_of(
    st.just(b""),
    BODIES.map(lambda body: json_text(body).encode()),
    ANYTHING.map(lambda value: json_text(value).encode()),
    BODIES.flatmap(lambda body: mangled(json_text(body).encode(), (b"\xff", b"{", b'"', b"\\u"))),
    BODIES.map(lambda body: zlib.compress(json_text(body).encode(), wbits=31)),
    st.sampled_from([b"[" * 16_000, b" " * 16_385, b"1" * 16_000, zlib.compress(bytes(10**7))]),
    st.binary(max_size=50),
)


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """The bytes of a request that keeps to RFC 9112."""
    method, path, headers = draw(METHODS), draw(PATHS), draw(HEADERS)
    if draw(st.booleans()):
        headers.append((b"Authorization", draw(AUTHORIZATION)))
    if draw(st.integers(0, 3)) == 0:
        method, path = "GET", "/api/ws"
        headers = draw(HANDSHAKES) + headers
    body = draw(CONTENT)
    if draw(st.booleans()):
        headers.append((b"Content-Length", str(len(body)).encode()))
    else:
        headers.append((b"Transfer-Encoding", b"chunked"))
        size = draw(st.integers(1, 20_000))
        chunks = [body[start : start + size] for start in range(0, len(body), size)]
        body = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in [*chunks, b""])
    lines = [name + b": " + value for name, value in headers]
    return b"\r\n".join([f"{method} {path} HTTP/1.1".encode(), b"Host: x", *lines, b"", body])


@given(request=requests())
@examples(90)
async def test_every_request_is_answered_from_the_closed_tables(
    watch: Watch, request: bytes
) -> None:
    answer = await first_answer(watch.ingest, request)
    if answer.status != 101:
        assert_ours(answer)
    await watch.until_at_rest()


async def first_answer(ingest: Ingest, request: bytes) -> Answer:
    """The final answer to a request, or the one that switches protocols."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        reader, writer = await asyncio.open_connection("127.0.0.1", ingest.port)
        try:
            writer.write(request)
            status = 100
            while status == 100:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                status, headers = parsed(head)
            if status in (101, 204):
                return Answer(status, headers, b"")
            body = await reader.readexactly(int(headers["content-length"]))
            return Answer(status, headers, body)
        finally:
            writer.transport.abort()


def parsed(head: str) -> tuple[int, dict[str, str]]:
    """Status and headers of an answer's head."""
    first, *lines = head.removesuffix("\r\n\r\n").split("\r\n")
    version, status, _reason = first.split(" ", 2)
    assert version in ("HTTP/1.1", "HTTP/1.0")
    return int(status), {name.lower(): value for name, value in (h.split(": ", 1) for h in lines)}


# -- bytes

PIECES: Final = (
    *(b"\r\n", b"\n", b"\r", b"\x00", b"\xff", b" ", b": ", b"\t", b"\r\n ", b"\r\n\r\n"),
    *(b"\r\nTransfer-Encoding: chunked", b"\r\nTransfer-Encoding: gzip, chunked"),
    *(b"\r\nTransfer-Encoding: \x0bchunked", b"\r\nTransfer-Encoding: identity"),
    *(b"\r\nContent-Length: 5", b"\r\nContent-Length: -1", b"\r\nContent-Length: +5"),
    *(b"\r\nContent-Length: 1e3", b"\r\nContent-Length: 9" + b"9" * 30, b"\r\nContent-Length:"),
    *(b"\r\nContent-Encoding: gzip", b"\r\nExpect: 100-continue", b"\r\nConnection: close"),
    *(b"HTTP/1.0", b"HTTP/2.0", b"HTTP/9", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"CONNECT x:1"),
    *(b"\r\nx: " + b"y" * 9000, b"/" + b"a" * 9000, b"\r\na: b" * 200),
    *(b"5\r\n", b"0\r\n\r\n", b"ffffffffffffffffff\r\n", b"-1\r\n", b"5;" + b"x" * 9000),
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
)


@given(
    conversation=st.one_of(
        requests().flatmap(lambda request: mangled(request, PIECES)),
        st.lists(st.sampled_from(PIECES) | st.binary(max_size=30), max_size=6).map(b"".join),
        st.lists(requests(), min_size=2, max_size=4).map(b"".join),
    ),
    cut=st.integers(0, 400),
)
@examples(50)
async def test_any_bytes_are_survived(watch: Watch, conversation: bytes, cut: int) -> None:
    ingest = watch.ingest
    async with asyncio.timeout(DEADLINE_SECONDS):
        reader, writer = await asyncio.open_connection("127.0.0.1", ingest.port)
        received = b""
        with contextlib.suppress(ConnectionError):
            for part in (conversation[:cut], conversation[cut:]):
                writer.write(part)
                await asyncio.sleep(0)
            with contextlib.suppress(TimeoutError):
                while data := await asyncio.wait_for(reader.read(65_536), QUIET_SECONDS):
                    received += data
        writer.transport.abort()
    for answer in answers(received):
        assert_ours(answer)
    assert (await ingest.heartbeat(user="somebody else")).status == 200
    await watch.until_at_rest()


def answers(received: bytes) -> Iterator[Answer]:
    """The complete answers, up to one that switches protocols."""
    while b"\r\n\r\n" in received:
        head, received = received.split(b"\r\n\r\n", 1)
        status, headers = parsed(head.decode())
        if status == 101:
            return
        length = int(headers.get("content-length", 0))
        if length > len(received):
            return
        if status != 100:
            yield Answer(status, headers, received[:length])
        received = received[length:]
