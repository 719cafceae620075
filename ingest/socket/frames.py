"""The frames of a socket, both ways. PURE.

A text message is one frame or an array of them; each is read by the rules of a POST's body
(``ingest.body.validate``) plus three fields of its own: ``type`` (``heartbeat`` where it is
missing), ``id``, which the answer repeats, and the ``token`` of an ``auth`` frame (design, section
4).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias, get_args

import msgspec

from ingest.body.field_warnings import FieldWarning, warning_header
from ingest.body.fields import unwrapped_value
from ingest.body.lenient import Number, read_json
from ingest.body.validate import Body, BodyReader, Sent
from schemas.http.problems import ProblemError

FrameId: TypeAlias = str | int | None
FrameType: TypeAlias = Literal["auth", "heartbeat", "logout"]
ErrorCode: TypeAlias = Literal[
    "bad_json", "bad_field", "unknown_type", "rate_limited", "unavailable", "not_authenticated"
]

ERROR_CODES: Final[tuple[ErrorCode, ...]] = get_args(ErrorCode)
#: A message is bounded in bytes; this bounds the answers to one.
MAX_FRAMES: Final = 100
MAX_ID_CHARACTERS: Final = 64
# What JavaScript and Dart (on the web) count exactly.
_MAX_ID: Final = 2**53


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame that can be acted on. ``token`` is set on ``auth`` frames only."""

    type: FrameType
    id: FrameId
    sent: Sent
    token: str = ""


@dataclass(frozen=True, slots=True)
class BadFrame:
    """A frame that cannot, and what its sender is told."""

    id: FrameId
    code: ErrorCode
    message: str


class _Body(Body, gc=False, forbid_unknown_fields=True):
    type: str | None = None
    id: str | int | None = None
    token: str | None = None


_fast: Final = msgspec.json.Decoder(_Body | list[_Body])


def read_frames(text: str, reader: BodyReader) -> list[Frame | BadFrame]:
    """The frames of a text message, in order; what is wrong with one leaves the others alone."""
    try:
        found = _fast.decode(text)
    except (msgspec.DecodeError, UnicodeError):
        return _read_leniently(text, reader)
    bodies = found if isinstance(found, list) else [found]
    if len(bodies) > MAX_FRAMES:
        return [_too_many()]
    return [_frame(body, reader) for body in bodies]


def _read_leniently(text: str, reader: BodyReader) -> list[Frame | BadFrame]:
    try:
        found = read_json(text, "message")
    except ProblemError as problem:
        return [BadFrame(None, "bad_json", problem.detail)]
    if type(found) is str:
        found = unwrapped_value(found)
    values = found if isinstance(found, list) else [found]
    if len(values) > MAX_FRAMES:
        return [_too_many()]
    return [_lenient_frame(value, reader) for value in values]


def _too_many() -> BadFrame:
    return BadFrame(None, "bad_json", f"A message holds at most {MAX_FRAMES} frames.")


def _frame(body: _Body, reader: BodyReader) -> Frame | BadFrame:
    if not _usable_id(body.id):
        return _bad_id()
    try:
        return _typed(body.type or "heartbeat", body.id, body.token, reader.clean(body))
    except ProblemError as problem:
        return _bad_fields(body.id, problem)


def _lenient_frame(values: Any, reader: BodyReader) -> Frame | BadFrame:
    values = unwrapped_value(values)
    if not isinstance(values, dict):
        return BadFrame(None, "bad_json", "A frame is a JSON object.")
    frame_id = values.pop("id", None)
    if isinstance(frame_id, Number):
        # A fraction, or one of more digits than anybody counts exactly, stays a text: refused.
        frame_id = int(frame_id) if frame_id.lstrip("-").isdigit() and len(frame_id) < 20 else ()
    if not _usable_id(frame_id):
        return _bad_id()
    frame_type = values.pop("type", None) or "heartbeat"
    token = values.pop("token", None)
    try:
        return _typed(frame_type, frame_id, token, reader.of_values(values, []))
    except ProblemError as problem:
        return _bad_fields(frame_id, problem)


def _usable_id(frame_id: Any) -> bool:
    if isinstance(frame_id, str):
        return len(frame_id) <= MAX_ID_CHARACTERS and frame_id.isascii()
    if isinstance(frame_id, bool):
        return False
    return frame_id is None or (isinstance(frame_id, int) and abs(frame_id) <= _MAX_ID)


def _bad_id() -> BadFrame:
    return BadFrame(
        None,
        "bad_field",
        f"id: must be an integer or an ASCII text of at most {MAX_ID_CHARACTERS} characters",
    )


def _bad_fields(frame_id: FrameId, problem: ProblemError) -> BadFrame:
    message = "; ".join(f"{error.field}: {error.message}" for error in problem.errors)
    return BadFrame(frame_id, "bad_field", message)


def _typed(frame_type: Any, frame_id: FrameId, token: Any, sent: Sent) -> Frame | BadFrame:
    if frame_type == "auth":
        if isinstance(token, Number) or not isinstance(token, str) or not token.strip():
            return BadFrame(frame_id, "bad_field", "token: an auth frame carries the user's token")
        return Frame("auth", frame_id, sent, token.strip())
    if frame_type == "heartbeat":
        return Frame("heartbeat", frame_id, sent)
    if frame_type == "logout":
        return Frame("logout", frame_id, sent)
    return BadFrame(
        frame_id, "unknown_type", "type: must be auth, heartbeat (the default) or logout"
    )


# -- what we send


def welcome(
    heartbeat_interval_seconds: float,
    offline_after_seconds: float,
    ping_interval_seconds: float = 30.0,
    max_silent_foreground_seconds: float = 0.0,
) -> str:
    """The answer to authentication: what the client should do, what happens if it does not, and
    after how much silence it will be pinged; and where there is such a bound, after how long
    without a frame it is taken for hidden."""
    bound = max_silent_foreground_seconds
    return _json(
        type="welcome",
        heartbeat_interval_seconds=_number(heartbeat_interval_seconds),
        offline_after_seconds=_number(offline_after_seconds),
        ping_interval_seconds=_number(ping_interval_seconds),
        **({"max_silent_foreground_seconds": _number(bound)} if bound else {}),
    )


def ack(frame_id: FrameId, warnings: Iterable[FieldWarning]) -> str:
    """The frame is in the log. ``warning`` says what was done to its fields, as the header
    ``X-Rollcall-Warning`` does over HTTP."""
    warning = warning_header(warnings)
    if warning:
        return _json(type="ack", id=frame_id, warning=warning)
    return _json(type="ack", id=frame_id)


def error(frame_id: FrameId, code: ErrorCode, message: str) -> str:
    """The frame was not taken; the socket stays open."""
    return _json(type="error", id=frame_id, code=code, message=message)


def token_expiring(seconds: int) -> str:
    """Send an ``auth`` frame with a newer token within so many seconds."""
    return _json(type="token_expiring", seconds=seconds)


def restart(reconnect_after_ms: int) -> str:
    """This process ends; come back after so long, so that not everybody comes at once."""
    return _json(type="restart", reconnect_after_ms=reconnect_after_ms)


def _number(seconds: float) -> int | float:
    return int(seconds) if seconds == int(seconds) else seconds


def _json(**fields: Any) -> str:
    return msgspec.json.encode(fields).decode()
