"""Rows that are written once and never changed, held against the log as it is read: ``changes``,
``spans`` and ``sessions``. PURE.

Both come in the order of the log, so that neither has to be kept. What the table does not have may
have gone since with its user: it counts once it is known that nobody erased it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec

from deploy.audit.columns import CHANGES, IN_PART, SESSIONS, SPANS
from deploy.audit.differences import Difference, Differences

Row = tuple[Any, ...]
COLUMNS: Final = {"changes": CHANGES, "spans": SPANS, "sessions": SESSIONS}
_JSON: Final = frozenset(("connections", "told_before"))
_PLACE: Final = 3


class WrittenOnce:
    """One table of one partition. ``is_known`` tells of user and offset whether the log says what
    the row must be; ``full`` whether it says all of it."""

    def __init__(
        self,
        table: str,
        partition: int,
        stored: Iterator[Row],
        is_known: Callable[[str, int], bool],
        kept_from: int,
        differences: Differences,
        *,
        full: bool,
    ) -> None:
        self._table, self._partition, self._full = table, partition, full
        self._columns = COLUMNS[table]
        self._user = self._columns.index("user_id") + _PLACE
        compared = self._columns if full else IN_PART[table]
        self._compared = [(name, self._columns.index(name) + _PLACE) for name in compared]
        self._stored = stored
        self._next: Row | None = next(stored, None)
        self._is_known = is_known
        self._kept_from = kept_from
        self._differences = differences
        self._found: list[Row] = []
        self._missing: dict[str, list[Row]] = {}
        self.checked = 0

    def find(self, row: Row) -> None:
        """The log asks for it."""
        self._found.append(row)

    def left(self, user: str, before: int | None) -> None:
        """The user was erased: the rows so far, or those that are older."""

        def stays(row: Row) -> bool:
            return row[self._user] != user or (before is not None and row[_PLACE] >= before)

        self._found = [row for row in self._found if stays(row)]
        kept = [row for row in self._missing.pop(user, []) if stays(row)]
        if kept:
            self._missing[user] = kept

    def record_ends(self) -> None:
        """Hold what was found in a record against its rows."""
        if not self._found:
            return
        found, self._found = self._found, []
        offset = found[0][0]
        self._skip_to(offset)
        stored: dict[Any, Row] = {}
        while self._next is not None and self._next[0] == offset:
            stored[self._key(self._next, stored)] = self._next
            self._next = next(self._stored, None)
        wanted: dict[Any, Row] = {}
        for row in found:
            wanted[self._key(row, wanted)] = row
        for key, row in wanted.items():
            self._compare(row, stored.pop(key, None))
        for row in stored.values():
            self._extra(row)

    def log_ends(self) -> None:
        """Nothing more is in the log; whoever has left has left."""
        self._skip_to(None)
        for rows in self._missing.values():
            for row in rows:
                self._differ(row, self._dict(row), None)
        self._missing.clear()

    def _key(self, row: Row, others: dict[Any, Row]) -> Any:
        if self._full:
            return row[1:_PLACE]
        # Others of whom the log knows nothing may have places before it.
        user, number = row[self._user], 0
        while (row[1], user, number) in others:
            number += 1
        return (row[1], user, number)

    def _skip_to(self, offset: int | None) -> None:
        while self._next is not None and (offset is None or self._next[0] < offset):
            self._extra(self._next)
            self._next = next(self._stored, None)

    def _extra(self, row: Row) -> None:
        if self._is_known(row[self._user], row[0]):
            self._differ(row, None, self._dict(row))

    def _compare(self, row: Row, stored: Row | None) -> None:
        if not self._is_known(row[self._user], row[0]):
            return
        if stored is None:
            if row[_PLACE] >= self._kept_from:
                self._missing.setdefault(row[self._user], []).append(row)
            return
        self.checked += 1
        differing = [
            name
            for name, place in self._compared
            if row[place] != (self._decoded(name, stored[place]))
        ]
        if differing:
            log, table = self._dict(row), self._dict(stored)
            self._differ(row, {n: log[n] for n in differing}, {n: table[n] for n in differing})

    def _decoded(self, name: str, value: Any) -> Any:
        if name not in _JSON:
            return value
        return value if isinstance(value, list) else msgspec.json.decode(value)

    def _dict(self, row: Row) -> dict[str, Any]:
        return {
            name: self._decoded(name, value)
            for name, value in zip(self._columns, row[_PLACE:], strict=True)
        }

    def _differ(self, row: Row, log: dict[str, Any] | None, stored: dict[str, Any] | None) -> None:
        place = ":".join(map(str, (self._partition, *row[:_PLACE])))
        self._differences.add(
            Difference(
                table=self._table,
                partition=self._partition,
                row=f"row {place} of user {row[self._user]}",
                offset=row[0],
                user=row[self._user],
                log=log,
                stored=stored,
            )
        )
