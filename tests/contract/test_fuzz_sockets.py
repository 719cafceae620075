"""Sockets as strangers might use them: frames of any JSON, and bytes that are hardly WebSocket."""

from __future__ import annotations

import asyncio
import contextlib
import json
import struct
from collections import Counter
from typing import Any, Final

from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Opcode

from ingest.socket.actions import BINARY, LOGGED_OUT, NORMAL, NOT_AUTHENTICATED, READER_CODES
from ingest.socket.frames import ERROR_CODES
from tests.contract.fuzzing import (
    ANYTHING,
    BODIES,
    FIELDS,
    GOOD_TOKEN,
    SIGNED,
    Watch,
    examples,
    json_text,
    mangled,
)
from tests.contract.raw_socket import RawSocket
from tests.rigs.harness import DEADLINE_SECONDS

#: What is not there by then is not coming: the server waits for more.
QUIET_SECONDS: Final = 0.02
TOO_LONG: Final = 1009
_ANSWERS: Final = {
    "welcome": {
        "type",
        "heartbeat_interval_seconds",
        "offline_after_seconds",
        "ping_interval_seconds",
        "max_silent_foreground_seconds",
    },
    "ack": {"type", "id", "warning"},
    "error": {"type", "id", "code", "message"},
}

# -- frames

IDS: Final = st.one_of(
    st.integers(-3, 3), st.text("ab", max_size=2), st.sampled_from(["x" * 65, 2**53 + 1]), ANYTHING
)
TYPES: Final = st.sampled_from(["heartbeat", "heartbeat", "auth", "logout", "", "x"]) | ANYTHING
FRAMES: Final = st.one_of(
    st.fixed_dictionaries({"type": st.just("auth"), "token": SIGNED}, optional={"id": IDS}),
    st.fixed_dictionaries(
        {}, optional={"type": TYPES, "id": IDS, "token": SIGNED | ANYTHING, **FIELDS}
    ),
)
VALUES: Final = st.one_of(FRAMES, st.lists(FRAMES | ANYTHING, max_size=5), ANYTHING)
NO_JSON: Final = BODIES.flatmap(
    lambda body: mangled(json_text(body).encode(), (b"{", b"}", b'"', b"\\ud800", b",", b"[", b"]"))
).map(lambda text: text.decode(errors="ignore"))


@given(
    authenticated=st.booleans(),
    values=st.lists(VALUES, max_size=4),
    texts=st.lists(NO_JSON, max_size=2),
)
@examples(60)
async def test_every_frame_with_an_id_is_answered_once(
    watch: Watch, authenticated: bool, values: list[Any], texts: list[str]
) -> None:
    socket = await RawSocket.open(
        watch.ingest, authorization=f"Bearer {GOOD_TOKEN}" if authenticated else ""
    )
    for text in [*texts, *map(json_text, values), '{"type": "the last", "id": "the last"}']:
        socket.send(text.encode())
    answers, code = await conversation(socket)
    socket.end()
    assert code in (None, LOGGED_OUT, NOT_AUTHENTICATED, TOO_LONG)
    for answer in answers:
        assert answer.keys() <= _ANSWERS[answer["type"]], answer
        assert answer.get("code", "bad_json") in ERROR_CODES, answer
    if code is None:
        asked = Counter(each for value in values for each in usable_ids(value))
        answered = Counter(answer["id"] for answer in answers if answer.get("id") is not None)
        assert answered - Counter({"the last": 1}) == asked
    await watch.until_at_rest()


async def conversation(socket: RawSocket) -> tuple[list[dict[str, Any]], int | None]:
    """The answers up to that to ``the last``, or up to the close, and its code."""
    answers: list[dict[str, Any]] = []
    async with asyncio.timeout(DEADLINE_SECONDS):
        async for opcode, payload in socket.frames():
            if opcode == Opcode.CLOSE:
                return answers, struct.unpack("!H", payload[:2])[0]
            if opcode == Opcode.TEXT:
                answers.append(json.loads(payload))
                if answers[-1].get("id") == "the last":
                    return answers, None
    raise AssertionError("the connection ended without a close frame")


def usable_ids(value: Any) -> list[Any]:
    """The ids in a message of at most 100 frames that design, section 4, lets a frame have."""
    frames = value if isinstance(value, list) else [value]
    ids = [frame.get("id") for frame in frames if isinstance(frame, dict)]
    try:
        json.dumps(value, allow_nan=False)
    except ValueError:
        return []  # no JSON: the message is answered as a whole
    return [
        each
        for each in ids
        if (isinstance(each, str) and len(each) <= 64 and each.isascii())
        or (type(each) is int and abs(each) <= 2**53)
    ]


# -- bytes


@st.composite
def wire_frames(draw: st.DrawFn) -> bytes:
    """A frame by RFC 6455, section 5.2, or nearly so: any opcode and reserved bits, any fragment,
    masked or not, its length told in any way and not always truly."""
    payload = draw(
        st.one_of(
            FRAMES.map(lambda frame: json_text(frame).encode()),
            st.binary(max_size=140),
            st.integers(0, 0xFFFF).map(lambda code: struct.pack("!H", code)),
            st.sampled_from([b"\xff", b"x" * 16_384, b"\xed\xa0\x80", b"{" * 200]),
        )
    )
    opcode = draw(st.sampled_from([0, 1, 1, 1, 2, 8, 9, 9, 10, 10]) | st.integers(0, 15))
    first = opcode | draw(st.sampled_from([0x80, 0x80, 0x80, 0])) | draw(_RESERVED)
    masked = draw(st.sampled_from([True, True, True, False]))
    told = len(payload) + draw(st.sampled_from([0] * 12 + [1, -1, 10, 70_000, 2**62]))
    told = max(0, told)
    smallest = 0 if told < 126 else 1 if told < 1 << 16 else 2
    width = draw(st.integers(smallest, 2)) if draw(st.integers(0, 5)) == 0 else smallest
    length = [told, 126, 127][width]
    head = bytes([first, length | (0x80 if masked else 0)])
    head += b"" if width == 0 else struct.pack("!H" if width == 1 else "!Q", told)
    if not masked:
        return head + payload
    mask = draw(st.binary(min_size=4, max_size=4))
    return head + mask + bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))


_RESERVED: Final = st.sampled_from([0] * 9 + [0x40, 0x20, 0x10])


@given(
    authenticated=st.booleans(),
    parts=st.lists(st.one_of(wire_frames(), wire_frames(), st.binary(max_size=20)), max_size=8),
    cut=st.integers(0, 200),
)
@examples(60)
async def test_any_bytes_on_a_socket_are_survived(
    watch: Watch, authenticated: bool, parts: list[bytes], cut: int
) -> None:
    socket = await RawSocket.open(
        watch.ingest, authorization=f"Bearer {GOOD_TOKEN}" if authenticated else ""
    )
    sent = b"".join(parts)
    for part in (sent[:cut], sent[cut:]):
        socket.write(part)
        await asyncio.sleep(0)
    code = None
    frames = socket.frames()
    with contextlib.suppress(TimeoutError, StopAsyncIteration):
        while True:
            opcode, payload = await asyncio.wait_for(anext(frames), QUIET_SECONDS)
            if opcode == Opcode.TEXT:
                assert json.loads(payload)["type"] in _ANSWERS
            elif opcode == Opcode.CLOSE:
                [code] = struct.unpack("!H", payload[:2])
            else:
                assert opcode == Opcode.PONG
    socket.end()
    assert code in (None, NORMAL, BINARY, *READER_CODES, LOGGED_OUT, NOT_AUTHENTICATED)
    await watch.until_at_rest()
