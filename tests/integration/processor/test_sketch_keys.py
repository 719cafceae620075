"""The keys of sketches: one a month, gone with that month's changes; numbers stay, people go."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import datasketches
import psycopg
import pytest

import schemas
from processor.maintenance.database_session import Session, connect
from processor.maintenance.screen_users import key_of
from schemas.database.migrate import migrate
from schemas.measures.sketches import LG_K, NOBODY, sketch_of
from tests.conftest import fresh_database
from tests.integration.processor.rollup_oracle import HOUR, Source, recount
from tests.rigs.maintenance_rig import (
    assert_equals_recount,
    fill,
    random_source,
    rollups,
    run,
    set_as_of,
    utc,
)
from tests.rigs.rig import rows

JANUARY, FEBRUARY = date(2026, 1, 1), date(2026, 2, 1)
SQL = Path(schemas.__file__).parent / "database/sql"
SKETCHES = (
    "SELECT hour::text, screen, sketch_month, sketch FROM screen_hour_users UNION ALL "
    "SELECT day::text, screen, sketch_month, sketch FROM screen_days ORDER BY 1, 2"
)


def turn_of_the_month(url: str, zone: str) -> tuple[Source, datetime]:
    """The last two days of January and the first two of February, rolled up."""
    start = utc(2026, 1, 30)
    source = random_source(40, start, 96, zone, per_hour=4, samples_seconds=600)
    as_of = start + 97 * HOUR
    fill(url, source, as_of)
    run(url)
    return source, as_of


def keys(url: str) -> dict[date, bytes]:
    return dict(rows(url, "SELECT month, key FROM sketch_keys"))


def begun(source: Source) -> Iterable[tuple[datetime, str, str]]:
    """When, on which screen and who began a visit."""
    for at, state, reason, screen, user in source.changes:
        if state == "foreground" and reason in {"started", "resumed", "navigated"}:
            yield at, screen or "(none)", user


def unkeyed(user_ids: Iterable[str]) -> bytes:
    """As the release before made them."""
    sketch = datasketches.hll_sketch(LG_K, datasketches.tgt_hll_type.HLL_4)
    for user_id in user_ids:
        sketch.update(user_id)
    return bytes(sketch.serialize_compact())


def make_unkeyed(db: psycopg.Connection[Any], source: Source) -> None:
    """Every sketch of an hour or day as the release before made it."""
    zone = ZoneInfo(source.zone)
    by_hour: dict[tuple[datetime, str], set[str]] = {}
    by_day: dict[tuple[date, str], set[str]] = {}
    for at, screen, user in begun(source):
        hour = at.replace(minute=0, second=0, microsecond=0)
        by_hour.setdefault((hour, screen), set()).add(user)
        by_day.setdefault((at.astimezone(zone).date(), screen), set()).add(user)
    for table, column, found in (
        ("screen_hour_users", "hour", by_hour),
        ("screen_days", "day", by_day),
    ):
        db.cursor().executemany(
            f"UPDATE {table} SET sketch = %s WHERE {column} = %s AND screen = %s".encode(),
            [(unkeyed(users), *key) for key, users in found.items()],
        )
        if rows_have_months(db, table):
            db.execute(f"UPDATE {table} SET sketch_month = NULL".encode())


def rows_have_months(db: psycopg.Connection[Any], table: str) -> bool:
    query = "SELECT FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attname = 'sketch_month'"
    return db.execute(query, (table,)).fetchone() is not None


# --- keys


def test_a_month_has_one_key_though_two_make_it_at_once(database_url: str) -> None:
    with connect(database_url) as one, connect(database_url) as other:
        first, second = Session(one), Session(other)
        with pytest.raises(psycopg.errors.SerializationFailure):
            make_after(second, first)
        with second.transaction():
            found = [key_of(second, month) for month in (JANUARY, FEBRUARY)]
    assert [len(key) for key in found] == [32, 32]
    assert found[0] != found[1]
    assert keys(database_url) == dict(zip((JANUARY, FEBRUARY), found, strict=True))


def make_after(late: Session, early: Session) -> None:
    """Both look for a key when there is none."""
    with late.transaction():
        late.position()  # so its snapshot is of before
        with early.transaction():
            key_of(early, JANUARY)
        key_of(late, JANUARY)


@pytest.mark.parametrize(
    "zone",
    [
        "America/Los_Angeles",
        *(pytest.param(zone, marks=pytest.mark.long) for zone in ("UTC", "Asia/Kolkata")),
    ],
)
def test_hours_and_days_of_two_months_are_each_under_one_key(zone: str, database_url: str) -> None:
    source, as_of = turn_of_the_month(database_url, zone)
    assert_equals_recount(database_url, source, as_of)
    held = keys(database_url)
    assert set(held) == {JANUARY, FEBRUARY}
    assert rows(database_url, "SELECT FROM screen_days WHERE users_at_most IS NOT NULL") == []
    for hour, month in rows(
        database_url, "SELECT DISTINCT hour, sketch_month FROM screen_hour_users"
    ):
        assert month == hour.date().replace(day=1)
    days = dict(
        rows(database_url, "SELECT DISTINCT day, sketch_month FROM screen_days WHERE users > 0")
    )
    assert {day: day.replace(day=1) for day in days} == days
    # So each can be made again of the ids and the key, and of nothing else.
    by_hour: dict[tuple[datetime, str], set[str]] = {}
    for at, screen, user in begun(source):
        hour = at.replace(minute=0, second=0, microsecond=0)
        by_hour.setdefault((hour, screen), set()).add(user)
    stored = rows(database_url, "SELECT hour, screen, sketch FROM screen_hour_users")
    for hour, screen, sketch in stored:
        month = hour.date().replace(day=1)
        assert sketch == sketch_of(sorted(by_hour[hour, screen]), held[month])


def test_a_key_goes_with_the_last_changes_of_its_month_and_not_before(database_url: str) -> None:
    _, as_of = turn_of_the_month(database_url, "Asia/Kolkata")
    today = as_of.date()
    made, before, numbers = keys(database_url), rows(database_url, SKETCHES), rollups(database_url)
    # Kept from the 31st of January on.
    run(database_url, changes_retention_days=(today - date(2026, 1, 31)).days - 1)
    assert rows(database_url, "SELECT min(at)::date FROM changes") == [(date(2026, 1, 31),)]
    assert keys(database_url) == made
    # From the 1st of February on; but a row of before was left behind.
    with psycopg.connect(database_url) as db:
        db.execute(
            "UPDATE retention_progress SET kept_from = %s WHERE table_name = 'changes'",
            (utc(2026, 2, 1),),
        )
    run(database_url)
    assert keys(database_url) == made
    run(database_url, changes_retention_days=(today - FEBRUARY).days - 1)
    assert rows(database_url, "SELECT min(at)::date FROM changes") == [(FEBRUARY,)]
    assert keys(database_url) == {FEBRUARY: made[FEBRUARY]}
    # Days are counted again from what is left: no sketch and no number is another one.
    with psycopg.connect(database_url) as db:
        db.execute("INSERT INTO late_days SELECT day FROM active_user_days ON CONFLICT DO NOTHING")
    run(database_url)
    assert rows(database_url, "SELECT FROM late_days") == []
    assert rows(database_url, SKETCHES) == before
    assert rollups(database_url) == numbers
    assert keys(database_url) == {FEBRUARY: made[FEBRUARY]}


def test_a_day_that_another_zone_makes_anew_without_changes_has_bounds(database_url: str) -> None:
    source, as_of = turn_of_the_month(database_url, "UTC")
    run(database_url, changes_retention_days=1)
    assert keys(database_url).keys() == {FEBRUARY}
    source.zone = "America/New_York"
    with psycopg.connect(database_url) as db:
        set_as_of(db, source, as_of)
    run(database_url, changes_retention_days=1)
    turn = utc(2026, 2, 1)
    parts: dict[str, tuple[set[str], set[str]]] = {}
    for at, screen, user in begun(source):
        if turn - 19 * HOUR <= at < turn + 5 * HOUR:
            parts.setdefault(screen, (set(), set()))[at >= turn].add(user)
    query = (
        "SELECT screen, users, users_at_most, sketch_month, sketch IS NULL FROM screen_days "
        "WHERE day = '2026-01-31' AND users > 0"
    )
    assert {screen: tuple(told) for screen, *told in rows(database_url, query)} == {
        screen: (max(map(len, each)), sum(map(len, each)), None, True)
        if all(each)
        else (sum(map(len, each)), None, JANUARY if each[0] else FEBRUARY, False)
        for screen, each in parts.items()
    }
    screen, both = next((screen, each) for screen, each in parts.items() if all(each))
    # All other days are of one key.
    wanted = {k: v for k, v in recount(source, as_of)["screen_days"].items() if k[0].day != 31}
    found = {k: v for k, v in rollups(database_url)["screen_days"].items() if k in wanted}
    assert found == wanted
    told = rows(
        database_url,
        "SELECT day, users, users_at_least, users_at_most "
        "FROM analytics.screen_engagement_daily WHERE screen = %s ORDER BY day",
        screen,
    )
    assert (date(2026, 1, 31), None, max(map(len, both)), sum(map(len, both))) in told
    assert all(row[1] == row[2] == row[3] for row in told if row[0].day != 31)


# --- sketches of the release before


@pytest.fixture
def before_keys(postgres_url: str, tmp_path: Path) -> Iterable[str]:
    """A database without the migration that this is about."""
    folder = tmp_path / "sql"
    shutil.copytree(SQL, folder)
    for path in folder.glob("00*.sql"):
        if path.name >= "0024":
            path.unlink()
    with fresh_database(postgres_url, "template1") as url:
        migrate(url, folder)
        yield url


def test_the_migration_keeps_numbers_and_what_has_no_key_goes_with_its_changes(
    before_keys: str, database_url: str
) -> None:
    url = before_keys
    source, as_of = turn_of_the_month(database_url, "UTC")
    # What the release before has made of the same.
    fill(url, source, as_of)
    with psycopg.connect(database_url) as new, psycopg.connect(url) as old:
        for table, columns in {
            "screen_hour_users": "hour, screen, users, sketch",
            "screen_days": "day, screen, views, visits, dwell_ms, silent_dwell_ms,"
            " dwell_histogram, exits, bounces, users, sketch",
        }.items():
            with (
                new.cursor().copy(f"COPY {table} ({columns}) TO STDOUT".encode()) as source_rows,
                old.cursor().copy(f"COPY {table} ({columns}) FROM STDIN".encode()) as into,
            ):
                for data in source_rows:
                    into.write(data)
        make_unkeyed(old, source)
    numbers = {name: rollups(url)[name] for name in ("screen_hour_users", "screen_days")}
    made = rows(url, "SELECT hour, screen, sketch FROM screen_hour_users ORDER BY 1, 2")
    assert "0024_sketch_keys" in migrate(url)
    assert {name: rollups(url)[name] for name in numbers} == numbers
    assert rows(url, "SELECT hour, screen, sketch FROM screen_hour_users ORDER BY 1, 2") == made
    assert keys(url) == {}

    with psycopg.connect(url) as db:
        db.execute("INSERT INTO reporting_zone (time_zone, since) VALUES ('UTC', %s)", (as_of,))
        for rollup in ("quarters", "hours", "days"):
            db.execute("INSERT INTO rollup_progress VALUES (%s, %s)", (rollup, utc(2026, 2, 3)))
    # Kept from the 1st of February on.
    run(url, changes_retention_days=2)
    assert {name: rollups(url)[name] for name in numbers} == numbers
    found = rows(url, "SELECT hour, screen, sketch FROM screen_hour_users ORDER BY 1, 2")
    assert found == [
        (hour, screen, NOBODY if hour < utc(2026, 2, 1) else sketch)
        for hour, screen, sketch in made
    ]
    left = rows(url, "SELECT DISTINCT day FROM screen_days WHERE sketch IS NOT NULL ORDER BY day")
    # A day is let go when it is over in every zone.
    assert [day for (day,) in left] == [date(2026, 1, 31), date(2026, 2, 1), date(2026, 2, 2)]
    run(url, changes_retention_days=2)
    assert rows(url, "SELECT hour, screen, sketch FROM screen_hour_users ORDER BY 1, 2") == found


def test_the_day_of_the_upgrade_is_one_number_under_its_key(database_url: str) -> None:
    start = utc(2026, 3, 10)
    source = random_source(41, start, 30, "Europe/Berlin", per_hour=4, samples_seconds=600)
    fill(database_url, source, start + timedelta(hours=11, minutes=40))
    run(database_url)
    with psycopg.connect(database_url) as db:
        make_unkeyed(db, source)
        as_of = start + 26 * HOUR
        set_as_of(db, source, as_of)
    run(database_url)
    assert_equals_recount(database_url, source, as_of)
    query = "SELECT DISTINCT day, sketch_month, users_at_most FROM screen_days WHERE users > 0"
    assert (date(2026, 3, 10), date(2026, 3, 1), None) in rows(database_url, query)
    hours = rows(database_url, "SELECT DISTINCT sketch_month FROM screen_hour_users")
    assert set(hours) == {(None,), (date(2026, 3, 1),)}
