"""Engagement by screen, version and platform, against a recount of the visits in plain Python."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any

import psycopg

from tests.integration.processor.rollup_oracle import HOUR, QUARTER, Source, floor, histogram, ms_of
from tests.rigs.maintenance_rig import PARTITIONS, copy, fill, run, set_as_of, utc

START = utc(2026, 5, 4, 20)
VERSIONS = [*(f"1.{n}.0" for n in range(14)), None, "(none)"]
PLATFORMS = ["ios", "iOS", "android", None]
SCREENS = ["Home", "Cart", None, "(other)", "(start)"]
#: None is called as ours are.
OURS = {"(none)", "(start)", "(end)", "(suppressed)"}


@dataclass(frozen=True)
class Visit:
    user: str
    state: str
    screen: str | None
    version: str | None
    platform: str | None
    started: datetime
    ended: datetime
    ended_by: str
    is_view: bool
    shown_until: datetime


@dataclass(frozen=True)
class Ended:
    """A session."""

    user: str
    exit_screen: str | None
    version: str | None
    platform: str | None
    ended: datetime
    views: int


def random_visits(seed: int, count: int, hours: int, screens: list[str | None]) -> list[Visit]:
    random, found = Random(seed), []
    for _ in range(count):
        ended = START + timedelta(milliseconds=random.randrange(hours * 3_600_000))
        dwell = timedelta(milliseconds=random.choice([0, 249, 250, 5_000, 90_000, 40_000_000]))
        shown_for = timedelta(minutes=random.choice([0, 0, 5, 400]))
        found.append(
            Visit(
                f"user-{random.randrange(30)}",
                random.choice(["foreground", "foreground", "background"]),
                random.choice(screens),
                # The first ones have the most.
                VERSIONS[min(random.randrange(16), random.randrange(16))],
                random.choice(PLATFORMS),
                *(ended - dwell, ended),
                random.choice(["navigated", "timed_out", "disconnected", "continued"]),
                random.choice([True, False]),
                ended + shown_for,
            )
        )
    return found


def random_sessions(seed: int, count: int, hours: int) -> list[Ended]:
    random = Random(seed)
    return [
        Ended(
            f"user-{random.randrange(30)}",
            random.choice(SCREENS),
            random.choice(VERSIONS),
            random.choice(PLATFORMS),
            START + timedelta(milliseconds=random.randrange(hours * 3_600_000)),
            random.choice([0, 1, 4]),
        )
        for _ in range(count)
    ]


def store(
    url: str, visits: Iterable[Visit], sessions: Iterable[Ended] = (), place: int = 0
) -> None:
    with psycopg.connect(url) as db:
        copy(
            db,
            'spans (shown_until, "partition", log_offset, event_index, ordinal, user_id, device,'
            " state, screen, started_at, changed_at, ended_at, ended_by, is_view, session_start,"
            " online_since, app_version, platform)",
            [
                (
                    *(v.shown_until, 0, place + n, 0, 0, v.user, "d", v.state, v.screen, v.started),
                    *(v.started, v.ended, v.ended_by, v.is_view, v.started, v.started),
                    *(v.version, v.platform),
                )
                for n, v in enumerate(visits)
            ],
        )
        copy(
            db,
            'sessions (shown_until, "partition", log_offset, event_index, ordinal, user_id, device,'
            " started_at, ended_at, ended_by, views, visits, foreground_ms, exit_screen,"
            " app_version, platform)",
            [
                (
                    *(s.ended, 0, place + n, 0, 0, s.user, "d", s.ended, s.ended, "logged_out"),
                    *(s.views, s.views, 0, s.exit_screen, s.version, s.platform),
                )
                for n, s in enumerate(sessions)
            ],
        )


def called(name: str | None) -> str:
    if name is None:
        return "(none)"
    return "(other)" if name in OURS else name


def recount(visits: list[Visit], sessions: list[Ended], until: datetime) -> dict[Any, Any]:
    """By hour, screen, version and platform: everything that the table says of it."""
    by_hour: defaultdict[datetime, list[tuple[Any, ...]]] = defaultdict(list)
    for v in visits:
        if v.state == "foreground" and v.ended < until:
            platform = None if v.platform is None else v.platform.lower()
            key = (called(v.screen), called(v.version), called(platform))
            by_hour[floor(v.ended, HOUR)].append((key, v.user, v))
    for s in sessions:
        if s.views and s.ended < until:
            platform = None if s.platform is None else s.platform.lower()
            key = (called(s.exit_screen), called(s.version), called(platform))
            by_hour[floor(s.ended, HOUR)].append((key, s.user, s))
    found = {}
    for hour, ends in by_hour.items():
        shown = []
        for place, most in enumerate((200, 10, 10)):
            visited = Counter({key[place]: 0 for key, *_ in ends})
            visited.update(key[place] for key, _, end in ends if isinstance(end, Visit))
            shown.append(sorted(visited, key=lambda name: (-visited[name], name))[:most])
        rows: defaultdict[Any, list[tuple[str, Any]]] = defaultdict(list)
        for key, user, end in ends:
            names = tuple(n if n in kept else "(other)" for n, kept in zip(key, shown, strict=True))
            rows[hour, *names].append((user, end))
        for name, of in rows.items():
            seen = [end for _, end in of if isinstance(end, Visit)]
            left = [end for _, end in of if isinstance(end, Ended)]
            dwells = [ms_of(v.ended - v.started) for v in seen]
            silent = [
                ms
                for v, ms in zip(seen, dwells, strict=True)
                if v.ended_by in {"timed_out", "disconnected"}
            ]
            found[name] = (
                *(sum(v.is_view for v in seen), len(seen), sum(dwells), sum(silent)),
                histogram(dwells),
                *(len(left), sum(s.views == 1 for s in left), len({user for user, _ in of})),
            )
    return found


def counted(url: str) -> dict[Any, Any]:
    with psycopg.connect(url, options="-c timezone=UTC") as db:
        return {
            tuple(row[:4]): (*row[4:8], tuple(row[8]), *row[9:])
            for row in db.execute(
                "SELECT hour, screen, app_version, platform, views, visits, dwell_ms,"
                " silent_dwell_ms, dwell_histogram, exits, bounces, users FROM screen_version_hours"
            ).fetchall()
        }


def test_every_hour_is_a_recount_of_its_visits(database_url: str) -> None:
    visits, sessions = random_visits(1, 900, 6, SCREENS), random_sessions(2, 200, 6)
    source, as_of = Source(PARTITIONS, "Asia/Kolkata"), START + timedelta(hours=5, minutes=45)
    fill(database_url, source, as_of)
    store(database_url, visits, sessions)
    run(database_url)
    # The sixth hour is not over.
    assert counted(database_url) == recount(visits, sessions, START + 5 * HOUR)
    with psycopg.connect(database_url) as db:
        set_as_of(db, source, START + 7 * HOUR)
    run(database_url)
    found = counted(database_url)
    assert found == recount(visits, sessions, START + 6 * HOUR)
    for hour in {hour for hour, *_ in found}:
        versions = {version for at, _, version, _ in found if at == hour}
        assert "(other)" in versions
        assert len(versions - {"(other)"}) <= 10


def test_of_an_hour_200_screens_are_told_apart(database_url: str) -> None:
    visits = random_visits(3, 2_000, 1, [f"Film {n}" for n in range(300)])
    fill(database_url, Source(PARTITIONS, "UTC"), START + 2 * HOUR)
    store(database_url, visits)
    with psycopg.connect(database_url) as db:
        db.execute("INSERT INTO concurrency_samples VALUES (%s, 0, 0, 0)", (START,))
    run(database_url)
    found = counted(database_url)
    assert found == recount(visits, [], START + HOUR)
    assert len({screen for _, screen, *_ in found}) == 201


def test_what_comes_late_is_counted_and_what_is_erased_stays(database_url: str) -> None:
    visits, sessions = random_visits(4, 300, 3, SCREENS), random_sessions(5, 60, 3)
    fill(database_url, Source(PARTITIONS, "UTC"), START + 4 * HOUR)
    store(database_url, visits, sessions)
    run(database_url)
    late = random_visits(6, 40, 3, SCREENS)
    store(database_url, late, place=10_000)
    note_late(database_url, late)
    run(database_url)
    before = counted(database_url)
    assert before == recount(visits + late, sessions, START + 3 * HOUR)
    # An erasure took a visit of the second hour (processor/store/privacy.sql), and something comes
    # late for every hour: that one keeps what was counted.
    later = random_visits(7, 40, 3, SCREENS)
    with psycopg.connect(database_url) as db:
        db.execute("DELETE FROM spans WHERE log_offset = 0")
        db.execute("INSERT INTO erased_quarters VALUES (%s)", (START + HOUR + QUARTER,))
    store(database_url, later, place=20_000)
    note_late(database_url, later)
    run(database_url)
    found, wanted = (
        counted(database_url),
        recount(visits[1:] + late + later, sessions, START + 3 * HOUR),
    )
    erased = START + HOUR
    assert {k: v for k, v in found.items() if k[0] == erased} == {
        k: v for k, v in before.items() if k[0] == erased
    }
    untouched = {erased, floor(visits[0].ended, HOUR)}
    assert {k: v for k, v in found.items() if k[0] not in untouched} == {
        k: v for k, v in wanted.items() if k[0] not in untouched
    }


def note_late(url: str, visits: list[Visit]) -> None:
    with psycopg.connect(url) as db:
        db.cursor().executemany(
            "INSERT INTO late_quarters VALUES (%s, 0, 1) ON CONFLICT DO NOTHING",
            [(floor(v.ended, QUARTER),) for v in visits],
        )


def test_hours_go_after_their_days(database_url: str) -> None:
    visits = random_visits(8, 100, 2, SCREENS)
    fill(database_url, Source(PARTITIONS, "UTC"), START + 3 * HOUR)
    store(database_url, visits, random_sessions(9, 10, 2))
    run(database_url)
    with psycopg.connect(database_url) as db:
        db.execute(
            "INSERT INTO screen_version_hours SELECT hour - interval '4 days', dwell_ms,"
            " silent_dwell_ms, views, visits, exits, bounces, users, screen, app_version, platform,"
            " dwell_histogram FROM screen_version_hours"
        )
    run(database_url, screen_versions_retention_days=2)
    assert {hour for hour, *_ in counted(database_url)} == {START, START + HOUR}
