"""A report as one HTML file that loads nothing. PURE."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Final

from deploy.simulate.report.chart import STYLE, Axis, Line, picture
from deploy.simulate.report.result import Report
from deploy.simulate.report.words import (
    DETECTION_HEADINGS,
    DWELL_HEADINGS,
    PLOTTED,
    about_run,
    detection_rows,
    duration,
    dwell_rows,
    headline,
)

_PAGE_STYLE: Final = Path(__file__).with_name("page.css").read_text("utf-8")


def page(report: Report) -> str:
    """The file's text."""
    title = f"Accuracy of {report.run.url}"
    body = "\n".join(
        [
            f"<h1>{escape(title)}</h1>",
            f"<p>{escape(about_run(report))}</p>",
            f'<div class="figures">{"".join(_figures(report))}</div>',
            _count_section(report),
            _section(
                "Time to detect",
                "From a change on a phone to the first look at the list that showed it. Unseen: "
                "another change came first. A departure without a word is found by silence.",
                _detection_picture(report) + _table(DETECTION_HEADINGS, detection_rows(report)),
            ),
            _section(
                "States, in user-hours",
                "Rows: the truth. Columns: what was shown.",
                _states(report),
            ),
            _section(
                "Dwell by screen",
                "Time in the foreground that was true, and that was shown.",
                _table(DWELL_HEADINGS, dwell_rows(report)),
            ),
            _section("How it was seen", _looks(report), ""),
        ]
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>\n{STYLE}{_PAGE_STYLE}</style>\n</head>\n"
        f"<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


def _figures(report: Report) -> list[str]:
    return [
        f'<div class="figure {each.mood}">{escape(each.name)}<b>{escape(each.value)}</b>'
        f'<span class="about">{escape(each.about)}</span></div>'
        for each in headline(report)
    ]


def _count_section(report: Report) -> str:
    series = report.count.series
    unit, name = (60.0, "minutes") if report.run.seconds >= 180 else (1.0, "seconds")
    time = Axis(f"{name} since the beginning")
    lines = [
        Line("users online in truth", [(at / unit, true) for at, true, _ in series], 1),
        Line("the public count", [(at / unit, shown) for at, _, shown in series], 3, dashed=True),
    ]
    error = [Line("count − truth", [(at / unit, shown - true) for at, true, shown in series], 4)]
    return _section(
        "The count over time",
        "Who left without a word is counted until the rule's window is over.",
        picture("Users online", lines, time, Axis("users", ceiling=1))
        + picture("Error of the count", error, time, Axis("users", ceiling=1)),
    )


def _detection_picture(report: Report) -> str:
    found = [(what, report.detection[what]) for what in PLOTTED if what in report.detection]
    lines = [
        Line(what, [(seconds, 100 * share) for seconds, share in each.curve], color)
        for color, (what, each) in enumerate(found, 1)
        if each.curve
    ]
    if not lines:
        return ""
    seconds = Axis("seconds since the change", floor=0.1, is_log=True)
    share = Axis("seen, in %", ceiling=100)
    return picture("How many were seen how soon", lines, seconds, share)


def _states(report: Report) -> str:
    shown = ("foreground", "background", "offline")
    rows = [
        (true, *(f"{report.user_hours.get(true, {}).get(each, 0.0):,.3f}" for each in shown))
        for true in ("foreground", "background", "away")
    ]
    return _table(("", *(f"shown {each}" for each in shown)), rows)


def _looks(report: Report) -> str:
    looks, run = report.looks, report.run
    text = (
        f"{looks.lists:,} complete lists, {looks.failed:,} looks that failed, {looks.stale:,} "
        f"stale; age of a list p50 {duration(looks.age_p50)}, p95 {duration(looks.age_p95)}. "
        f"The feed told {looks.feed_changes:,} changes in {looks.feed_events:,} events, p50 "
        f"{duration(looks.feed_delay_p50)} and p95 {duration(looks.feed_delay_p95)} after the log; "
        f"times it was opened: {looks.feed_opened:,}."
    )
    if run.other_users:
        text += (
            f" Up to {run.other_users:,} users on the list are none of this simulation: they are "
            "taken off the count."
        )
    return text


def _section(title: str, text: str, inside: str) -> str:
    return f"<section><h2>{escape(title)}</h2><p>{escape(text)}</p>{inside}</section>"


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(each)}</th>" for each in headings)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
