"""The few figures that a report is about, in words, for the page and the terminal alike. PURE."""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

from deploy.simulate.report.result import Report

Mood: TypeAlias = Literal["plain", "bad"]


class Figure(NamedTuple):
    """``mood`` is bad where a figure should be 0 and is not, whatever the network did."""

    name: str
    value: str
    about: str
    mood: Mood = "plain"


def headline(report: Report) -> list[Figure]:
    """What somebody reads first."""
    offline, online, count = report.false_offline, report.false_online, report.count
    acknowledged = report.acknowledged
    sent = acknowledged.heartbeats + acknowledged.logouts
    unasked = "the log was not asked: --recount"
    missing = "not counted" if acknowledged.missing is None else f"{acknowledged.missing:,}"
    return [
        Figure(
            "False offline",
            percent(offline.rate),
            f"of the time in the foreground; {_episodes(offline.dropped_episodes)}, "
            f"{offline.dropped_per_1000_hours:,.1f} in 1,000 user-hours",
            "bad" if offline.dropped_episodes and not report.run.trouble else "plain",
        ),
        Figure(
            "False online",
            percent(online.rate),
            f"of the time away, beyond the rule's {report.run.window_seconds:g} s of silence; "
            f"{_episodes(online.beyond_rule_episodes)}",
            "bad" if online.beyond_rule_episodes and not report.run.trouble else "plain",
        ),
        Figure(
            "Error of the count",
            f"{count.mean_absolute:,.1f}",
            f"users on average ({count.mean:+,.1f} with its sign), {count.p95_absolute:,} at most "
            "in 95 % of looks; phones that left without a word are most of it",
        ),
        Figure(
            "Acknowledged and missing",
            missing,
            f"of {sent:,} heartbeats and logouts"
            + (f"; {unasked}" if acknowledged.missing is None else ""),
            "bad" if acknowledged.missing else "plain",
        ),
    ]


def about_run(report: Report) -> str:
    """One line: who, for how long, over what network."""
    run = report.run
    trouble = ", ".join(_spelled(name, value) for name, value in run.trouble.items())
    return (
        f"{run.users:,} users with {run.phones:,} phones, {run.phones_on_sockets:,} of them on "
        f"sockets, for {duration(run.seconds)} from {run.began_at} (seed {run.seed}); network: "
        f"{trouble or 'as it is'}"
    )


def detection_rows(report: Report) -> list[tuple[str, ...]]:
    """Name, count, p50, p95, p99, longest, unseen."""
    return [
        (
            what,
            f"{found.count:,}",
            *(duration(each) for each in (found.p50, found.p95, found.p99, found.longest)),
            f"{found.unseen:,}",
        )
        for what, found in report.detection.items()
    ]


def dwell_rows(report: Report) -> list[tuple[str, ...]]:
    """Screen, true, shown, error; the longest first."""
    rows = sorted(report.dwell, key=lambda each: -each.true_seconds)
    return [
        (
            each.screen,
            duration(each.true_seconds),
            duration(each.shown_seconds),
            "–" if each.error is None else f"{100 * each.error:+.1f} %",
        )
        for each in rows
    ]


#: What a picture has room for.
PLOTTED = (
    "arrival",
    "screen change",
    "departure, logged out",
    "departure, closed its socket",
    "departure, without a word",
)
DETECTION_HEADINGS = ("change", "seen", "p50", "p95", "p99", "longest", "unseen")
DWELL_HEADINGS = ("screen", "true", "shown", "error")


def percent(share: float) -> str:
    """Three digits after the point for what is small."""
    if share == 0:
        return "0 %"
    return f"{100 * share:.3f} %" if share < 0.01 else f"{100 * share:.1f} %"


def duration(seconds: float | None) -> str:
    """In the unit that a reader takes."""
    if seconds is None:
        return "–"
    if seconds >= 7200:
        return f"{seconds / 3600:,.1f} h"
    if seconds >= 180:
        return f"{seconds / 60:.1f} min"
    return f"{seconds:.1f} s" if seconds >= 1 else f"{1000 * seconds:.0f} ms"


def _episodes(number: int) -> str:
    return f"{number:,} episode{'s' * (number != 1)}"


def _spelled(name: str, value: float) -> str:
    words = name.removesuffix("_seconds").replace("_", " ")
    return f"{words} {value:g} s" if name.endswith("_seconds") else f"{words} {100 * value:g} %"
