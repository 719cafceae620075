"""Frames that a client did not mask, wherever the network cuts them (RFC 6455, section 5.1)."""

from __future__ import annotations

import pytest
from websockets.frames import Frame, Opcode

from schemas.http.frame_masks import FrameMasks

#: Lengths told in 7, 16 and 64 bits, and none at all.
SIZES = [0, 5, 125, 126, 300, 65_536]


def text(size: int, *, mask: bool = True) -> bytes:
    return Frame(Opcode.TEXT, b"x" * size).serialize(mask=mask)


def read(*chunks: bytes) -> tuple[bytes, bool]:
    masks = FrameMasks()
    return b"".join(masks.readable(chunk) for chunk in chunks), masks.failed


def cuts(data: bytes) -> list[int]:
    """Everywhere in what is short; else around the ends, where the heads are."""
    return list(range(len(data))) if len(data) < 2000 else [*range(40), *range(-40, 0)]


@pytest.mark.parametrize("size", SIZES)
def test_masked_frames_are_read_whole_wherever_they_are_cut(size: int) -> None:
    sent = text(size) + text(3)
    for cut in cuts(sent):
        assert read(sent[:cut], sent[cut:]) == (sent, False), cut


@pytest.mark.parametrize("size", SIZES)
def test_of_an_unmasked_frame_nothing_is_read_wherever_it_is_cut(size: int) -> None:
    good = text(size)
    sent = good + text(3, mask=False) + text(4)
    for cut in cuts(sent):
        assert read(sent[:cut], sent[cut:]) == (good, True), cut


def test_a_frame_that_comes_a_byte_at_a_time_is_read_as_it_comes() -> None:
    sent = text(300) + text(65_536) + text(2)
    assert read(*(sent[at : at + 1] for at in range(len(sent)))) == (sent, False)
    bad = text(7) + text(300, mask=False)
    assert read(*(bad[at : at + 1] for at in range(len(bad)))) == (bad[:13], True)


def test_what_waits_is_one_byte_at_most() -> None:
    """A reader refuses a head by its first two bytes: it must not wait for the others."""
    sent = text(65_536)
    masks = FrameMasks()
    assert masks.readable(sent[:1]) == b""
    assert masks.readable(b"") == b""
    assert masks.readable(sent[1:2]) == sent[:2]
    for at in range(2, 16):
        assert masks.readable(sent[at : at + 1]) == sent[at : at + 1]
    assert FrameMasks().readable(b"\xff\xff\xff\xff") == b"\xff\xff\xff\xff"


def test_a_payload_that_looks_like_an_unmasked_frame_is_a_payload() -> None:
    payload = text(3, mask=False) * 50
    sent = Frame(Opcode.BINARY, payload).serialize(mask=True)
    # Masked with zeros: the payload is on the wire as it is.
    sent = sent[:4] + bytes(4) + payload
    assert read(sent) == (sent, False)


def test_a_length_beyond_all_that_comes_is_left_to_the_reader() -> None:
    sent = b"\x81\xff" + (2**63 - 1).to_bytes(8, "big") + b"mask"
    assert read(sent, b"\x81\x00" * 100) == (sent + b"\x81\x00" * 100, False)


@pytest.mark.parametrize("size", SIZES)
def test_it_knows_when_all_that_came_is_whole_messages(size: int) -> None:
    parts = [
        Frame(Opcode.TEXT, b"x" * size, fin=False).serialize(mask=True),
        Frame(Opcode.PING, b"p").serialize(mask=True),
        Frame(Opcode.CONT, b"y" * size).serialize(mask=True),
    ]
    masks = FrameMasks()
    assert masks.between_messages
    for number, part in enumerate(parts):
        for cut in range(min(len(part), 20)):
            masks.readable(part[cut : cut + 1])
            assert not masks.between_messages or cut == len(part) - 1
        masks.readable(part[20:])
        assert masks.between_messages == (number == 2)
