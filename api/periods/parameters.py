"""The parameters that say which time an answer is about (:mod:`api.periods.ranges`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from api.http.parameters import Parameter, word_parameter
from api.periods.ranges import (
    WINDOW_BUCKETS,
    RangeRequest,
    parse_instant,
    parse_moment,
    parse_zone,
)
from schemas.openapi.forms import Json, text

_MOMENT: Final[Json] = {"anyOf": [{"format": "date-time"}, {"format": "date"}]}
AT: Final = Parameter(
    "at",
    text(
        "An instant (RFC 3339): the answer of then. Not later than `as_of`, nor earlier than what "
        "is kept (14 days by default).",
        "2026-03-30T11:50:00Z",
        format="date-time",
    ),
    parse_instant,
)


def _moment(name: str, about: str, *examples: str) -> Parameter:
    return Parameter(name, text(about, *examples, **_MOMENT), parse_moment)


def _zone(about: str) -> Parameter:
    return Parameter("tz", text(about, "Europe/Berlin"), parse_zone)


RANGE: Final = (
    _moment(
        "from",
        "The first instant that counts (RFC 3339; encode a `+` as `%2B`), or a date: the start "
        "of that day in `tz`. A multiple of 15 minutes in UTC, unless the bucket is finer. "
        "Without it the range is 24 hours long, or 30 days with `bucket=1d`.",
        "2026-03-30T09:00:00Z",
    ),
    _moment(
        "to",
        "As `from`: the first instant that does not count. Without it the range ends with the "
        "quarter-hour in which `as_of` is.",
        "2026-03-30T11:00:00Z",
    ),
    _zone("IANA time zone of dates and days. Default: the deployment's reporting zone."),
)
#: Where only days are kept.
DAYS: Final = (
    _moment(
        "from",
        "The first day: a date of the reporting zone, or the instant at which it starts. "
        "Without it: 30 days.",
        "2026-03-29",
    ),
    _moment("to", "The day after the last. Without it the last is today.", "2026-03-30"),
    _zone("The reporting zone. Any other is refused: only its days are kept."),
)


def bucket(allowed: Sequence[str] = WINDOW_BUCKETS, otherwise: str = "") -> Parameter:
    """``otherwise``: what it is of who names none."""
    return word_parameter(
        "bucket",
        "Multiples in UTC, or days of `tz` (23 or 25 hours long where clocks change); one at "
        "an end of the range is cut by it. At most 10,000 points. "
        + (otherwise or "Without it: `15m` up to two days, `1h` up to two weeks, else `1d`."),
        allowed,
    )


def instant_parameter(name: str, about: str, example: str) -> Parameter:
    """One instant."""
    return Parameter(name, text(about, example, format="date-time"), parse_instant)


def range_request(values: Mapping[str, Any]) -> RangeRequest:
    """Of what the parameters of a range have become."""
    return RangeRequest(
        start=values.get("from"),
        end=values.get("to"),
        bucket=values.get("bucket"),
        zone=values.get("tz"),
    )
