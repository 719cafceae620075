"""A fleet of two weeks whose every visit is known, with screens that mean no good."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from math import ceil
from typing import Final

import psycopg

from tests.e2e.browser import HOSTILE
from tests.integration.processor.rollup_oracle import DAY
from tests.integration.processor.small_fleet import Fleet, small_fleet, store
from tests.rigs.api_harness import Table
from tests.rigs.maintenance_rig import run

ZONE: Final = "Europe/Berlin"
#: What a page might take for HTML, for an entity, for a template and for TeX.
PSEUDO: Final = '<b>Sale</b> <a href="javascript:window.owned=1">&lt;50&#37;</a> %{label} $\\alpha$'
#: So long nothing was counted.
OUTAGE: Final = timedelta(minutes=40)


def a_moment_ago() -> datetime:
    """In whole milliseconds, as the log has them."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


def fleet_of_weeks(as_of: datetime) -> Fleet:
    """The same for the same instant. A user's session has one name for each kind of screen, so
    there are more screens than a chart of transitions names."""
    fleet = small_fleet(11, ZONE, as_of, 15)
    for session in fleet.sessions:
        number = int(session.user.partition("-")[2])
        names = {"Cart": f"Cart {number % 13}", "Checkout": (HOSTILE, PSEUDO)[number % 2]}
        for visit in session.visits:
            visit.screen = names.get(visit.screen, visit.screen)
    return fleet


def outage_of(fleet: Fleet) -> datetime:
    """Its start: noon, two days before the last."""
    day = fleet.day(fleet.as_of) - 2 * DAY
    return datetime(day.year, day.month, day.day, 12, tzinfo=fleet.zone).astimezone(UTC)


@dataclass(frozen=True)
class Filled:
    """Name of a database with the fleet of that instant, for tests to copy."""

    database: str
    as_of: datetime


def fill(url: str, fleet: Fleet) -> None:
    """Rolled up; three people are on `Home` now."""
    store(url, fleet)
    start = outage_of(fleet)
    with psycopg.connect(url) as db:
        db.execute(
            "DELETE FROM concurrency_samples WHERE at >= %s AND at < %s", (start, start + OUTAGE)
        )
        db.execute(
            'INSERT INTO outages ("partition", kind, started_at, ended_at)'
            " VALUES (0, 'jump', %s, %s)",
            (start, start + OUTAGE),
        )
    run(url)
    table = Table(url)
    for number in range(3):
        table.user(f"now-{number}", screen="Home")
    table.close()


def by_screen(fleet: Fleet, start: datetime, end: datetime) -> dict[str, ScreenCount]:
    """What happened on each screen, counted visit by visit."""
    found: dict[str, ScreenCount] = {}

    def of(screen: str) -> ScreenCount:
        return found.setdefault(screen, ScreenCount())

    for session, visit in fleet.visits():
        if start <= visit.started < end:
            of(visit.screen).views += visit.is_view
            of(visit.screen).users.add(session.user)
        if start <= visit.ended < end:
            of(visit.screen).dwells.append(visit.dwell_ms)
            of(visit.screen).silent_ms += visit.dwell_ms * session.is_silent(visit)
    for session in fleet.sessions:
        if start <= session.ended < end:
            of(session.views[-1].screen).exits += 1
            of(session.views[-1].screen).bounces += len(session.views) == 1
    return found


class ScreenCount:
    """Of one screen."""

    def __init__(self) -> None:
        self.views = self.exits = self.bounces = self.silent_ms = 0
        self.users: set[str] = set()
        self.dwells: list[int] = []

    def percentile(self, fraction: float) -> int:
        return sorted(self.dwells)[ceil(fraction * len(self.dwells)) - 1]


def transitions(fleet: Fleet, start: datetime, end: datetime) -> Counter[tuple[str, str]]:
    """From each view to the next one."""
    found: Counter[tuple[str, str]] = Counter()
    for session in fleet.sessions:
        names = ["(start)", *(view.screen for view in session.views), "(end)"]
        instants = [*(view.started for view in session.views), session.ended]
        for pair, at in zip(pairwise(names), instants, strict=True):
            found[pair] += start <= at < end
    return +found


def folded(pairs: Counter[tuple[str, str]], top: int) -> tuple[Counter[tuple[str, str]], int]:
    """All screens but the ``top`` as ``(other)``, and how many these are."""
    busy: Counter[str] = Counter()
    for pair, count in pairs.items():
        for screen in pair:
            busy[screen] += count
    screens = sorted(set(busy) - {"(start)", "(end)"}, key=lambda name: (-busy[name], name))
    rest = set(screens[top:])
    found: Counter[tuple[str, str]] = Counter()
    for (source, target), count in pairs.items():
        name = "(other)" if source in rest else source, "(other)" if target in rest else target
        found[name] += count
    return found, len(rest)


def active_days(fleet: Fleet) -> dict[str, set[date]]:
    """The days on which each user was in the foreground."""
    days: dict[str, set[date]] = {}
    for session, visit in fleet.visits():
        days.setdefault(session.user, set()).update(
            (fleet.day(visit.started), fleet.day(visit.ended))
        )
    return days


def sampled(fleet: Fleet) -> dict[datetime, int]:
    """Users online at the sampled instants, the outage left out."""
    start = outage_of(fleet)
    return {at: users for at, users in fleet.online().items() if not start <= at < start + OUTAGE}
