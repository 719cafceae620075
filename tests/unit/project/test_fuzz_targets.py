"""What ``make fuzz`` hunts for holds for the inputs that are kept, and can fail (tests/fuzz)."""

from __future__ import annotations

import msgspec
import pytest

from api.signing.cursor import decode_cursor
from ingest.body import validate
from schemas.log import events
from tests.fuzz import phones, readers
from tests.fuzz.__main__ import KEPT_BYTES
from tests.fuzz.targets import TARGETS, kept


@pytest.mark.parametrize("name", TARGETS)
def test_what_was_found_before_breaks_no_promise(name: str) -> None:
    inputs = kept(name)
    assert 0 < sum(map(len, inputs)) <= KEPT_BYTES
    for data in inputs:
        TARGETS[name](data)


def test_a_name_that_is_not_cut_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(phones, "_READER", validate.BodyReader())
    monkeypatch.setattr(phones, "MAX_TEXT", {**events.MAX_TEXT})
    monkeypatch.setitem(events.MAX_TEXT, "screen", 1_000)
    with pytest.raises(AssertionError, match="screen"):
        phones.body(b'\0{"screen": "' + b"x" * 200 + b'"}')


def test_a_cursor_that_any_list_takes_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        readers,
        "decode_cursor",
        lambda text, _context, kind, _key: decode_cursor(text, readers.CONTEXT, kind, readers.KEY),
    )
    with pytest.raises(AssertionError, match="another"):
        readers.cursor(msgspec.msgpack.encode([1, "ada", 2]))


def test_an_error_that_no_door_answers_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise OverflowError("date value out of range")

    monkeypatch.setattr(readers, "list_request", fails)
    with pytest.raises(OverflowError):
        readers.filters(b"\x01state=offline")
