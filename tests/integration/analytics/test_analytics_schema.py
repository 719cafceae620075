"""The schema `analytics`: described, right to this minute, and open to analysts alone."""

from __future__ import annotations

import re
import shutil
import uuid
from collections.abc import Iterator
from datetime import timedelta
from importlib.resources import files
from pathlib import Path
from random import Random
from typing import Any

import psycopg
import pytest
from psycopg import sql
from typer.testing import CliRunner, Result

from deploy.cli.command import app
from processor.core.analytics.screen_names import OUR_NAMES, ScreenNames
from schemas.database.migrate import migrate
from schemas.measures.dwell import BUCKETS, bucket_of, percentile_ms
from tests.integration.processor.rollup_oracle import HOUR, QUARTER, Row, Table, add, floor, recount
from tests.rigs.database_role import fresh_role
from tests.rigs.maintenance_rig import fill, random_source, run, utc
from tests.rigs.rig import rows

AGGREGATES = [
    *("screen_engagement_hourly", "screen_engagement_daily", "screen_flows_daily"),
    *("concurrency", "daily_active_users"),
]
PEOPLE = ["visits", "sessions"]


def test_every_view_column_and_function_is_described(database_url: str) -> None:
    undescribed = rows(
        database_url,
        """
        SELECT c.relname, a.attname
        FROM pg_class c
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
        WHERE c.relnamespace = 'analytics'::regnamespace
          AND (col_description(c.oid, a.attnum) IS NULL OR obj_description(c.oid) IS NULL)
        UNION ALL
        SELECT p.proname, NULL FROM pg_proc p
        WHERE p.pronamespace = 'analytics'::regnamespace AND obj_description(p.oid) IS NULL
        """,
    )
    assert undescribed == []
    found = rows(
        database_url,
        "SELECT relname FROM pg_class WHERE relnamespace = 'analytics'::regnamespace",
    )
    assert {name for (name,) in found} == {*AGGREGATES, *PEOPLE}


def test_durations_have_their_unit_and_what_cannot_be_summed_says_so(database_url: str) -> None:
    described = rows(
        database_url,
        """
        SELECT a.attname, col_description(c.oid, a.attnum)
        FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
        WHERE c.relnamespace = 'analytics'::regnamespace
        """,
    )
    for column, text in described:
        if column.endswith("_ms"):
            assert "illiseconds" in text, column
        if re.search(r"share|mean|^p\d\d_|^users$|^peak_\w+d$|active|stickiness", column):
            assert "Not additive" in text, column


# --- numbers


def test_buckets_are_those_of_the_processor(database_url: str) -> None:
    starts = [ms for ms in range(1, 2_000_000) if bucket_of(ms) != bucket_of(ms - 1)]
    edges = {0, 10**12, *starts, *(ms - 1 for ms in starts)}
    with psycopg.connect(database_url) as db:
        query = "SELECT ms, dwell_bucket(ms) FROM unnest(%s::bigint[]) AS ms"
        assert dict(db.execute(query, (list(edges),)).fetchall()) == {
            ms: bucket_of(ms) for ms in edges
        }


def test_screens_are_called_as_windows_call_them(database_url: str) -> None:
    for screen in [None, "Home", "(End)", "", *OUR_NAMES]:
        query = "SELECT coalesce(app_screen(%s), '(none)')"
        counted_as = ScreenNames().counted_as(screen, "ada", 200, [])
        assert rows(database_url, query, screen) == [(counted_as,)]


def test_percentiles_are_those_of_the_api(database_url: str) -> None:
    random = Random(1)
    histograms: list[list[int]] = [[], [0], [0, 0, 3], [1] * BUCKETS]
    histograms += [
        [
            random.choice([0, 0, 1, random.randrange(10_000)])
            for _ in range(random.randrange(BUCKETS))
        ]
        for _ in range(200)
    ]
    with psycopg.connect(database_url) as db:
        for counts in histograms:
            for fraction in (0.0, 0.01, 0.5, 0.9, 0.95, 1.0):
                query = "SELECT analytics.percentile_ms(%s::bigint[], %s)"
                found = db.execute(query, (counts, fraction)).fetchone()
                assert found == (percentile_ms(counts, fraction),), (counts, fraction)


def test_histograms_merge_to_that_of_everything(database_url: str) -> None:
    found = rows(
        database_url,
        "SELECT analytics.merge_histograms(h) FROM (VALUES"
        " ('{1,2}'::bigint[]), ('{}'), (NULL), ('{0,1,5}')) AS each (h)",
    )
    assert found == [([1, 3, 5],)]


@pytest.mark.parametrize(
    "zone", ["Asia/Kolkata", pytest.param("Europe/Berlin", marks=pytest.mark.long)]
)
def test_the_hourly_view_is_right_to_this_minute(zone: str, database_url: str) -> None:
    start = utc(2026, 3, 28, 12)
    source = random_source(30, start, 30, zone)
    as_of = start + timedelta(hours=24, minutes=50)
    fill(database_url, source, as_of)
    wanted: Table = {}
    for (minute, _, screen), row in source.minutes.items():
        key = (floor(minute, HOUR), screen)
        wanted[key] = add(wanted.get(key), row)

    def found() -> dict[Any, Row]:
        with psycopg.connect(database_url) as db:
            return {
                (hour, screen): (*row[:4], tuple(row[4]), *row[5:])
                for hour, screen, *row in db.execute(
                    "SELECT hour, screen, views, visits, dwell_ms, silent_dwell_ms,"
                    " dwell_histogram, exits, bounces FROM analytics.screen_engagement_hourly"
                    " WHERE views > 0"
                )
            }

    assert found() == wanted
    run(database_url)
    assert found() == wanted
    query = "SELECT hour, screen, users, complete FROM analytics.screen_engagement_hourly"
    complete_through = start + 24 * HOUR
    users = recount(source, as_of)["screen_hour_users"]
    for hour, screen, estimated, complete in rows(database_url, query):
        assert complete == (hour < complete_through)
        assert estimated == (users.get((hour, screen), (0,))[0] if complete else None)


def test_shares_and_percentiles_are_those_of_their_row(database_url: str) -> None:
    start = utc(2026, 3, 28)
    source = random_source(31, start, 30, "UTC")
    fill(database_url, source, start + 31 * HOUR)
    run(database_url)
    for view in ("screen_engagement_hourly", "screen_engagement_daily"):
        query = (
            "SELECT visits, dwell_ms, silent_dwell_ms, dwell_histogram, mean_dwell_ms,"
            f" silent_share, p50_dwell_ms, p90_dwell_ms, p95_dwell_ms FROM analytics.{view}"
        )
        found = rows(database_url, query)
        assert found
        for visits, dwell, silent, counts, mean, share, *percentiles in found:
            assert mean == (dwell / visits if visits else None)
            assert share == (silent / dwell if dwell else None)
            assert percentiles == [percentile_ms(counts, f) for f in (0.5, 0.9, 0.95)]
    flows = rows(
        database_url,
        "SELECT day, from_screen, sum(share_of_from) FROM analytics.screen_flows_daily"
        " GROUP BY 1, 2",
    )
    assert flows
    assert all(total == pytest.approx(1) for *_, total in flows)


def test_concurrency_goes_on_with_the_samples_of_now(database_url: str) -> None:
    start = utc(2026, 3, 28)
    source = random_source(32, start, 6, "UTC")
    as_of = start + timedelta(hours=4, minutes=7)
    fill(database_url, source, as_of)
    # All that as_of has reached, as if it were rolled up already.
    known = {key: row for key, row in source.samples.items() if key[0] <= as_of}
    source.samples = known
    wanted = recount(source, as_of + HOUR)["concurrency_quarters"]

    def found() -> dict[Any, Any]:
        query = (
            "SELECT quarter, samples, round(mean_foreground * samples)::int,"
            " round(mean_background * samples)::int, peak_online, peak_online_at,"
            " peak_foreground, peak_foreground_at FROM analytics.concurrency"
        )
        return {(quarter,): tuple(row) for quarter, *row in rows(database_url, query)}

    assert found() == wanted
    run(database_url)
    assert found() == wanted
    query = "SELECT quarter FROM analytics.concurrency WHERE NOT complete ORDER BY 1"
    unfinished = [start + 14 * QUARTER + n * QUARTER for n in range(3)]
    assert rows(database_url, query) == [(quarter,) for quarter in unfinished]


# --- who may read


@pytest.fixture
def role(database_url: str) -> Iterator[str]:
    """A role with a name that needs quoting."""
    with fresh_role(database_url, f'Analyst "{uuid.uuid4().hex[:8]}"') as name:
        yield name


def readable(url: str, role: str) -> set[str]:
    """Tables and views that the role can read, by trying each."""
    names = rows(
        url,
        "SELECT relnamespace::regnamespace::text, relname FROM pg_class WHERE relkind IN"
        " ('r', 'p', 'v') AND relnamespace IN ('public'::regnamespace, 'analytics'::regnamespace)",
    )
    found = set()
    with psycopg.connect(url, autocommit=True) as db:
        db.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(role)))
        for name in names:
            try:
                db.execute(sql.SQL("SELECT * FROM {} LIMIT 1").format(sql.Identifier(*name)))
            except psycopg.errors.InsufficientPrivilege:
                continue
            found.add(name[1] if name[0] == "analytics" else ".".join(name))
    return found


def rollcall(database_url: str, *arguments: str) -> Result:
    return CliRunner().invoke(app, arguments, env={"ROLLCALL_DATABASE_URL": database_url})


def test_an_analyst_reads_the_aggregates_and_nothing_else(database_url: str, role: str) -> None:
    assert readable(database_url, role) == set()
    for _ in range(2):
        done = rollcall(database_url, "migrate", "--analyst-role", role)
        assert done.exit_code == 0, done.output
        assert readable(database_url, role) == set(AGGREGATES)
    with psycopg.connect(database_url) as db:
        db.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(role)))
        assert db.execute("SELECT analytics.percentile_ms('{0,1}', 0.5)").fetchone() == (273,)


def test_with_people_they_read_visits_and_sessions_too(database_url: str, role: str) -> None:
    for _ in range(2):
        done = rollcall(database_url, "migrate", "--analyst-role", role, "--with-people")
        assert done.exit_code == 0, done.output
        assert readable(database_url, role) == {*AGGREGATES, *PEOPLE}
    # Grants are made, never taken back.
    rollcall(database_url, "migrate", "--analyst-role", role)
    assert readable(database_url, role) == {*AGGREGATES, *PEOPLE}


@pytest.mark.parametrize("with_people", [True, False])
def test_later_migrations_keep_the_grants(
    with_people: bool, database_url: str, role: str, tmp_path: Path
) -> None:
    rollcall(database_url, "migrate", "--analyst-role", role, *["--with-people"] * with_people)
    before = readable(database_url, role)
    folder = tmp_path / "sql"
    shutil.copytree(str(files("schemas.database") / "sql"), folder)
    (folder / "9999_views_anew.sql").write_text(
        "DROP VIEW analytics.concurrency, analytics.visits;"
        "CREATE VIEW analytics.concurrency AS SELECT 1 AS samples;"
        "CREATE VIEW analytics.visits AS SELECT 'u' AS user_id;"
    )
    assert migrate(database_url, folder) == ["9999_views_anew"]
    assert readable(database_url, role) == before


def test_a_role_that_is_not_there_is_refused_with_the_command_that_makes_it(
    postgres_url: str,
) -> None:
    done = rollcall(postgres_url, "migrate", "--analyst-role", "no one")
    assert done.exit_code == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert 'CREATE ROLE "no one" LOGIN' in done.stderr
    # Nothing was migrated.
    assert rows(postgres_url, "SELECT to_regclass('presence')") == [(None,)]


def test_people_without_a_role_is_refused(database_url: str) -> None:
    done = rollcall(database_url, "migrate", "--with-people")
    assert done.exit_code == 2
    assert "--analyst-role NAME" in done.stderr
