"""What differs, as a person and a program read it. PURE."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any, Final

import msgspec

#: Instead of a partition, of a row that is made of all of them.
EVERYWHERE: Final = -1
#: All are counted, so many are kept.
MOST_KEPT: Final = 1_000


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """``log`` is what the log asks for and ``stored`` what the table has, by column: those that
    differ, or the whole row where the other side has none (``None``)."""

    table: str
    partition: int
    row: str
    offset: int | None = None
    user: str | None = None
    log: dict[str, Any] | None
    stored: dict[str, Any] | None

    def lines(self) -> Iterator[str]:
        """For a terminal."""
        place = f", offset {self.offset}" if self.offset is not None else ""
        where = "all partitions" if self.partition == EVERYWHERE else f"partition {self.partition}"
        yield f"{self.table}: {self.row} ({where}{place})"
        if self.log is None:
            yield f"  the log: no such row; the table: {_columns(self.stored)}"
        elif self.stored is None:
            yield f"  the log: {_columns(self.log)}; the table: no such row"
        else:
            for column, value in self.log.items():
                stored = _value(column, self.stored[column])
                yield f"  {column}: the log says {_value(column, value)}, the table {stored}"


class Differences:
    """Those of a run."""

    def __init__(self) -> None:
        self.count = 0
        self.kept: list[Difference] = []

    def add(self, difference: Difference) -> None:
        self.count += 1
        if len(self.kept) < MOST_KEPT:
            self.kept.append(difference)


def time_text(at_ms: int) -> str:
    """RFC 3339 in UTC, with milliseconds."""
    at = datetime.fromtimestamp(at_ms / 1000, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def date_text(day: int) -> str:
    """``day``: since 1970."""
    return date.fromordinal(date(1970, 1, 1).toordinal() + day).isoformat()


def _columns(row: dict[str, Any] | None) -> str:
    return ", ".join(f"{name} {_value(name, value)}" for name, value in (row or {}).items())


_TIMES: Final = frozenset(
    (
        *("at", "changed_at", "online_since", "last_active", "expires_at", "shown_until"),
        *("started_at", "ended_at", "session_start", "log_time", "from_time", "to_time"),
        *("peak_online_at", "peak_foreground_at", "erased_until"),
    )
)


def _value(column: str, value: Any) -> str:
    if column in _TIMES and isinstance(value, int):
        return time_text(value)
    return msgspec.json.encode(value).decode()


def of_window(
    partition: int, table: str, at: int, name: str, column: str, log: Any, stored: Any
) -> Difference:
    """In one column of a window, or of a sample."""
    return Difference(
        table=table,
        partition=partition,
        row=f"{name} at {time_text(at)}",
        log={column: log} if log is not None else None,
        stored={column: stored} if stored is not None else None,
    )
