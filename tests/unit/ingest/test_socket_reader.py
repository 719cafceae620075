"""From bytes to messages by a reader that sockets share, and the bytes that we send."""

from __future__ import annotations

import hashlib
import inspect
from typing import cast

import pytest
from aiohttp import WebSocketError, WSMessage, web
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from ingest.socket import handshake, wire
from ingest.socket.reader import Read, SharedReaders, SocketReader

MOST_BYTES = 100


def told(read: list[Read]) -> list[object]:
    return [
        each.code if isinstance(each, WebSocketError) else cast(WSMessage, each).data
        for each in read
    ]


def text(payload: bytes, *, fin: bool = True, opcode: Opcode = Opcode.TEXT) -> bytes:
    return Frame(opcode, payload, fin=fin).serialize(mask=True)


@given(
    st.lists(st.lists(st.binary(max_size=6).map(bytes.hex), min_size=1, max_size=3), max_size=4),
    st.lists(st.integers(1, 7), max_size=40),
)
async def test_two_that_talk_by_turns_are_told_apart(
    messages: list[list[str]], cuts: list[int]
) -> None:
    """Whatever is in fragments, and wherever the network cuts them."""
    shared = SharedReaders(MOST_BYTES)
    sockets = [SocketReader(shared, compressed=False) for _ in range(2)]
    sent = b"".join(
        text(
            part.encode(),
            fin=number == len(parts) - 1,
            opcode=Opcode.CONT if number else Opcode.TEXT,
        )
        for parts in messages
        for number, part in enumerate(parts)
    )
    read: list[list[object]] = [[], []]
    rest = [sent, sent]
    for size in [*cuts, len(sent)]:
        for number, socket in enumerate(sockets):
            piece, rest[number] = rest[number][:size], rest[number][size:]
            if piece:
                read[number] += told(socket.read(piece))
    expected = ["".join(parts) for parts in messages]
    assert read == [expected, expected]
    assert all(socket.between_messages for socket in sockets)


async def test_a_reader_that_has_refused_is_lent_to_nobody() -> None:
    shared = SharedReaders(MOST_BYTES)
    bad, good = (SocketReader(shared, compressed=False) for _ in range(2))
    assert told(good.read(text(b"a"))) == ["a"]
    assert told(bad.read(text(b"b") + text(b"\xff"))) == ["b", 1007]
    assert told(good.read(text(b"c"))) == ["c"]


@pytest.mark.parametrize("size", [MOST_BYTES, MOST_BYTES + 1])
async def test_a_message_may_have_as_many_bytes_as_it_may(size: int) -> None:
    socket = SocketReader(SharedReaders(MOST_BYTES), compressed=False)
    expected: list[object] = ["x" * size] if size <= MOST_BYTES else [1009]
    assert told(socket.read(text(b"x" * size))) == expected


async def test_after_a_frame_without_a_mask_nothing_is_read() -> None:
    socket = SocketReader(SharedReaders(MOST_BYTES), compressed=False)
    bare = Frame(Opcode.TEXT, b"bare").serialize(mask=False)
    assert told(socket.read(text(b"a") + bare + text(b"b"))) == ["a", 1002]
    assert socket.read(text(b"c")) == []
    assert not socket.between_messages


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536])
def test_our_frames_are_those_of_another_library(size: int) -> None:
    payload = b"x" * size
    assert wire.text_frame(payload) == Frame(Opcode.TEXT, payload).serialize(mask=False)


def test_our_control_frames_too() -> None:
    assert Frame(Opcode.PING, b"").serialize(mask=False) == wire.PING
    assert wire.pong_frame(b"there?") == Frame(Opcode.PONG, b"there?").serialize(mask=False)
    close = Frame(Opcode.CLOSE, b"\x10\x68no").serialize(mask=False)
    assert wire.close_frame(4200, "no") == close
    pong = Frame(Opcode.PONG, b"").serialize(mask=True)
    assert (pong[:2], len(pong)) == (wire.PONG_HEAD, wire.PONG_BYTES)


@pytest.mark.parametrize("function", handshake.REPLACED)
def test_the_function_that_is_replaced_is_the_one_that_was_read(function: str) -> None:
    """Read aiohttp's new one, bring ``handshake.py`` in line, then note its digest."""
    source = inspect.getsource(getattr(web.WebSocketResponse, function))
    assert hashlib.sha256(source.encode()).hexdigest() == handshake.REPLACED[function]
