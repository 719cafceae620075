"""Maintenance cut short, doubled and hindered; retention; a change of the reporting zone."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from random import Random
from typing import Any

import psycopg
import pytest
from prometheus_client import CollectorRegistry
from psycopg import sql

from processor.maintenance import retention
from processor.maintenance.database_session import Connection
from processor.settings import ProcessorSettings
from tests.conftest import database_in
from tests.integration.processor.rollup_oracle import DAY, HOUR, Source, recount
from tests.rigs.copies import copy_database
from tests.rigs.maintenance_rig import (
    HookedConnection,
    assert_equals_recount,
    everything,
    fill,
    housekeeper,
    late_visit,
    random_source,
    rollups,
    run,
    set_as_of,
    utc,
)
from tests.rigs.rig import rows, wait_for


@contextmanager
def clone(postgres_url: str, database_url: str) -> Iterator[str]:
    """A copy of a database that nobody is connected to."""
    original = psycopg.conninfo.conninfo_to_dict(database_url)["dbname"]
    name = f"rollcall_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(postgres_url, autocommit=True) as db:
        copy_database(db, str(original), name)
        yield database_in(postgres_url, name)
        db.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def terminate(url: str, connection: Connection) -> None:
    """End a session as a crash of its process does, and wait until its locks are free."""
    pid = connection.info.backend_pid
    assert rows(url, "SELECT pg_terminate_backend(%s, 10000)", pid) == [(True,)]


def something_of_everything(url: str) -> None:
    """An evening and a night: the next run has every kind of work to do, once or twice."""
    start = utc(2026, 3, 28, 18)
    source = random_source(11, start, 7, "Asia/Kolkata")
    fill(url, source, start + 2 * HOUR)
    run(url)
    as_of = start + 4 * HOUR
    for n in range(2):
        at = start + timedelta(minutes=20 + 15 * n)
        late_visit(url, source, at, offset=n, random=Random(n))
    with psycopg.connect(url) as db:
        set_as_of(db, source, as_of)
        db.execute(
            "INSERT INTO screen_names VALUES (%s, 0, 'old'), (%s, 0, 'new')",
            (as_of - timedelta(minutes=3), as_of),
        )
        db.execute("INSERT INTO late_days SELECT day FROM active_user_days")


@pytest.mark.parametrize("apart", [31, pytest.param(1, marks=pytest.mark.long)])
def test_killed_after_any_statement_and_run_again_it_leaves_the_same_rows(
    apart: int, postgres_url: str, database_url: str
) -> None:
    """After each ``apart``-th statement, that is."""
    something_of_everything(database_url)
    with clone(postgres_url, database_url) as url:
        run(url)
        undisturbed = everything(url)
    for fatal in count(step=apart):
        with clone(postgres_url, database_url) as url:
            statements = count()

            def die(
                connection: Connection,
                _query: str,
                url: str = url,
                statements: Iterator[int] = statements,
                fatal: int = fatal,
            ) -> None:
                if next(statements) == fatal:
                    terminate(url, connection)

            try:
                housekeeper(url, HookedConnection(after=die)).run_once()
            except psycopg.OperationalError:
                run(url)
                assert everything(url) == undisturbed, f"killed after statement {fatal}"
            else:
                break  # there is no statement of that number
    assert fatal > 80


def test_two_at_once_leave_what_one_does(postgres_url: str, database_url: str) -> None:
    start = utc(2026, 3, 28, 12)
    source = random_source(12, start, 30, "Europe/Berlin")
    as_of = start + 31 * HOUR
    fill(database_url, source, as_of)
    together = threading.Barrier(2)
    ran: list[bool] = []

    def runner() -> None:
        for _ in range(4):
            together.wait(60)
            ran.append(housekeeper(database_url).run_once())

    threads = [threading.Thread(target=runner) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert len(ran) == 8
    assert sum(ran) >= 4
    assert_equals_recount(database_url, source, as_of)


def test_only_one_runs_at_a_time(database_url: str) -> None:
    fill(database_url, Source(1, "UTC"), utc(2026, 5, 4))
    others: list[bool] = []

    def try_too(_: Connection, query: str) -> None:
        if "DELETE FROM screen_names" in query and not others:
            others.append(housekeeper(database_url).run_once())

    housekeeper(database_url, HookedConnection(try_too)).run_once()
    assert others == [False]


@pytest.mark.parametrize("moment", ["DELETE FROM screen_quarters", "DELETE FROM late_quarters"])
def test_what_comes_while_its_quarter_is_rolled_up_again_is_not_lost(
    moment: str, database_url: str
) -> None:
    start = utc(2026, 5, 4, 9)
    source = random_source(13, start, 3, "UTC")
    as_of = start + 5 * HOUR
    fill(database_url, source, as_of)
    run(database_url)
    at = start + timedelta(minutes=20)
    late_visit(database_url, source, at, offset=1, random=Random(1))
    more = count(2)

    def meanwhile(_: Connection, query: str) -> None:
        if moment in query and (offset := next(more)) < 5:
            late_visit(database_url, source, at, offset=offset, random=Random(1))

    housekeeper(database_url, HookedConnection(meanwhile)).run_once()
    assert next(more) > 5
    assert_equals_recount(database_url, source, as_of)
    assert rows(database_url, "SELECT * FROM late_quarters") == []


# --- the reporting zone


def hide_unfinished(url: str, table: str) -> dict[Any, Any]:
    """Rows of days that are rolled up in the present zone."""
    ((through,),) = rows(
        url,
        "SELECT (through AT TIME ZONE time_zone)::date FROM rollup_progress, reporting_zone"
        " WHERE rollup = 'days'",
    )
    return {key: row for key, row in rollups(url)[table].items() if key[0] < through}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("Asia/Kolkata", "America/St_Johns"),
        *(
            pytest.param("UTC", zone, marks=pytest.mark.long)
            for zone in ("America/New_York", "Asia/Tokyo")
        ),
    ],
)
def test_another_reporting_zone_rebuilds_the_days_but_not_those_of_users(
    before: str, after: str, database_url: str
) -> None:
    start = utc(2026, 3, 6, 12)
    source = random_source(14, start, 60, before)
    as_of = start + 61 * HOUR
    fill(database_url, source, as_of)
    run(database_url)
    active = rollups(database_url)["active_user_days"]
    source.zone = after
    with psycopg.connect(database_url) as db:
        set_as_of(db, source, as_of)
    run(database_url)
    wanted = recount(source, as_of)
    for table in ("screen_days", "transition_days"):
        assert hide_unfinished(database_url, table) == wanted[table]
    kept = rollups(database_url)["active_user_days"]
    assert {day: kept[day] for day in active} == active
    assert rows(database_url, "SELECT time_zone FROM reporting_zone") == [(after,)]


def test_a_zone_that_not_all_partitions_have_yet_is_not_adopted(database_url: str) -> None:
    start = utc(2026, 3, 6, 12)
    source = random_source(15, start, 30, "UTC")
    as_of = start + 31 * HOUR
    fill(database_url, source, as_of)
    run(database_url)
    with psycopg.connect(database_url) as db:
        db.execute(
            'UPDATE stream_offsets SET policy = \'{"reporting_time_zone": "Asia/Tokyo"}\''
            ' WHERE "partition" = 1'
        )
    run(database_url)
    assert_equals_recount(database_url, source, as_of)


# --- retention

NOW = datetime.now(UTC).replace(microsecond=0)


def oldest(url: str, table: str, column: str) -> Any:
    return rows(url, f"SELECT min({column}) FROM {table}")[0][0]


def test_each_table_is_kept_for_its_days_and_nothing_goes_before_it_is_rolled_up(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After months of downtime everything that is still there is rolled up, then it goes."""
    start = utc(2026, 2, 1)
    source = random_source(16, start, 60, "UTC", per_hour=2)
    fill(database_url, source, start + 61 * HOUR)
    run(database_url)
    # The rest came while nobody kept house.
    later = random_source(17, start + 61 * HOUR, 24 * 9, "UTC", per_hour=1, samples_seconds=300)
    for name in ("minutes", "transitions", "samples"):
        getattr(source, name).update(getattr(later, name))
    new_days = {key: value for key, value in later.user_days.items() if key[0] > start.date() + DAY}
    source.user_days.update(new_days)
    source.sessions += later.sessions
    source.changes += later.changes
    end = start + 24 * 12 * HOUR
    fill(database_url, source, end)
    run(database_url)
    assert_equals_recount(database_url, source, end)
    before = rollups(database_url)

    # Twice: a run deletes no more than so many rows of a table.
    monkeypatch.setattr(retention, "MOST_ROWS", 10_000)
    days = {"changes": 5, "samples": 4, "spans": 7}
    for _ in range(2):
        run(database_url, **{f"{table}_retention_days": kept for table, kept in days.items()})
    today = end.date()
    found = {
        table: oldest(database_url, table, f"{column}::date")
        for table, column in [
            *(("changes", "at"), ("sessions", "shown_until"), ("concurrency_samples", "at")),
            *(("screen_minutes", "minute"), ("screen_transitions", "quarter")),
            ("user_days", "day"),
        ]
    }
    # The day that is not rolled up yet began at the midnight before the end.
    assert found == {
        "changes": today - 6 * DAY,
        "sessions": today - 8 * DAY,
        "concurrency_samples": today - 5 * DAY,
        "screen_minutes": today - 4 * DAY,
        "screen_transitions": today - 4 * DAY,
        "user_days": min(day for day, _ in source.user_days),
    }
    assert rollups(database_url) == before
    kept = dict(rows(database_url, "SELECT table_name, kept_from FROM retention_progress"))
    assert kept["screen_minutes"].date() == today - 4 * DAY
    others = {*before, "presence", "unkeyed_sketches", "annotations", "saved_views", "erasures"}
    others.add("screen_version_hours")
    assert set(kept) == {*retention.partitioned_tables(ProcessorSettings()), *others}


def test_a_late_note_for_a_quarter_whose_minutes_are_gone_destroys_nothing(
    database_url: str,
) -> None:
    start = utc(2026, 2, 1)
    source = random_source(18, start, 24 * 4, "UTC", per_hour=1, samples_seconds=300)
    fill(database_url, source, start + 24 * 4 * HOUR + HOUR)
    for _ in range(2):
        run(database_url, minutes_retention_days=2)
    before = rollups(database_url)
    with psycopg.connect(database_url) as db:
        db.execute("INSERT INTO late_quarters VALUES (%s, 0, 1)", (start + 2 * HOUR,))
    run(database_url, minutes_retention_days=2)
    assert rollups(database_url) == before
    assert rows(database_url, "SELECT * FROM late_quarters") == []


def test_what_lost_rows_to_an_erasure_keeps_what_it_was_rolled_up_to(database_url: str) -> None:
    """Its sums are of the minutes, which hold nobody: those may be rolled up again."""
    something_of_everything(database_url)
    run(database_url)
    of_people = {
        table: f"SELECT * FROM {table} ORDER BY 1, 2"
        for table in ("session_quarters", "screen_hour_users", "screen_days", "active_user_days")
    }
    before = {table: rows(database_url, query) for table, query in of_people.items()}
    assert all(before.values())
    with psycopg.connect(database_url) as db:
        # What an erasure does (processor/store/privacy.sql), to a third of all.
        for table, at in (("sessions", "ended_at"), ("changes", "at")):
            db.execute(
                f"WITH gone AS (DELETE FROM {table} WHERE user_id LIKE '%1%' RETURNING {at}) "
                "INSERT INTO erased_quarters "
                f"SELECT DISTINCT date_bin('15 minutes', {at}, timestamptz 'epoch') FROM gone "
                "ON CONFLICT DO NOTHING".encode()
            )
        db.execute(
            "WITH gone AS (DELETE FROM user_days WHERE user_id LIKE '%1%' RETURNING day) "
            "INSERT INTO erased_days SELECT DISTINCT day FROM gone"
        )
        db.execute(
            "INSERT INTO late_quarters SELECT quarter, 0, 99 FROM erased_quarters, rollup_progress "
            "WHERE rollup = 'quarters' AND quarter < through"
        )
        db.execute("INSERT INTO late_days SELECT day FROM active_user_days ON CONFLICT DO NOTHING")
    run(database_url)
    assert rows(database_url, "SELECT FROM late_quarters") == []
    assert {t: rows(database_url, query) for t, query in of_people.items()} == before


def test_a_clock_that_starts_at_the_beginning_of_time_destroys_nothing(database_url: str) -> None:
    start = utc(2026, 2, 1)
    source = random_source(19, start, 24 * 6, "UTC", per_hour=1, samples_seconds=300)
    end = start + 24 * 6 * HOUR + HOUR
    fill(database_url, source, end)
    run(database_url)
    run(database_url)
    before = rollups(database_url)
    for as_of in (utc(1970, 1, 2), end):
        with psycopg.connect(database_url) as db:
            set_as_of(db, source, as_of)
        run(database_url)
    after = rollups(database_url)
    held = rows(database_url, "SELECT max(kept_from) FROM retention_progress")[0][0]
    for table in ("screen_quarters", "session_quarters", "concurrency_quarters"):
        assert after[table] == before[table]
    assert held > start + 2 * DAY


def test_partitions_of_days_to_come_are_made_and_old_ones_are_dropped(database_url: str) -> None:
    fill(database_url, Source(1, "UTC"), NOW)
    old = NOW.date() - 100 * DAY
    with psycopg.connect(database_url) as db:
        db.execute(
            f"CREATE TABLE spans_{old:%Y%m%d} PARTITION OF spans"
            f" FOR VALUES FROM ('{old}') TO ('{old + DAY}')".encode()
        )
        # Tomorrow's is made too; but by now NOW may be yesterday.
        to_come = [
            f"{t}_{NOW.date() + 2 * DAY:%Y%m%d}"
            for t in retention.partitioned_tables(ProcessorSettings())
        ]
        for table in to_come:
            db.execute(f"DROP TABLE IF EXISTS {table}".encode())
    run(database_url)
    run(database_url)
    for table in to_come:
        assert rows(database_url, "SELECT to_regclass(%s)::text", table) == [(table,)]
    assert rows(database_url, f"SELECT to_regclass('spans_{old:%Y%m%d}')") == [(None,)]


def test_the_audit_of_exports_is_kept_for_its_days(database_url: str) -> None:
    fill(database_url, Source(1, "UTC"), NOW)
    with psycopg.connect(database_url) as db:
        for days in (0, 29, 31, 500):
            db.execute(
                "INSERT INTO audience_exports (id, started_at, who, format, filter) "
                "VALUES (gen_random_uuid(), %s, %s, 'csv', '{}')",
                (NOW - days * DAY, str(days)),
            )
    for _ in range(2):  # the first makes the rollups, before which nothing goes
        run(database_url, audience_exports_retention_days=30)
    left = rows(database_url, "SELECT who FROM audience_exports ORDER BY started_at DESC")
    assert left == [("0",), ("29",)]


def test_a_table_that_is_in_use_is_left_for_the_next_run(database_url: str) -> None:
    fill(database_url, Source(1, "UTC"), NOW)
    run(database_url)
    old = NOW.date() - 100 * DAY
    with psycopg.connect(database_url) as db:
        for table in ("spans", "sessions"):
            db.execute(
                f"CREATE TABLE {table}_{old:%Y%m%d} PARTITION OF {table}"
                f" FOR VALUES FROM ('{old}') TO ('{old + DAY}')".encode()
            )
    query = "SELECT to_regclass(%s)::text, to_regclass(%s)::text"
    names = [f"{table}_{old:%Y%m%d}" for table in ("spans", "sessions")]
    with psycopg.connect(database_url) as reader:
        reader.execute("SELECT count(*) FROM spans")
        run(database_url)
        assert rows(database_url, query, *names) == [(names[0], None)]
    run(database_url)
    assert rows(database_url, query, *names) == [(None, None)]


def test_names_of_screens_are_forgotten_after_two_minutes(database_url: str) -> None:
    as_of = utc(2026, 5, 4, 10, 5)
    fill(database_url, Source(1, "UTC"), as_of)
    with psycopg.connect(database_url) as db:
        for minutes in (3, 2, 0):
            minute = as_of - timedelta(minutes=minutes)
            db.execute("INSERT INTO screen_names VALUES (%s, 0, %s)", (minute, str(minutes)))
    run(database_url)
    assert rows(database_url, "SELECT screen FROM screen_names ORDER BY 1") == [("0",), ("2",)]


# --- the thread


def test_it_goes_on_after_a_failure_and_stops_when_told(database_url: str) -> None:
    start = utc(2026, 5, 4)
    fill(database_url, random_source(20, start, 3, "UTC"), start + 4 * HOUR)
    registry = CollectorRegistry()
    killed = threading.Event()

    def die_once(connection: Connection, query: str) -> None:
        if "screen_quarters" in query and not killed.is_set():
            killed.set()
            terminate(database_url, connection)

    house = housekeeper(database_url, HookedConnection(die_once), registry, every_seconds=0.05)
    house.start()
    try:
        wait_for(
            "the hours are rolled up",
            lambda: rows(database_url, "SELECT 1 FROM screen_hour_users LIMIT 1"),
        )
    finally:
        house.stop()
    assert registry.get_sample_value("rollcall_processor_maintenance_failures_total") == 1
    assert not any(thread.name == "maintenance" for thread in threading.enumerate())


def test_a_long_statement_does_not_hold_up_the_end(database_url: str) -> None:
    start = utc(2026, 5, 4)
    fill(database_url, random_source(21, start, 3, "UTC"), start + 4 * HOUR)

    def take_long(connection: Connection, query: str) -> None:
        if "DELETE FROM screen_quarters" in query:
            connection.execute(b"SELECT pg_sleep(60)")

    house = housekeeper(database_url, HookedConnection(take_long))
    house.start()
    asleep = "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
    wait_for("it sleeps", lambda: rows(database_url, asleep))
    house.stop()
    assert not any(thread.name == "maintenance" for thread in threading.enumerate())
    assert rows(database_url, asleep) == []


def test_its_metrics_tell_runs_rows_and_lag(database_url: str) -> None:
    start = utc(2026, 5, 4)
    fill(database_url, random_source(22, start, 3, "UTC"), start + 4 * HOUR)
    registry = CollectorRegistry()
    housekeeper(database_url, registry=registry).run_once()

    def value(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(f"rollcall_processor_{name}", labels)

    assert value("maintenance_runs_total") == 1
    assert value("maintenance_failures_total") == 0
    assert (value("maintenance_rows_total", work="quarters") or 0) > 0
    assert (value("maintenance_seconds_count", work="quarters") or 0) > 1
    assert value("rollup_lag_seconds", rollup="quarters") == 30 * 60
    assert value("rollup_lag_seconds", rollup="hours") == 60 * 60


def test_it_counts_installation_ids_of_which_a_second_user_is_not_the_first_to_log_out(
    database_url: str,
) -> None:
    start = utc(2026, 5, 4)
    fill(database_url, random_source(22, start, 3, "UTC"), start + 4 * HOUR)
    began = start + 4 * HOUR - timedelta(minutes=10)
    phones = [
        # One phone, two users; another, whose first user logged out; texts; a phone without a name.
        ("shared", "ann", "Pixel", False),
        ("shared", "bob", "Pixel", False),
        ("handed on", "cem", "Pixel", True),
        ("handed on", "dan", "Pixel", False),
        ("Flutter App", "eve", "Flutter App", False),
        ("Flutter App", "fay", "Flutter App", False),
        ("default", "gus", None, False),
        ("default", "hal", None, False),
    ]
    with psycopg.connect(database_url) as db:
        for n, (device, user, info, signed_out) in enumerate(phones):
            db.execute(
                'INSERT INTO presence (user_id, "partition", state, reason, changed_at, '
                "device_count, device, device_info, signed_out) "
                "VALUES (%s, 0, 'foreground', 'started', %s, 1, %s, %s, %s)",
                (user, began, device, info, signed_out),
            )
            db.execute(
                'INSERT INTO changes (at, "partition", log_offset, event_index, ordinal, user_id, '
                "device, reason, previous_state, state, user_state) "
                "VALUES (%s, 0, 7, %s, 0, %s, %s, 'started', 'offline', 'foreground', "
                "'foreground')",
                (began, n, user, device),
            )
    registry = CollectorRegistry()
    housekeeper(database_url, registry=registry).run_once()
    assert registry.get_sample_value("rollcall_processor_shared_installations") == 1
