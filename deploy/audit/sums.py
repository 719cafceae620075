"""Sums held against what the log comes to: ``screen_minutes``, ``screen_transitions``. PURE.

Which names of screens have a row of their own beyond the cap depends on other partitions (promise
4): where there is a row ``(other)``, no screen may have more than the log says, and all together
must have as much.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable
from typing import Any, Final

from deploy.audit.columns import MINUTES
from deploy.audit.differences import Difference, Differences, of_window, time_text
from deploy.audit.states import PartitionState

Row = tuple[Any, ...]
MINUTE_MS: Final = 60_000
QUARTER_MS: Final = 900_000
#: How long sums may still grow by what ends late; older ones are not looked at again.
KEPT_MS: Final = 6 * 3_600_000
_OTHER: Final = "(other)"
_BUCKETS: Final = 77
#: Bucket n begins at 250 ms times 2 to the (n - 1) / 4; to the power of four all is whole.
_BOUNDS: Final = [250**4 * 2 ** (n - 1) for n in range(1, _BUCKETS)]


def bucket_of(duration_ms: int) -> int:
    """That of histograms of dwell."""
    return bisect_right(_BOUNDS, duration_ms**4)


class Sums:
    """Adds up the windows of one partition; they stay in its state for as long as they may grow."""

    def __init__(self, state: PartitionState) -> None:
        self._state = state

    def view(self, at: int, come_from: str, screen: str) -> None:
        self._add(at, screen, 0, 1)
        self._move(at, come_from, screen)

    def visit(self, ended: int, screen: str, dwell: int, silent: int) -> None:
        counts = self._add(ended, screen, 1, 1)
        counts[2] += dwell
        counts[3] += silent
        counts[6][bucket_of(dwell)] += 1

    def exit(self, ended: int, screen: str, bounced: bool) -> None:
        counts = self._add(ended, screen, 4, 1)
        counts[5] += bounced
        self._move(ended, screen, "(end)")

    def _add(self, at: int, screen: str, place: int, by: int) -> list[Any]:
        key = (at // MINUTE_MS * MINUTE_MS, screen)
        counts = self._state.minutes.get(key)
        if counts is None:
            counts = [0, 0, 0, 0, 0, 0, [0] * _BUCKETS]
            self._state.minutes[key] = counts
        counts[place] += by
        return counts

    def _move(self, at: int, come_from: str, screen: str) -> None:
        key = (at // QUARTER_MS * QUARTER_MS, come_from, screen)
        self._state.transitions[key] = self._state.transitions.get(key, 0) + 1

    def forget_old(self) -> None:
        """What can hardly grow any more."""
        state = self._state
        state.sums_from = max(state.sums_from, (state.now - KEPT_MS) // QUARTER_MS * QUARTER_MS)
        since = state.sums_from
        state.minutes = {k: v for k, v in state.minutes.items() if k[0] >= since}
        state.transitions = {k: v for k, v in state.transitions.items() if k[0] >= since}


def compare_minutes(
    state: PartitionState, rows: Iterable[Row], since: int, differences: Differences
) -> int:
    """``since``: from which minute on the log knows them. How many rows were compared."""
    stored: dict[int, dict[str, list[Any]]] = defaultdict(dict)
    for minute, screen, *counts in rows:
        histogram = [*counts[-1], *([0] * (_BUCKETS - len(counts[-1])))]
        stored[minute][screen] = [*counts[:-1], histogram]
    log: dict[int, dict[str, list[Any]]] = defaultdict(dict)
    for (minute, screen), counts in state.minutes.items():
        log[minute][screen] = counts
    checked = 0
    for minute in sorted(stored.keys() | log.keys()):
        if minute < since:
            continue
        checked += len(stored[minute])
        for screen, wanted, has in _unlike(log[minute], stored[minute], _added):
            differences.add(_of_minute(state, minute, screen, wanted, has))
    return checked


def compare_transitions(
    state: PartitionState, rows: Iterable[Row], since: int, differences: Differences
) -> int:
    stored: dict[int, dict[str, Any]] = defaultdict(dict)
    for quarter, come_from, screen, transitions in rows:
        stored[quarter][f"{come_from} to {screen}"] = transitions
    log: dict[int, dict[str, Any]] = defaultdict(dict)
    for (quarter, come_from, screen), transitions in state.transitions.items():
        log[quarter][f"{come_from} to {screen}"] = transitions
    checked = 0
    for quarter in sorted(stored.keys() | log.keys()):
        if quarter < since:
            continue
        checked += len(stored[quarter])
        if any(_OTHER in move for move in stored[quarter]):
            total, has = sum(log[quarter].values()), sum(stored[quarter].values())
            unlike = [("all", total, has)] if total != has else []
        else:
            unlike = list(_unlike(log[quarter], stored[quarter], sum))
        for move, wanted, has in unlike:
            differences.add(
                of_window(
                    state.partition, "screen_transitions", quarter, move, "transitions", wanted, has
                )
            )
    return checked


def _added(counts: Iterable[list[Any]]) -> list[Any]:
    total: list[Any] = [0, 0, 0, 0, 0, 0, [0] * _BUCKETS]
    for each in counts:
        total = [
            *(one + other for one, other in zip(total[:-1], each[:-1], strict=True)),
            [one + other for one, other in zip(total[-1], each[-1], strict=True)],
        ]
    return total


def _unlike(log: dict[str, Any], stored: dict[str, Any], add: Any) -> Iterable[Any]:
    """Name, what the log says and what the table has, of each that is not as it must be."""
    if _OTHER in stored:
        for name, has in stored.items():
            if name != _OTHER and not _within(has, log.get(name)):
                yield name, log.get(name), has
        total, has = add(log.values()), add(stored.values())
        if total != has:
            yield "all screens", total, has
        return
    for name in sorted(log.keys() | stored.keys()):
        if log.get(name) != stored.get(name):
            yield name, log.get(name), stored.get(name)


def _within(has: Any, most: Any) -> bool:
    if most is None:
        return False
    if isinstance(has, int):
        return bool(has <= most)
    return all(one <= other for one, other in zip(has[:-1], most[:-1], strict=True))


def _of_minute(
    state: PartitionState, minute: int, screen: str, log: Any, stored: Any
) -> Difference:
    told = dict(zip(MINUTES, log, strict=True)) if log is not None else None
    has = dict(zip(MINUTES, stored, strict=True)) if stored is not None else None
    if told is not None and has is not None:
        unlike = [name for name in MINUTES if told[name] != has[name]]
        told, has = {n: told[n] for n in unlike}, {n: has[n] for n in unlike}
    return Difference(
        table="screen_minutes",
        partition=state.partition,
        row=f"{screen} at {time_text(minute)}",
        log=told,
        stored=has,
    )
