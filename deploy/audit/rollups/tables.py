"""Rows of rollups by their key, and two tables of them held against each other. PURE."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from deploy.audit.columns import ACTIVE, CONCURRENCY, ENDED_SESSIONS, MINUTES
from deploy.audit.differences import EVERYWHERE, Difference, Differences

Row = tuple[Any, ...]
#: Sums by the rest of a row's key; a histogram is a list without zeros at its end.
Table = dict[tuple[str, ...], list[Any]]

#: How many columns name a row of a period, and those that are compared.
KEYS: Final = {
    **dict.fromkeys(("screen_quarters", "screen_hours", "screen_days"), 1),
    **dict.fromkeys(("transition_quarters", "transition_days"), 2),
    **dict.fromkeys(("session_quarters", "concurrency_quarters", "active_user_days"), 0),
    "screen_version_hours": 3,
}
COLUMNS: Final[dict[str, tuple[str, ...]]] = {
    **dict.fromkeys(("screen_quarters", "screen_hours", "screen_days"), MINUTES),
    **dict.fromkeys(("transition_quarters", "transition_days"), ("transitions",)),
    "session_quarters": ENDED_SESSIONS,
    "concurrency_quarters": CONCURRENCY,
    "active_user_days": ACTIVE,
    "screen_version_hours": (*MINUTES[:-1], "users", MINUTES[-1]),
}


def keyed(rows: Iterable[Row], keys: int) -> Table:
    """Rows, each named by its first columns."""
    return {row[:keys]: [_trimmed(value) for value in row[keys:]] for row in rows}


def add_rows(into: Table, rows: Iterable[Row], keys: int) -> None:
    """Rows of one key become one, of their sums."""
    for row in rows:
        key, values = row[:keys], row[keys:]
        sums = into.get(key)
        if sums is None:
            into[key] = [_trimmed(value) for value in values]
            continue
        for place, value in enumerate(values):
            if isinstance(value, list):
                sums[place] = _added(sums[place], value)
            else:
                sums[place] += value


def as_rows(table: Table) -> Iterable[Row]:
    """The reverse of :func:`keyed`."""
    return ((*key, *values) for key, values in table.items())


def compare(table: str, at: str, log: Table, stored: Table, differences: Differences) -> int:
    """``log`` is what the rows come to that the table is made of. How many rows were compared."""
    columns = COLUMNS[table]
    for key in sorted(log.keys() | stored.keys()):
        wanted, has = log.get(key), stored.get(key)
        if wanted == has:
            continue
        told = dict(zip(columns, wanted, strict=True)) if wanted is not None else None
        found = dict(zip(columns, has, strict=True)) if has is not None else None
        if told is not None and found is not None:
            unlike = [name for name in columns if told[name] != found[name]]
            told, found = {n: told[n] for n in unlike}, {n: found[n] for n in unlike}
        differ(table, key, at, told, found, differences)
    return len(stored)


def differ(
    table: str,
    key: tuple[str, ...],
    at: str,
    log: dict[str, Any] | None,
    stored: dict[str, Any] | None,
    differences: Differences,
) -> None:
    """A row of no partition alone."""
    name = ", ".join(key) or "all"
    differences.add(
        Difference(table=table, partition=EVERYWHERE, row=f"{name} at {at}", log=log, stored=stored)
    )


def _trimmed(value: Any) -> Any:
    if not isinstance(value, list):
        return value
    end = len(value)
    while end and not value[end - 1]:
        end -= 1
    return value[:end]


def _added(sums: list[int], more: list[int]) -> list[int]:
    length = max(len(sums), len(more))
    padded = (each + [0] * (length - len(each)) for each in (sums, more))
    return _trimmed([one + other for one, other in zip(*padded, strict=True)])  # type: ignore[no-any-return]
