"""What a phone's body says. PURE: bytes in; fields and warnings out, seldom a ``ProblemError``.

The policy (design, section 1: a field that serves analytics never costs presence):

1. A body is a JSON object in UTF-8, or empty. What else can be read, and how, is
   ``ingest.body.fields``'s; what cannot is a sign of life with a warning, because the token alone
   says who is there.
2. ``null`` means absent, and so does a text that is blank. Otherwise text stays as it was sent,
   except that
   - a number or boolean is taken as the text that was sent for it,
   - an object or array in place of a text counts as absent,
   - control characters, NUL and lone surrogates are removed,
   - names (``screen``, ``app_version``, ``device_info``, ``platform``) lose blanks at their ends,
     have one spelling (NFC), and are cut to their limits at the end of a character,
   - an ``app_state`` that we do not know counts as absent (``ingest.body.app_states``),
   - a ``sent_at`` that is no instant counts as absent.
   Each of these gives a warning that names the field, but for the one spelling of a name. What the
   operator has the door do with texts (:class:`DoorRules`) gives none: it is no fault of the app's.
3. Only a ``device_id`` over its limit is 422 ``bad_field``: a device that cannot be told apart
   would be somebody else's presence.
4. Unknown fields are ignored and counted.
5. Of a logout only ``device_id`` is looked at.

A well-formed body takes one typed decode. Only when that fails is it read again leniently: msgspec
refuses lone surrogates and unknown fields, among others. So the typed decode has nothing to skip
however deep it is.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from ingest.body.app_states import APP_STATES as APP_STATES
from ingest.body.app_states import app_state_of
from ingest.body.field_warnings import FieldWarning
from ingest.body.fields import fields_of
from ingest.body.lenient import take_sent_at, take_texts
from schemas.http.problems import FieldProblem, ProblemError
from schemas.log.events import BACKGROUND_APP_STATES, MAX_DEVICE_ID, MAX_TEXT
from schemas.untrusted.graphemes import cut_text
from schemas.untrusted.text import clean_text, same_name

# A number above it is milliseconds since 1970: as seconds it would be the year 5138.
_MILLISECONDS_FROM: Final = 1e11


class Sent(msgspec.Struct, frozen=True, gc=False):
    """The clean fields of a body. ``sent_at`` is Unix seconds by the phone's clock."""

    screen: str | None = None
    app_state: str | None = None
    app_version: str | None = None
    device_info: str | None = None
    device_id: str | None = None
    platform: str | None = None
    sent_at: float | None = None
    warnings: tuple[FieldWarning, ...] = ()
    unknown_fields: int = 0

    @property
    def says_background(self) -> bool:
        """Whether the processor takes it for the background (design, section 1)."""
        by_screen = self.screen is not None and self.screen.lower() == "background"
        return by_screen or self.app_state in BACKGROUND_APP_STATES

    def with_about(self, other: Sent) -> Sent:
        """This, with what only ``other`` says of the device and the app, not of the screen."""
        return replace(
            self,
            app_version=self.app_version or other.app_version,
            device_info=self.device_info or other.device_info,
            device_id=self.device_id or other.device_id,
            platform=self.platform or other.platform,
        )


class Body(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """A heartbeat's fields as they were sent. A socket's frame has these and more."""

    screen: str | None = None
    app_state: str | None = None
    app_version: str | None = None
    device_info: str | None = None
    device_id: str | None = None
    platform: str | None = None
    sent_at: str | int | float | None = None


class _LogoutBody(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    device_id: str | None = None


_EMPTY: Final = Sent()
_TEXT_FIELDS: Final = (*MAX_TEXT, "app_state", "device_id")
#: Characters that rules look at: a longer name costs no more, and is cut to fewer anyway.
_MOST_FOLDED: Final = 1024
#: A body that may be remembered; 4096 of them take 4 MB.
_SHORT_BODY_BYTES: Final = 256
_UNUSUAL: Final = (msgspec.DecodeError, UnicodeDecodeError)
_fast = msgspec.json.Decoder(Body)
_fast_logout = msgspec.json.Decoder(_LogoutBody)


@dataclass(frozen=True, slots=True)
class DoorRules:
    """What becomes of texts before anybody stores them: of a screen's name, once it has its one
    spelling and before it is cut; and of the ``device_info``, once it is cut. ``None``: nothing."""

    screen: Callable[[str], str] | None = None
    device_info: Callable[[str], str] | None = None


AS_SENT: Final = DoorRules()


class BodyReader:
    """Reads what phones say by the rules of a deployment."""

    def __init__(self, rules: DoorRules = AS_SENT) -> None:
        self._rules = rules
        # Phones of a model and version say the same few bodies: one read again costs a tenth.
        self._read_before = lru_cache(maxsize=4096)(self._well_formed)

    def heartbeat(self, body: bytes, content_type: str | None = None, query: str = "") -> Sent:
        """The fields of a heartbeat. Raises ``ProblemError`` ``bad_field``."""
        if not query:
            if not body or body.isspace():
                return _EMPTY
            read = self._read_before if len(body) <= _SHORT_BODY_BYTES else self._well_formed
            sent = read(body)
            if sent is not None:
                return sent
        return self.of_values(*fields_of(body, content_type, query))

    def _well_formed(self, body: bytes) -> Sent | None:
        """The fields of a body by one typed decode; ``None`` where that is not enough."""
        try:
            sent = _fast.decode(body)
        except _UNUSUAL:
            return None
        return self.clean(sent)

    def of_values(self, values: dict[str, Any], warnings: list[FieldWarning]) -> Sent:
        """The fields of a heartbeat that was read leniently. Raises ``bad_field``."""
        sent = Body(
            **take_texts(values, _TEXT_FIELDS, warnings),
            sent_at=take_sent_at(values.pop("sent_at", None), warnings),
        )
        return self.clean(sent, warnings, unknown_fields=len(values))

    def clean(
        self, sent: Body, warnings: list[FieldWarning] | None = None, *, unknown_fields: int = 0
    ) -> Sent:
        """The rules 2 and 3 above. Raises ``ProblemError`` ``bad_field``."""
        warnings = [] if warnings is None else warnings
        rules = self._rules
        screen = _text("screen", sent.screen, warnings, rules.screen)
        app_state = _app_state(sent.app_state, warnings)
        app_version = _text("app_version", sent.app_version, warnings)
        device_info = _text("device_info", sent.device_info, warnings)
        if device_info is not None and rules.device_info is not None:
            device_info = rules.device_info(device_info)
        device_id = _device_id(sent.device_id, warnings)
        platform = _text("platform", sent.platform, warnings)
        sent_at = _instant(sent.sent_at, warnings)
        return Sent(
            screen,
            app_state,
            app_version,
            device_info,
            device_id,
            platform,
            sent_at,
            tuple(warnings),
            unknown_fields,
        )


def parse_logout(body: bytes, content_type: str | None = None, query: str = "") -> Sent:
    """What a logout's body says: at most ``device_id``. Raises ``ProblemError`` ``bad_field``."""
    warnings: list[FieldWarning] = []
    if not query:
        if not body or body.isspace():
            return _EMPTY
        try:
            device_id = _fast_logout.decode(body).device_id
        except _UNUSUAL:
            pass
        else:
            return Sent(device_id=_device_id(device_id, warnings), warnings=tuple(warnings))
    values, warnings = fields_of(body, content_type, query)
    device_id = take_texts(values, ("device_id",), warnings)["device_id"]
    return Sent(device_id=_device_id(device_id, warnings), warnings=tuple(warnings))


def _text(
    field: str,
    text: str | None,
    warnings: list[FieldWarning],
    fold: Callable[[str], str] | None = None,
) -> str | None:
    if not text:
        return None
    name = same_name(_cleaned(field, text, warnings))
    if fold is not None:
        name = fold(name[:_MOST_FOLDED])
    limit = MAX_TEXT[field]
    if len(name) > limit:
        name = cut_text(name, limit).rstrip()
        warnings.append(FieldWarning(field, "cut"))
    return name or None


def _app_state(text: str | None, warnings: list[FieldWarning]) -> str | None:
    if not text:
        return None
    sent = _cleaned("app_state", text, warnings).strip()
    state = app_state_of(sent)
    if state is None and sent:
        warnings.append(FieldWarning("app_state", "unknown_value"))
    return state


def _device_id(text: str | None, warnings: list[FieldWarning]) -> str | None:
    if not text:
        return None
    cleaned = _cleaned("device_id", text, warnings)
    if len(cleaned) > MAX_DEVICE_ID:
        problem = FieldProblem("device_id", f"must have at most {MAX_DEVICE_ID} characters")
        raise ProblemError("bad_field", "These fields cannot be used: device_id.", [problem])
    return None if cleaned.isspace() else cleaned or None


def _cleaned(field: str, text: str, warnings: list[FieldWarning]) -> str:
    cleaned = clean_text(text)
    if len(cleaned) != len(text):
        warnings.append(FieldWarning(field, "characters_removed"))
    return cleaned


def _instant(value: str | int | float | None, warnings: list[FieldWarning]) -> float | None:
    """Unix seconds of an RFC 3339 text, or of a number of seconds or milliseconds."""
    if value is None:
        return None
    try:
        if isinstance(value, str):
            instant = datetime.fromisoformat(value)
            if instant.tzinfo is None:
                raise ValueError("a local time")
            seconds = instant.timestamp()
        else:
            seconds = float(value)
            if abs(seconds) > _MILLISECONDS_FROM:
                seconds /= 1000
            if not math.isfinite(seconds):
                raise ValueError("out of range")
    except (ValueError, OverflowError):
        warnings.append(FieldWarning("sent_at", "not_an_instant"))
        return None
    return seconds
