"""`ROLLCALL_MIN_GROUP_SIZE`: no list, view or file tells a group of fewer users apart."""

from __future__ import annotations

import csv
import io
import random
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest
import pytest_asyncio

from api.analytics.small_groups import SUPPRESSED, merged_places
from processor.settings import ProcessorSettings
from tests.conftest import fresh_database
from tests.integration.analytics.analytics_rows import (
    HOUR,
    MINUTE,
    AnalyticsTable,
    ScreenMinute,
    grouped,
    write_screens,
)
from tests.rigs.api_harness import Api, api_settings, running_api
from tests.rigs.maintenance_rig import housekeeper
from tests.rigs.rig import rows

LEAST = 5
DAY = date(2026, 3, 30)
START = datetime(2026, 3, 30, tzinfo=UTC)
END = START + 24 * HOUR
AS_OF = END + 2 * HOUR
#: Users of the day by screen: two are too few, and to hide them takes a third.
USERS = {"Home": 40, "Cart": 12, "Pay": 6, "Secret": 1, "VIP": 2}
TOLD = ["Home", "Cart"]
SPAN = {"from": "2026-03-30T00:00:00Z", "to": "2026-03-31T00:00:00Z"}

pytestmark = pytest.mark.asyncio(loop_scope="module")


def made() -> list[ScreenMinute]:
    """Everybody's visits, in the morning and in the afternoon."""
    rng = random.Random(9)
    found = []
    for screen, users in USERS.items():
        for hour in (8, 15):
            found.append(
                ScreenMinute(
                    START + hour * HOUR + rng.randrange(60) * MINUTE,
                    *(0, screen, users, (60_000,) * users, 0, 1, 0),
                    frozenset(f"{screen}-{n}" for n in range(users)),
                )
            )
    return found


@pytest.fixture(scope="module")
def url(postgres_url: str, template_database: str) -> Iterator[str]:
    with fresh_database(postgres_url, template_database) as fresh:
        table = AnalyticsTable(fresh)
        write_screens(table, made(), quarters=END, days=END, hours=END, zone=ZoneInfo("UTC"))
        table.log_time(AS_OF)
        table.insert(
            "transition_days",
            [
                {"day": DAY, "from_screen": a, "to_screen": b, "transitions": n}
                for a, b, n in (
                    *(("Home", "Cart", 30), ("Cart", "Pay", 12), ("Home", "Pay", 9)),
                    *(("Cart", "VIP", 3), ("VIP", "Secret", 1)),
                )
            ],
        )
        versions = {"2.0": 20, "1.9": 6, "0.1": 1}
        number = 0
        for screen, users in (("Home", 20), ("Cart", 5), ("VIP", 2)):
            for _ in range(users):
                version = next(v for v, n in versions.items() if n > 0)
                versions[version] -= 1
                table.user(f"user-{number}", screen=screen, app_version=version)
                number += 1
        spans(table)
        # One who came in another week than all others.
        table.insert(
            "user_days",
            [
                {"day": day, "user_id": f"w{n}", "partition": 0, "is_new": True}
                for day, users in ((date(2026, 3, 16), 7), (date(2026, 3, 23), 1))
                for n in range(users)
            ],
        )
        table.close()
        assert housekeeper(fresh, min_group_size=LEAST).run_once()
        yield fresh


def spans(table: AnalyticsTable) -> None:
    """Sessions from Home to Cart, by version: ten users, six, and one."""
    found: list[dict[str, Any]] = []
    for version, users in (("2.0", 10), ("1.9", 6), ("0.1", 1)):
        for n in range(users):
            user, begin = f"{version}-{n}", START + 9 * HOUR + n * MINUTE
            for place, screen in enumerate(("Home", "Cart")):
                at = begin + place * timedelta(seconds=30)
                found.append(
                    {
                        "shown_until": at + timedelta(seconds=30),
                        "partition": 0,
                        "log_offset": len(found),
                        "event_index": 0,
                        "ordinal": 0,
                        "user_id": user,
                        "device": "d",
                        "state": "foreground",
                        "screen": screen,
                        "started_at": at,
                        "changed_at": at,
                        "ended_at": at + timedelta(seconds=30),
                        "ended_by": "navigated",
                        "is_view": True,
                        "session_start": begin,
                        "online_since": begin,
                        "app_version": version,
                    }
                )
    table.insert("spans", found)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def api(url: str) -> AsyncIterator[Api]:
    async with running_api(api_settings(url)) as running:
        yield running


async def items(api: Api, path: str, **query: str) -> list[dict[str, Any]]:
    answer = await api.get(path, **query)
    assert answer.status == 200, answer.body
    found: list[dict[str, Any]] = answer.json["items"]
    return found


def names(found: list[dict[str, Any]], *columns: str) -> list[Any]:
    told = [tuple(row[column] for column in columns) for row in found]
    return [row[0] if len(columns) == 1 else row for row in told]


async def test_engagement_merges_small_screens_and_the_next(api: Api) -> None:
    found = await items(api, "/api/v1/screens/engagement", **SPAN)
    assert names(found, "screen") == [*TOLD, SUPPRESSED]
    merged = found[-1]
    assert merged["views"] == merged["visits"] == 2 * (6 + 1 + 2)
    assert merged["dwell_mean_ms"] == 60_000
    assert (merged["users_at_least"], merged["users_at_most"]) == (6, 9)
    assert merged["unique_users"] is None
    assert merged["dwell_p50_ms"] is merged["silent_share"] is None
    by_users = await items(api, "/api/v1/screens/engagement", **SPAN, sort="unique_users")
    assert names(by_users, "screen") == [*TOLD, SUPPRESSED]
    # By the hour of those who came in it; where nobody is known, nobody is told apart.
    hours = await items(api, "/api/v1/screens/engagement", **SPAN, bucket="1h", limit="5")
    at_eight = [row for row in hours if row["start"] == "2026-03-30T08:00:00.000Z"]
    assert names(at_eight, "screen") == [*TOLD, SUPPRESSED]
    at_nine = [row for row in hours if row["start"] == "2026-03-30T09:00:00.000Z"]
    assert names(at_nine, "screen", "views") == [(SUPPRESSED, 0)]
    # Users are not known of parts of hours: those of the whole hours in it count.
    parts = {"from": "2026-03-30T00:15:00Z", "to": "2026-03-30T23:45:00Z"}
    assert names(await items(api, "/api/v1/screens/engagement", **parts), "screen") == [
        *TOLD,
        SUPPRESSED,
    ]
    # By its name a screen is told: who asks knows it (docs/privacy.md says so).
    [row, *_] = await items(api, "/api/v1/screens/engagement", **SPAN, screen="Secret", bucket="1d")
    assert row["unique_users"] == 1


async def test_a_file_is_as_the_answer(api: Api) -> None:
    for path, name, wanted in (
        (
            "/api/v1/screens/engagement?from=2026-03-30&to=2026-03-31",
            "screen",
            [*TOLD, SUPPRESSED],
        ),
        ("/api/v1/screens", "screen", ["Home", SUPPRESSED]),
        ("/api/v1/breakdown?by=app_version", "value", ["2.0", SUPPRESSED]),
    ):
        answer = await api.call(path, headers={"Accept": "text/csv"})
        assert answer.status == 200, answer.body
        assert [row[name] for row in csv.DictReader(io.StringIO(answer.body.decode()))] == wanted


async def test_those_online_are_merged_by_screen_and_version(api: Api) -> None:
    assert await items(api, "/api/v1/screens") == [
        {"screen": "Home", "foreground": 20, "share": 0.7407},
        {"screen": SUPPRESSED, "foreground": 7, "share": 0.2593},
    ]
    found = await items(api, "/api/v1/breakdown", by="app_version")
    assert names(found, "value", "users") == [("2.0", 20), (SUPPRESSED, 7)]


async def test_ways_are_merged_by_how_often_they_were_gone(api: Api) -> None:
    found = await items(api, "/api/v1/flows", **SPAN)
    assert names(found, "from_screen", "to_screen", "transitions") == [
        ("Home", "Cart", 30),
        ("Cart", "Pay", 12),
        (SUPPRESSED, SUPPRESSED, 13),
    ]
    answer = await api.get("/api/v1/screens/Cart", **SPAN, bucket="1d")
    assert answer.json["next"] == [
        {"screen": SUPPRESSED, "transitions": 15, "share": None},
    ]


async def test_no_trend_of_a_small_screen_is_told(api: Api) -> None:
    found = await items(api, "/api/v1/trends", **SPAN)
    assert names(found, "screen") == ["Home", "Cart", "Pay"]


async def test_a_funnel_merges_small_parts_and_retention_leaves_small_weeks_out(
    api: Api,
) -> None:
    steps = {"step1": "Home", "step2": "Cart"}
    whole = await items(api, "/api/v1/funnel", **SPAN, **steps)
    assert names(whole, "value", "users") == [(None, 17)] * 2
    found = await items(api, "/api/v1/funnel", **SPAN, **steps, by="app_version")
    assert names(found, "value", "step", "users") == [
        *(("2.0", 1, 10), ("2.0", 2, 10)),
        *((SUPPRESSED, 1, 7), (SUPPRESSED, 2, 7)),
    ]
    weeks = await items(api, "/api/v1/retention")
    assert {row["first_week"] for row in weeks} == {"2026-03-16"}


async def test_views_have_the_rule_of_the_api(url: str) -> None:
    for view, column, at in (
        ("screen_engagement_daily", "day", DAY),
        ("screen_engagement_hourly", "hour", START + 8 * HOUR),
    ):
        query = f"SELECT screen, views FROM analytics.{view} WHERE {column} = %s ORDER BY 2 DESC"
        each = 1 if column == "hour" else 2
        assert rows(url, query, at) == [
            ("Home", 40 * each),
            ("Cart", 12 * each),
            (SUPPRESSED, 9 * each),
        ]
    daily = "SELECT users, users_at_least, users_at_most FROM analytics.screen_engagement_daily"
    assert rows(url, f"{daily} WHERE screen = %s", SUPPRESSED) == [(None, 6, 9)]
    assert rows(
        url,
        "SELECT from_screen, to_screen, transitions, share_of_from FROM "
        "analytics.screen_flows_daily ORDER BY transitions DESC",
    ) == [
        ("Home", "Cart", 30, 30 / 39),
        (SUPPRESSED, SUPPRESSED, 13, None),
        ("Cart", "Pay", 12, 12 / 15),
    ]


async def test_an_analyst_is_told_no_more_and_no_size_tells_all(url: str) -> None:
    with psycopg.connect(url) as db:
        db.execute("CREATE ROLE few")
        db.execute("SELECT grant_analytics('few', false)")
        db.execute("SET LOCAL ROLE few")
        query = "SELECT DISTINCT screen FROM analytics.screen_engagement_daily ORDER BY 1"
        assert db.execute(query.encode()).fetchall() == [(SUPPRESSED,), ("Cart",), ("Home",)]
        with pytest.raises(psycopg.errors.InsufficientPrivilege), db.transaction():
            db.execute("SELECT FROM screen_engagement_by_day")
        db.execute("RESET ROLE")
        db.execute("UPDATE small_groups SET min_group_size = 0")
        assert len(db.execute(query.encode()).fetchall()) == len(USERS)
        db.rollback()
    assert ProcessorSettings(database_url=url).min_group_size == 0


async def test_the_rule_in_sql_is_that_of_the_api(url: str) -> None:
    rng = random.Random(3)
    query = (
        "SELECT n FROM (SELECT n, is_merged(size, row_number() OVER w, sum(size) OVER w,"
        " min(size) OVER (), %s) AS merged"
        " FROM unnest(%s::bigint[]) WITH ORDINALITY AS each (size, n)"
        " WINDOW w AS (ORDER BY size, n DESC)) AS groups WHERE merged"
    )
    with psycopg.connect(url) as db:
        for _ in range(200):
            sizes = [rng.randrange(30) for _ in range(rng.randrange(9))]
            least = rng.choice([0, 1, 2, 5, 20])
            found = {n - 1 for (n,) in db.execute(query, (least, sizes)).fetchall()}
            assert found == merged_places(sizes, least), (sizes, least)


async def test_groups_of_the_recount_are_these(url: str) -> None:
    """What the tests above expect, counted from the visits."""
    found = grouped(made(), lambda window: window.minute.date())
    assert {screen: len(each.users) for (_, screen), each in found.items()} == USERS
