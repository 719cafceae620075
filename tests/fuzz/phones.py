"""What the doors of phones and the log's codec promise of any bytes."""

from __future__ import annotations

import json
import math
import unicodedata
from typing import Any, Final, get_args

from ingest.body.app_states import APP_STATES
from ingest.body.field_warnings import FieldWarning, warning_header
from ingest.body.phone_events import heartbeat_event, logout_event
from ingest.body.validate import BodyReader, Sent, parse_logout
from ingest.socket.frames import ERROR_CODES, MAX_FRAMES, Frame, FrameType, ack, error, read_frames
from schemas.http.problems import ProblemError
from schemas.log.events import (
    MAX_DEVICE_ID,
    MAX_TEXT,
    BadEvent,
    NewerSchemaError,
    UndecodableRecordError,
    decode_batch,
    encode_batch,
)
from schemas.tokens.identity import Identity

FIELDS: Final = (*MAX_TEXT, "app_state", "device_id", "sent_at", "body")
WHO: Final = Identity("ada", "sid:one", None, None, frozenset(), None)
#: By the first byte of an input.
CONTENT_TYPES: Final = (
    None,
    "application/json",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "application/json; charset=utf-16",
    "text/plain; charset=latin-1",
)
_READER: Final = BodyReader()


def codec(data: bytes) -> None:
    """A record is refused by one of two errors, or what is good in it is written and read again as
    it was."""
    try:
        events = decode_batch(data)
    except (UndecodableRecordError, NewerSchemaError):
        return
    assert all(event.error for event in events if isinstance(event, BadEvent))
    good = [event for event in events if not isinstance(event, BadEvent)]
    written = encode_batch(good)
    assert decode_batch(written) == good
    assert encode_batch(decode_batch(written)) == written  # type: ignore[arg-type]


def body(data: bytes) -> None:
    """A body is a heartbeat and a logout, clean within its limits, or its refusal names the
    field; and what was read is read again as it is."""
    kind, rest = (data[0], data[1:]) if data else (0, b"")
    content_type = CONTENT_TYPES[(kind & 0x7F) % len(CONTENT_TYPES)]
    query = ""
    if kind & 0x80:
        first, _, rest = rest.partition(b"\n")
        query = first.decode("latin-1")
    try:
        sent = _READER.heartbeat(rest, content_type, query)
    except ProblemError as refused:
        _is_of_device_id(refused)
    else:
        _is_clean(sent)
    try:
        sent = parse_logout(rest, content_type, query)
    except ProblemError as refused:
        _is_of_device_id(refused)
    else:
        _warn_of_fields(sent.warnings)
        event = logout_event(WHO, sent.device_id, None)
        assert decode_batch(encode_batch([event])) == [event]


def frame(data: bytes) -> None:
    """A message is so many frames at most, each as clean as a body or told what is wrong, by the
    id that it has."""
    found = read_frames(data.decode("utf-8", "replace"), _READER)
    assert len(found) <= MAX_FRAMES
    for one in found:
        if isinstance(one, Frame):
            assert one.type in get_args(FrameType)
            assert one.type != "auth" or one.token == one.token.strip() != ""
            _is_clean(one.sent)
            answer = json.loads(ack(one.id, one.sent.warnings))
        else:
            assert one.code in ERROR_CODES
            assert one.message
            answer = json.loads(error(one.id, one.code, one.message))
        assert (answer["id"], type(answer["id"])) == (one.id, type(one.id))


def _is_of_device_id(refused: ProblemError) -> None:
    assert refused.code == "bad_field"
    assert [each.field for each in refused.errors] == ["device_id"]
    assert "device_id" in refused.detail


def _is_clean(sent: Sent) -> None:
    told: dict[str, Any] = {}
    for field, limit in {**MAX_TEXT, "device_id": MAX_DEVICE_ID}.items():
        text = getattr(sent, field, None)
        if text is None:
            continue
        told[field] = text
        assert 0 < len(text) <= limit, field
        assert not text.isspace(), field
        assert not any(unicodedata.category(letter) in ("Cc", "Cs") for letter in text), field
        if field != "device_id":
            assert text == text.strip(), field
            assert unicodedata.is_normalized("NFC", text), field
    assert sent.app_state is None or sent.app_state in APP_STATES
    assert sent.sent_at is None or math.isfinite(sent.sent_at)
    if sent.app_state is not None:
        told["app_state"] = sent.app_state
    _warn_of_fields(sent.warnings)
    again = _READER.heartbeat(json.dumps(told).encode())
    assert again.warnings == ()
    assert {field: getattr(again, field) for field in told} == told
    event = heartbeat_event(WHO, sent)
    assert decode_batch(encode_batch([event])) == [event]


def _warn_of_fields(warnings: tuple[FieldWarning, ...]) -> None:
    assert all(each.field in FIELDS for each in warnings)
    assert warning_header(warnings).isprintable()
    assert warning_header(warnings).isascii()
