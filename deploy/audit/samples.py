"""What time brings, held against what the log comes to: ``concurrency_samples``,
``screen_samples``, ``live_screens``, ``outages``, ``clock_steps``. PURE."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from deploy.audit.differences import Difference, Differences, of_window, time_text
from deploy.audit.states import PartitionState

Row = tuple[Any, ...]


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
                    of_window(
                        state.partition, "screen_samples", at, screen, "foreground", wanted, has
                    )
                )
    return checked


def compare_live_screens(
    state: PartitionState, rows: Iterable[Row], differences: Differences
) -> int:
    """Which names have a row depends on the order in which they came (``(other)`` holds the rest):
    each row is right by itself, and all together are everybody."""
    log = capped(state.by_screen, len(state.by_screen))
    stored: dict[str, int] = dict(rows)
    if "(other)" in stored:
        named = stored.keys() - {"(other)"}
        log = {screen: log.get(screen, 0) for screen in named}
        log["(other)"] = state.foreground - sum(log.values())
    for screen in sorted(log.keys() | stored.keys()):
        wanted, has = log.get(screen), stored.get(screen)
        if wanted != has:
            differences.add(
                of_window(
                    state.partition, "live_screens", state.now, screen, "foreground", wanted, has
                )
            )
    return len(stored)


def capped(screens: dict[str | None, int], most: int) -> dict[str, int]:
    """The ``most`` screens with most users as themselves; of those alike the smaller names."""
    ours = ("(none)", "(other)", "(start)", "(end)")
    named = [screen for screen in screens if screen is not None and screen not in ours]
    kept = set(sorted(named, key=lambda screen: (-screens[screen], screen))[:most])
    totals: dict[str, int] = {}
    for screen, users in screens.items():
        name = "(none)" if screen is None else screen if screen in kept else "(other)"
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
