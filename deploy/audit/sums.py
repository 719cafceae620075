"""Sums and samples held against what the log comes to: ``screen_minutes``, ``screen_transitions``,
``concurrency_samples``, ``screen_samples``, ``outages``, ``clock_steps``. PURE.

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
from deploy.audit.differences import Difference, Differences, time_text
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
        counts[6][bisect_right(_BOUNDS, dwell**4)] += 1

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
                _of_window(state, "screen_transitions", quarter, move, "transitions", wanted, has)
            )
    return checked


def compare_samples(
    state: PartitionState,
    found: dict[int, tuple[int, int]],
    rows: Iterable[Row],
    since: int,
    differences: Differences,
) -> int:
    """``found``: those of this run; others were sampled before it."""
    checked = 0
    wanted = {at: users for at, users in found.items() if at >= since}
    for at, *stored in rows:
        if at < since:
            continue
        log = wanted.pop(at, None)
        if log is None:
            if at not in state.sampled:
                differences.add(_of_sample(state, at, None, stored))
            continue
        checked += 1
        if tuple(stored) != log:
            differences.add(_of_sample(state, at, log, stored))
    for at, log in wanted.items():
        differences.add(_of_sample(state, at, log, None))
    return checked


def compare_screen_samples(
    state: PartitionState,
    found: dict[int, dict[str, int]],
    rows: Iterable[Row],
    since: int,
    differences: Differences,
) -> int:
    stored: dict[int, dict[str, int]] = defaultdict(dict)
    for at, screen, users in rows:
        stored[at][screen] = users
    checked = 0
    for at in sorted(stored.keys() | found.keys()):
        if at < since or (at not in found and at in state.sampled):
            continue
        checked += len(stored[at])
        log = found.get(at, {})
        for screen in sorted(log.keys() | stored[at].keys()):
            wanted, has = log.get(screen), stored[at].get(screen)
            if wanted != has:
                differences.add(
                    _of_window(state, "screen_samples", at, screen, "foreground", wanted, has)
                )
    return checked


def capped(screens: dict[str | None, int], most: int) -> dict[str, int]:
    """The ``most`` screens with most users as themselves; of those alike the smaller names."""
    ours = ("(none)", _OTHER, "(start)", "(end)")
    named = [screen for screen in screens if screen is not None and screen not in ours]
    kept = set(sorted(named, key=lambda screen: (-screens[screen], screen))[:most])
    totals: dict[str, int] = {}
    for screen, users in screens.items():
        name = "(none)" if screen is None else screen if screen in kept else _OTHER
        totals[name] = totals.get(name, 0) + users
    return totals


def compare_outages(
    state: PartitionState,
    found: dict[tuple[str, int], int | None],
    rows: Iterable[Row],
    began_at: int,
    differences: Differences,
    *,
    stepped: bool,
) -> int:
    """``began_at``: log time at which this run began."""
    checked = 0
    # Whether clients should have been heard of, only whoever knows all of them can tell.
    kinds = ("jump", "lost_range", "ticks_only") if state.full else ("jump", "lost_range")
    wanted = {key: end for key, end in found.items() if key[0] in kinds}
    for kind, started, ended in rows:
        if (kind, started) in wanted:
            checked += 1
            end = wanted.pop((kind, started))
            if end != ended:
                differences.add(_of_outage(state, kind, started, {"ended_at": end}, ended))
        elif kind in kinds and not stepped and started >= max(began_at, state.began_at):
            differences.add(_of_outage(state, kind, started, None, ended))
    for (kind, started), end in wanted.items():
        differences.add(_of_outage(state, kind, started, {"ended_at": end}, None, missing=True))
    return checked


def compare_steps(
    state: PartitionState,
    found: dict[int, tuple[int, int]],
    rows: Iterable[Row],
    began_at_offset: int,
    differences: Differences,
) -> int:
    stored = {offset: tuple(times) for offset, *times in rows if offset >= began_at_offset}
    # The table has the latest 64 alone.
    kept = dict(sorted(found.items())[-64:])
    columns = ("from_time", "to_time")
    for offset in sorted(stored.keys() | kept.keys()):
        log, has = kept.get(offset), stored.get(offset)
        if log != has and not (log is None and offset in found):
            differences.add(
                Difference(
                    table="clock_steps",
                    partition=state.partition,
                    row=f"step at offset {offset}",
                    offset=offset,
                    log=dict(zip(columns, log, strict=True)) if log else None,
                    stored=dict(zip(columns, has, strict=True)) if has else None,
                )
            )
    return len(stored)


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


def _of_window(
    state: PartitionState, table: str, at: int, name: str, column: str, log: Any, stored: Any
) -> Difference:
    return Difference(
        table=table,
        partition=state.partition,
        row=f"{name} at {time_text(at)}",
        log={column: log} if log is not None else None,
        stored={column: stored} if stored is not None else None,
    )


def _of_sample(state: PartitionState, at: int, log: Any, stored: Any) -> Difference:
    columns = ("foreground", "background")
    return Difference(
        table="concurrency_samples",
        partition=state.partition,
        row=f"sample at {time_text(at)}",
        log=dict(zip(columns, log, strict=True)) if log is not None else None,
        stored=dict(zip(columns, stored, strict=True)) if stored is not None else None,
    )


def _of_outage(
    state: PartitionState,
    kind: str,
    started: int,
    log: dict[str, Any] | None,
    ended: int | None,
    *,
    missing: bool = False,
) -> Difference:
    return Difference(
        table="outages",
        partition=state.partition,
        row=f"{kind} from {time_text(started)}",
        log=log,
        stored=None if missing else {"ended_at": ended},
    )
