"""What a report says: ``report.json``, as ``report.schema.json`` describes it. PURE."""

from __future__ import annotations

import inspect
from typing import Any, Final

import msgspec

from deploy.simulate.behaviour import State
from deploy.simulate.report.counts import Counts
from deploy.simulate.report.durations import Durations
from deploy.simulate.report.ledger import Sums

VERSION: Final = 1


class Run(msgspec.Struct, frozen=True):
    """What was simulated. ``trouble`` is the network's, by option, where it is not 0. Times are
    RFC 3339. ``other_users`` is the most users on the list at once who were not simulated."""

    url: str
    began_at: str
    seconds: float
    users: int
    phones: int
    phones_on_sockets: int
    seed: int
    window_seconds: float
    trouble: dict[str, float]
    other_users: int


class FalseOffline(msgspec.Struct, frozen=True):
    """In the foreground and shown offline. ``not_yet_seen``: since an arrival nothing was shown;
    ``dropped``: who had been shown was shown no more. ``rate`` is dropped time by time in the
    foreground; ``dropped_per_1000_hours`` are episodes of 1,000 user-hours in the foreground."""

    rate: float
    dropped_seconds: float
    dropped_episodes: int
    dropped_per_1000_hours: float
    not_yet_seen_seconds: float


class FalseOnline(msgspec.Struct, frozen=True):
    """Away and shown online. ``within_rule``: a departure without a word, until the rule's window
    is over, and 5 s of any departure; ``beyond_rule`` is the rest. ``rate`` is time beyond the rule
    by time away."""

    rate: float
    within_rule_seconds: float
    beyond_rule_seconds: float
    beyond_rule_episodes: int


class Detection(msgspec.Struct, frozen=True):
    """From a change to the first look that showed it, in seconds, to 2 %; ``null`` of none.
    ``unseen`` are changes that another one overtook before. ``curve``: seconds, and the share
    that took no longer."""

    count: int
    p50: float | None
    p95: float | None
    p99: float | None
    longest: float | None
    unseen: int
    curve: list[tuple[float, float]]


class CountError(msgspec.Struct, frozen=True):
    """The public count less the truth, in users. ``series`` are looks: seconds since the beginning,
    true, shown."""

    looks: int
    mean: float
    mean_absolute: float
    p95_absolute: int
    largest_absolute: int
    series: list[tuple[float, int, int]]


class ScreenDwell(msgspec.Struct, frozen=True):
    """Foreground time on a screen, in user-seconds. ``error`` is relative to the true one; ``null``
    where nobody was there."""

    screen: str
    true_seconds: float
    shown_seconds: float
    error: float | None


class Acknowledged(msgspec.Struct, frozen=True):
    """Heartbeats and logouts that phones were told are in the log. ``missing`` of them are not
    there; ``null``: the log was not asked (``--recount``)."""

    heartbeats: int
    logouts: int
    missing: int | None


class Looks(msgspec.Struct, frozen=True):
    """How the API was watched: complete lists, looks that failed, lists that were stale, the age of
    a list (its ``as_of`` by this machine's clock), events and changes of the feed, the time from a
    change in the log to its arrival here, and how often the feed was opened."""

    lists: int
    failed: int
    stale: int
    age_p50: float | None
    age_p95: float | None
    feed_events: int
    feed_changes: int
    feed_delay_p50: float | None
    feed_delay_p95: float | None
    feed_opened: int


class Report(msgspec.Struct, frozen=True):
    """``user_hours`` are by true and shown state. ``detection`` is by what happened."""

    version: int
    run: Run
    user_hours: dict[str, dict[str, float]]
    false_offline: FalseOffline
    false_online: FalseOnline
    false_foreground_seconds: float
    detection: dict[str, Detection]
    count: CountError
    dwell: list[ScreenDwell]
    acknowledged: Acknowledged
    looks: Looks


def made(run: Run, sums: Sums, counts: Counts, acknowledged: Acknowledged, looks: Looks) -> Report:
    """The report of what was summed up."""
    hours: dict[str, dict[str, float]] = {}
    for (true, shown), seconds in sorted(sums.by_states.items(), key=lambda each: each[0][1]):
        hours.setdefault(true.value, {})[shown] = round(seconds / 3600, 4)
    in_state = {
        state: sum(s for (true, _), s in sums.by_states.items() if true is state) for state in State
    }
    foreground, away = in_state[State.FOREGROUND], in_state[State.AWAY]
    return Report(
        version=VERSION,
        run=run,
        user_hours=hours,
        false_offline=FalseOffline(
            rate=_share(sums.dropped, foreground),
            dropped_seconds=round(sums.dropped, 1),
            dropped_episodes=sums.dropped_episodes,
            dropped_per_1000_hours=round(
                3_600_000 * sums.dropped_episodes / foreground if foreground else 0.0, 2
            ),
            not_yet_seen_seconds=round(sums.not_yet_seen, 1),
        ),
        false_online=FalseOnline(
            rate=_share(sums.beyond_rule, away),
            within_rule_seconds=round(sums.within_rule, 1),
            beyond_rule_seconds=round(sums.beyond_rule, 1),
            beyond_rule_episodes=sums.beyond_rule_episodes,
        ),
        false_foreground_seconds=round(sums.by_states[State.BACKGROUND, "foreground"], 1),
        detection={
            what: _detection(sums.detected.get(what) or Durations(), sums.unseen.get(what, 0))
            for what in sorted({*sums.detected, *sums.unseen})
        },
        count=CountError(
            looks=counts.looks,
            mean=round(counts.mean_error, 3),
            mean_absolute=round(counts.mean_absolute_error, 3),
            p95_absolute=counts.absolute_percentile(0.95),
            largest_absolute=max(counts.errors, default=0),
            series=[(round(each.at, 1), each.true, each.shown) for each in counts.kept],
        ),
        dwell=[
            _dwell(screen, sums.true_dwell.get(screen, 0.0), sums.shown_dwell.get(screen, 0.0))
            for screen in sorted({*sums.true_dwell, *sums.shown_dwell})
        ],
        acknowledged=acknowledged,
        looks=looks,
    )


def _share(part: float, whole: float) -> float:
    return round(part / whole, 6) if whole else 0.0


def _detection(durations: Durations, unseen: int) -> Detection:
    p50, p95, p99 = (durations.percentile(share) for share in (0.5, 0.95, 0.99))
    longest = round(durations.longest, 3) if durations.count else None
    return Detection(durations.count, p50, p95, p99, longest, unseen, durations.curve())


def _dwell(screen: str, true: float, shown: float) -> ScreenDwell:
    error = round((shown - true) / true, 4) if true else None
    return ScreenDwell(screen, round(true, 1), round(shown, 1), error)


def schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of ``report.json``, with the words of the classes above."""
    kinds: list[type[msgspec.Struct]] = [Report, *_parts()]
    (_, parts) = msgspec.json.schema_components(kinds, ref_template="#/$defs/{name}")
    for kind in kinds:
        parts[kind.__name__]["description"] = " ".join(
            (inspect.getdoc(kind) or "").split()
        ).replace("``", "`")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "report.json of rollcall simulate --report",
        "$ref": "#/$defs/Report",
        "$defs": parts,
    }


def _parts() -> list[type[msgspec.Struct]]:
    return [Run, FalseOffline, FalseOnline, Detection, CountError, ScreenDwell, Acknowledged, Looks]
