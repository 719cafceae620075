"""A CSV file as views of screens in the order of their times. PURE: lines in, views out.

The policy:

- The first line names the columns. A column that is asked for must be there, once; others are
  ignored. A line without one of them, or with a user or a time that cannot be used, ends it all: a
  file that is taken in part gives numbers that look right.
- A time is ISO 8601, or a number: of seconds since 1970, or of milliseconds from 1e11 on. One
  without an offset is a time of ``zone``.
- Texts mean what they mean from a phone (``ingest.body.validate``): blank is absent, ``background``
  is no screen, what is too long is cut; the rules for screens' names hold.
- Lines of the same time stay in the order of the file.

All views are sorted in memory, about 110 bytes each; so there is a limit.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from ingest.body.validate import Body, BodyReader, Sent
from schemas.log.events import MAX_USER_ID
from schemas.untrusted.text import clean_text

MAX_VIEWS: Final = 10_000_000

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
# As seconds it would be the year 5138.
_MILLISECONDS_FROM: Final = 1e11
_LAST_YEAR: Final = 2199
_PROPER_TIME: Final = (
    f"is no time from 1970 to {_LAST_YEAR} such as 2026-03-29T10:15:00Z or 1774779300"
)


class FileProblemError(ValueError):
    """The file cannot be replayed; the message names the line and the column."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Names of the columns; ``None``: the file has none of the kind."""

    user: str
    screen: str
    time: str
    app_version: str | None = None
    device: str | None = None
    platform: str | None = None


class View(NamedTuple):
    """What a line says. ``at_us`` is Unix microseconds; ``sent`` is shared by views alike."""

    at_us: int
    user: str
    sent: Sent

    @property
    def at_ms(self) -> int:
        return self.at_us // 1000


def read_views(
    lines: Iterable[str],
    columns: Columns,
    zone: ZoneInfo,
    reader: BodyReader,
    *,
    max_views: int = MAX_VIEWS,
) -> list[View]:
    """All views, by time. Raises :class:`FileProblemError`."""
    table = csv.reader(lines)
    views: list[View] = []
    users: dict[str, str] = {}
    sent: dict[tuple[str | None, ...], Sent] = {}
    try:
        places = _places(next(table, []), columns)
        for cells in table:
            if not cells:
                continue
            if len(views) == max_views:
                raise FileProblemError(
                    f"the file has more than {max_views:,} events, and they are sorted in memory: "
                    "leave some of the users out"
                )
            values = [None if place is None else cells[place] for place in places]
            user, screen, time, *about = values
            at_us = _at_us(columns.time, time or "", zone)
            key = (screen, *about)
            if key not in sent:
                sent[key] = _sent(reader, *key)
            user = _user(columns.user, user or "", users)
            views.append(View(at_us, user, sent[key]))
    except IndexError:
        raise FileProblemError(
            f"line {table.line_num} has {len(cells)} columns, fewer than the first line names"
        ) from None
    except csv.Error as error:
        raise FileProblemError(f"line {table.line_num}: {error}") from None
    except UnicodeDecodeError:
        raise FileProblemError(f"line {table.line_num + 1} or later is not UTF-8") from None
    except FileProblemError as error:
        raise FileProblemError(f"line {table.line_num}: {error}") from None
    if not views:
        raise FileProblemError("the file has no events")
    views.sort(key=attrgetter("at_us"))
    return views


def _places(header: Sequence[str], columns: Columns) -> list[int | None]:
    """Where the columns are, in the order of :class:`Columns`."""
    places: list[int | None] = []
    for each in fields(columns):
        name: str | None = getattr(columns, each.name)
        if name is not None and header.count(name) != 1:
            found = ", ".join(header) or "none"
            times = "more than one column" if name in header else "no column"
            raise FileProblemError(f"there is {times} {name!r} (there are: {found})")
        places.append(None if name is None else header.index(name))
    return places


def _user(column: str, text: str, known: dict[str, str]) -> str:
    user = known.get(text)
    if user is None:
        if not 1 <= len(text) <= MAX_USER_ID or clean_text(text) != text:
            raise FileProblemError(
                f"column {column!r}: a user id has 1 to {MAX_USER_ID} characters, and no control "
                "characters"
            )
        user = known[text] = text
    return user


def _sent(
    reader: BodyReader,
    screen: str | None,
    app_version: str | None,
    device: str | None,
    platform: str | None,
) -> Sent:
    return reader.clean(
        Body(screen=screen, app_version=app_version, device_info=device, platform=platform)
    )


def _at_us(column: str, text: str, zone: ZoneInfo) -> int:
    try:
        return _microseconds(text.strip(), zone)
    except (ValueError, OverflowError):
        raise FileProblemError(f"column {column!r}: {text[:50]!r} {_PROPER_TIME}") from None


def _microseconds(text: str, zone: ZoneInfo) -> int:
    try:
        number = float(text)
    except ValueError:
        moment = datetime.fromisoformat(text)
        at = moment if moment.tzinfo else moment.replace(tzinfo=zone)
        at_us = (at - _EPOCH) // _MICROSECOND
    else:
        if not math.isfinite(number):
            raise ValueError(text)
        at_us = round(number * (1000 if number >= _MILLISECONDS_FROM else 1_000_000))
        at = _EPOCH + at_us * _MICROSECOND
    if not (at_us >= 0 and at.year <= _LAST_YEAR):
        raise ValueError(text)
    return at_us
