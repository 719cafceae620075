"""Rollups against a recount in plain Python, in zones where days are not 24 hours from midnight."""

from __future__ import annotations

from datetime import datetime, timedelta
from random import Random

import psycopg
import pytest

from tests.integration.processor.rollup_oracle import Source
from tests.rigs.maintenance_rig import (
    add_visit,
    assert_equals_recount,
    everything,
    fill,
    late_visit,
    late_visitor,
    random_source,
    rollups,
    run,
    set_as_of,
    utc,
)

#: Zone, and an evening before a day that is special there.
BOTH = ("America/St_Johns", utc(2026, 3, 7, 22, 45))  # 23 hours, half an hour from UTC
ZONES = [
    BOTH,
    ("America/Havana", utc(2025, 11, 1, 21)),  # 25 hours, midnight twice
    ("Pacific/Auckland", utc(2026, 4, 30, 1)),  # a day of two months (UTC)
]
MORE_ZONES = [
    pytest.param(*zone, marks=pytest.mark.long)
    for zone in (
        ("Europe/Berlin", utc(2026, 3, 28, 20)),  # 23 hours
        ("Europe/Berlin", utc(2025, 10, 25, 20)),  # 25 hours
        ("Asia/Kolkata", utc(2026, 2, 10, 10)),  # half an hour from UTC
        ("UTC", utc(2026, 1, 1)),
    )
]


@pytest.fixture
def database_url(cleared_database_url: str) -> str:
    return cleared_database_url


@pytest.mark.parametrize(("zone", "start"), [*ZONES, *MORE_ZONES])
def test_every_rollup_equals_a_recount(zone: str, start: datetime, database_url: str) -> None:
    source = random_source(start.day, start, 53, zone)
    as_of = start + timedelta(hours=54, minutes=7)
    fill(database_url, source, as_of)
    run(database_url)
    assert_equals_recount(database_url, source, as_of)
    assert len(rollups(database_url)["active_user_days"]) >= 2


@pytest.mark.parametrize(("zone", "start"), [BOTH, *MORE_ZONES])
def test_many_short_runs_leave_what_one_long_run_does(
    zone: str, start: datetime, database_url: str
) -> None:
    random = Random(start.day)
    source = random_source(7, start, 40, zone, per_hour=6)
    end = start + timedelta(hours=42)
    as_of = start
    fill(database_url, source, as_of)
    while as_of < end:
        as_of = min(end, as_of + timedelta(minutes=random.choice([1, 14, 45, 200, 600])))
        with psycopg.connect(database_url) as db:
            set_as_of(db, source, as_of)
        run(database_url)
    assert_equals_recount(database_url, source, end)


def test_running_again_changes_nothing(database_url: str) -> None:
    start = utc(2026, 5, 4, 20)
    fill(database_url, random_source(1, start, 30, "UTC"), start + timedelta(hours=31))
    run(database_url)
    # The second run knows how far everything is, and notes from when on it is kept.
    run(database_url)
    left = everything(database_url)
    run(database_url)
    assert everything(database_url) == left


@pytest.mark.parametrize(
    "zone", ["America/St_Johns", pytest.param("Europe/Berlin", marks=pytest.mark.long)]
)
def test_what_came_late_is_in_its_quarter_and_its_day(zone: str, database_url: str) -> None:
    start = utc(2026, 3, 28, 12)
    source = random_source(3, start, 50, zone)
    as_of = start + timedelta(hours=51)
    fill(database_url, source, as_of)
    run(database_url)
    random = Random(5)
    for offset in range(30):
        at = start + timedelta(minutes=random.randrange(50 * 60))
        late_visit(database_url, source, at, offset=offset, random=random)
    run(database_url)
    assert_equals_recount(database_url, source, as_of)
    with psycopg.connect(database_url) as db:
        assert db.execute("SELECT count(*) FROM late_days").fetchone() == (0,)
        # Those of quarters that are not rolled up for the first time yet wait for it.
        assert db.execute("SELECT count(*) FROM late_quarters").fetchone() != (30,)


def test_a_late_user_day_is_in_the_weeks_and_months_that_hold_it(database_url: str) -> None:
    start = utc(2026, 3, 20)
    source = random_source(3, start, 80, "UTC", per_hour=1)
    as_of = start + timedelta(hours=81)
    fill(database_url, source, as_of)
    run(database_url)
    day = start.date() + timedelta(1)
    source.user_days[day, "somebody else"] = True
    late_visit(database_url, source, start + timedelta(hours=30), offset=1, random=Random(1))
    with psycopg.connect(database_url) as db:
        db.execute("INSERT INTO user_days VALUES (%s, 'somebody else', 0, true)", (day,))
    run(database_url)
    assert_equals_recount(database_url, source, as_of)


def test_nothing_is_rolled_up_before_every_partition_has_something(database_url: str) -> None:
    start = utc(2026, 5, 4)
    source = random_source(1, start, 5, "UTC")
    fill(database_url, source, start + timedelta(hours=6))
    with psycopg.connect(database_url) as db:
        db.execute('UPDATE stream_offsets SET log_time = NULL WHERE "partition" = 1')
    run(database_url)
    assert not any(rollups(database_url).values())


def test_quarters_wait_for_half_an_hour(database_url: str) -> None:
    source = Source(1, "UTC")
    start = utc(2026, 5, 4, 10)
    for minutes in (1, 16):
        add_visit(source, Random(1), start + timedelta(minutes=minutes))
    fill(database_url, source, start + timedelta(minutes=44, seconds=59))
    run(database_url)
    assert rollups(database_url)["screen_quarters"] == {}
    with psycopg.connect(database_url) as db:
        set_as_of(db, source, start + timedelta(minutes=45))
    run(database_url)
    assert {key[0] for key in rollups(database_url)["screen_quarters"]} == {start}


def test_what_a_step_back_brings_of_the_quarter_before_the_first_is_rolled_up(
    database_url: str,
) -> None:
    source = Source(1, "UTC")
    add_visit(source, Random(1), utc(2026, 5, 4, 10, 16))
    fill(database_url, source, utc(2026, 5, 4, 10, 17))
    run(database_url)
    # The processor does not call it late: no quarter-hour is rolled up so soon after its end.
    add_visit(source, Random(1), utc(2026, 5, 4, 10, 13))
    fill(database_url, source, utc(2026, 5, 4, 11))
    run(database_url)
    quarters = {key[0] for key in rollups(database_url)["screen_quarters"]}
    assert quarters == {utc(2026, 5, 4, 10), utc(2026, 5, 4, 10, 15)}


def test_rollups_do_not_go_back_with_log_time_and_get_what_it_brings_in_its_second_pass(
    database_url: str,
) -> None:
    start = utc(2026, 5, 4, 6)
    source = random_source(4, start, 30, "Asia/Kolkata")
    fill(database_url, source, start + timedelta(hours=31))
    run(database_url)
    before = rollups(database_url)
    # The broker's clock was hours ahead, and has been put right.
    back = start + timedelta(hours=9)
    with psycopg.connect(database_url) as db:
        set_as_of(db, source, back)
        db.execute(
            "INSERT INTO clock_steps VALUES (0, 1, %s, %s)", (start + timedelta(hours=31), back)
        )
    run(database_url)
    assert rollups(database_url) == before
    random = Random(1)
    for n in range(20):
        at = back + timedelta(minutes=n * 40)
        late_visit(database_url, source, at, offset=n, random=random)
        late_visitor(database_url, source, at, offset=n)
    run(database_url)
    as_of = start + timedelta(hours=32)
    with psycopg.connect(database_url) as db:
        set_as_of(db, source, as_of)
    run(database_url)
    assert_equals_recount(database_url, source, as_of)


def test_screens_beyond_the_cap_share_the_users_of_other(database_url: str) -> None:
    at = utc(2026, 5, 4, 10, 5)
    source = Source(1, "UTC")
    row = (1, 1, 1000, 0, (0, 1), 0, 0)
    source.minutes = {(at, 0, "Home"): row, (at, 0, "(other)"): row}
    source.changes = [
        (at, "foreground", "navigated", screen, user)
        for screen, user in [
            *(("Home", "a"), ("P1", "a"), ("P2", "a"), ("P2", "b"), (None, "c")),
            # Names of ours are no screen's.
            *((name, "d") for name in ("(none)", "(start)", "(end)", "(other)")),
        ]
    ]
    # In another hour nothing was beyond it.
    later = at + timedelta(hours=1)
    source.changes += [
        (later, "foreground", "resumed", screen, user)
        for screen, user in [("P1", "a"), ("(end)", "a"), ("(none)", "b")]
    ]
    fill(database_url, source, at + timedelta(hours=3))
    run(database_url)
    hour = at.replace(minute=0)
    assert rollups(database_url)["screen_hour_users"] == {
        (hour, "Home"): (1,),
        (hour, "(other)"): (3,),
        (hour, "(none)"): (1,),
        (hour + timedelta(hours=1), "P1"): (1,),
        (hour + timedelta(hours=1), "(other)"): (2,),
    }
