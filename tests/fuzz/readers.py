"""What the API's cursors and filters promise of any text."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final
from unicodedata import category
from zoneinfo import ZoneInfo

import msgspec

from api.audiences.filter import MAX_CAP, parse_filter
from api.http.parameters import MAX_LIMIT, Parameter, parse
from api.periods.parameters import AT
from api.presence.filters import (
    KNOWN_USERS,
    LOOKUP,
    MAX_LOOKUP,
    ONLINE_USERS,
    filter_parameters,
    list_request,
)
from api.signing.cursor import Position, decode_cursor, encode_cursor
from schemas.http.problems import ProblemError
from schemas.log.events import MAX_USER_ID

CONTEXT, KEY = b"a list", b"k" * 32
NOW: Final = datetime(2026, 3, 2, tzinfo=UTC)
_ZONE: Final = ZoneInfo("Pacific/Apia")


def cursor(data: bytes) -> None:
    """A cursor is refused as ``bad_cursor``, or it is the one that its position has, and of no
    other list or key. Its checksum is made here: nobody guesses one."""
    _is_refused(data.decode("latin-1"))
    signed = hashlib.blake2b(
        CONTEXT + b"\0" + data, digest_size=9, key=KEY, person=b"rollcall-cursor"
    ).digest()
    text = base64.urlsafe_b64encode(signed + data).rstrip(b"=").decode()
    position = _is_refused(text)
    if position is None:
        return
    assert encode_cursor(position, CONTEXT, KEY) == text
    assert position.at_us is None or -(10**15) <= position.at_us <= 10**16
    assert len(position.user_id) <= MAX_USER_ID
    assert 0 <= position.seen <= 2**62
    _is_storable([position.user_id])
    for context, key in ((b"another", KEY), (CONTEXT, b"j" * 32)):
        try:
            decode_cursor(text, context, Position, key)
        except ProblemError as refused:
            _is_bad_cursor(refused)
        else:
            raise AssertionError("a cursor of one list is taken by another")


def filters(data: bytes) -> None:
    """A filter is refused by the name of what is wrong, or holds what PostgreSQL can be asked. The
    first byte says whose filter it is."""
    kind, rest = (data[0] % 5, data[1:]) if data else (0, b"")
    query = rest.decode("latin-1")
    try:
        if kind == 0:
            _is_list(list_request("online", _given(query, ONLINE_USERS)))
        elif kind == 1:
            _is_list(list_request("known", _given(query, KNOWN_USERS)))
        elif kind == 2:
            at = _given(query, (AT,)).get("at")
            assert at is None or at.tzinfo is not None
        elif kind == 3:
            user_ids = LOOKUP.parse(rest)
            assert 1 <= len(set(user_ids)) == len(user_ids) <= MAX_LOOKUP
            _is_storable(user_ids)
        else:
            _is_audience(rest)
    except ProblemError as refused:
        _names_what_is_wrong(refused)


def _given(query: str, parameters: Iterable[Parameter]) -> dict[str, Any]:
    return parse(query, {each.name: each for each in parameters})


def _names_what_is_wrong(refused: ProblemError) -> None:
    assert refused.code in ("bad_parameter", "bad_field", "bad_json")
    assert refused.detail
    # Neither is of one field alone.
    assert refused.errors or refused.code == "bad_json" or "too many" in refused.detail
    assert all(each.message for each in refused.errors)
    for each in refused.errors:
        # A name of a stranger's, as it is told: no line of a log of its own.
        assert not any(category(letter) in ("Cc", "Cs") for letter in each.field)


def _is_bad_cursor(refused: ProblemError) -> None:
    assert refused.code == "bad_cursor"


def _is_refused(text: str) -> Position | None:
    try:
        position = decode_cursor(text, CONTEXT, Position, KEY)
    except ProblemError as refused:
        _is_bad_cursor(refused)
        return None
    assert encode_cursor(position, CONTEXT, KEY) == text
    return position


def _is_list(request: Any) -> None:
    assert 1 <= request.limit <= MAX_LIMIT
    assert msgspec.json.decode(request.filter.context)["audience"] == request.filter.audience
    _is_storable(each for each in filter_parameters(request.filter).values())


def _is_audience(document: bytes) -> None:
    wanted = parse_filter(document)
    zone = wanted.tz or _ZONE
    _is_storable([wanted.screen, wanted.platform, wanted.seed, *wanted.exclude_user_ids])
    assert wanted.cap is None or 1 <= wanted.cap <= MAX_CAP
    periods = {"last_active": wanted.last_active}
    for name, sight in (("saw", wanted.saw), ("did_not_see", wanted.did_not_see)):
        if sight is not None:
            _is_storable([sight.screen])
            periods[name] = sight.period
    for name, period in periods.items():
        if period is not None:
            start, end = period.resolve(name, NOW, zone)
            assert start is None or end is None or start < end


def _is_storable(texts: Iterable[object]) -> None:
    for text in texts:
        if isinstance(text, str):
            assert "\0" not in text
            text.encode()
