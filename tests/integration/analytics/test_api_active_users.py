"""Active users and what they use, against a recount of user-days."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio

from tests.integration.analytics.analytics_rows import AnalyticsTable
from tests.rigs.api_harness import Answer, Api, api_settings, running_api

ACTIVE = "/api/v1/active-users"
BREAKDOWN = "/api/v1/breakdown"
DAY = timedelta(days=1)
FIRST = date(2026, 3, 10)
TODAY = date(2026, 3, 30)
AS_OF = datetime(2026, 3, 30, 20, tzinfo=UTC)
#: Everything before the 29th in Berlin is rolled up.
DAYS_THROUGH = datetime(2026, 3, 28, 23, tzinfo=UTC)
VERSIONS = ["1.9.0", "1.10.0", "1.10.0-rc.1", "v2.0+7", None]


# The API and its database are shared; `table` empties it for each test.
pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.usefixtures("table")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def api(shared_database_url: str) -> AsyncIterator[Api]:
    async with running_api(api_settings(shared_database_url)) as running:
        yield running


@pytest.fixture
def table(shared_database_url: str) -> Iterator[AnalyticsTable]:
    opened = AnalyticsTable(shared_database_url)
    opened.clear()
    opened.log_time(AS_OF)
    opened.zone("Europe/Berlin", AS_OF)
    yield opened
    opened.close()


@pytest.fixture
def days(table: AnalyticsTable) -> list[dict[str, Any]]:
    rng = random.Random(8)
    rows: list[dict[str, Any]] = []
    seen: set[str] = set()
    day = FIRST
    while day <= TODAY:
        for user in rng.sample([f"u{n}" for n in range(60)], rng.randint(5, 30)):
            rows.append(
                {
                    "day": day,
                    "user_id": user,
                    "partition": 0,
                    "is_new": user not in seen,
                    "app_version": rng.choice(VERSIONS),
                    "device_info": rng.choice(("Pixel 9", "iPhone 17", "Nothing", None)),
                    "platform": rng.choice((None, None, "Android", "")),
                }
            )
            seen.add(user)
        day += DAY
    table.insert("user_days", rows)
    table.insert(
        "active_user_days",
        (
            {
                "day": FIRST + n * DAY,
                "active": active(rows, FIRST + n * DAY, 1),
                "new": sum(row["is_new"] for row in rows if row["day"] == FIRST + n * DAY),
                "weekly_active": active(rows, FIRST + n * DAY, 7),
                "monthly_active": active(rows, FIRST + n * DAY, 30),
            }
            for n in range((date(2026, 3, 29) - FIRST).days)
        ),
    )
    table.progress(days=DAYS_THROUGH)
    return rows


def active(rows: list[dict[str, Any]], day: date, length: int) -> int:
    return len({row["user_id"] for row in rows if day - length * DAY < row["day"] <= day})


async def ok(api: Api, path: str = ACTIVE, **parameters: str) -> Any:
    answer = await api.get(path, **parameters)
    assert answer.status == 200, answer.body
    return answer.json


async def test_days_are_a_recount_and_today_is_marked(api: Api, days: list[dict[str, Any]]) -> None:
    answer = await ok(api)
    assert (answer["from"], answer["to"], answer["tz"]) == (
        "2026-03-01",
        "2026-03-31",
        "Europe/Berlin",
    )
    wanted = []
    for n in range((TODAY - FIRST).days + 1):
        day = FIRST + n * DAY
        new = sum(row["is_new"] for row in days if row["day"] == day)
        rolled = day < date(2026, 3, 29)
        wanted.append(
            {
                "day": str(day),
                "active": active(days, day, 1),
                "new": new,
                "returning": active(days, day, 1) - new,
                "weekly_active": active(days, day, 7) if rolled else None,
                "monthly_active": active(days, day, 30) if rolled else None,
                "complete": day < TODAY,
            }
        )
    assert answer["items"] == wanted
    part = await ok(api, **{"from": "2026-03-20", "to": "2026-03-22", "tz": "Europe/Berlin"})
    assert part["items"] == [row for row in wanted if row["day"] in ("2026-03-20", "2026-03-21")]
    instants = await ok(api, **{"from": "2026-03-19T23:00:00Z", "to": "2026-03-21T23:00:00Z"})
    assert instants["items"] == part["items"]


async def test_a_rolled_up_day_is_not_counted_again(
    api: Api, table: AnalyticsTable, days: list[dict[str, Any]]
) -> None:
    table.run("DELETE FROM user_days WHERE day < '2026-03-25'")
    answer = await ok(api, **{"from": "2026-03-15", "to": "2026-03-16"})
    assert answer["items"][0]["active"] == active(days, date(2026, 3, 15), 1)


def assert_refused(answer: Answer, field: str, *words: str) -> None:
    assert (answer.status, answer.json["code"]) == (400, "bad_parameter")
    [error] = answer.json["errors"]
    assert error["field"] == field
    for word in words:
        assert word in error["message"]


@pytest.mark.parametrize(
    ("query", "field", "words"),
    [
        ("tz=UTC", "tz", ("Europe/Berlin", "reporting zone")),
        ("from=2026-03-20T00:00:00Z", "from", ("start of a day", "2026-03-20")),
        ("to=2026-03-20T22:45:00Z", "to", ("2026-03-21",)),
        ("from=2026-03-20&to=2026-03-20", "from", ("before to",)),
        ("bucket=1d", "bucket", ("no parameter",)),
    ],
)
async def test_only_days_of_the_reporting_zone_are_told(
    api: Api, query: str, field: str, words: tuple[str, ...]
) -> None:
    assert_refused(await api.call(f"{ACTIVE}?{query}"), field, *words)


async def test_without_anybody_there_are_no_days(api: Api) -> None:
    assert (await ok(api))["items"] == []


# Breakdowns.


def users_by(rows: list[dict[str, Any]], first: date, last: date, column: str) -> Counter[Any]:
    """Each user once, as of their last day of the range."""
    latest: dict[str, dict[str, Any]] = {}
    for row in rows:
        if first <= row["day"] <= last:
            latest[row["user_id"]] = row  # rows are in the order of days
    return Counter(row[column] for row in latest.values())


async def test_versions_come_newest_first_and_add_up(api: Api, days: list[dict[str, Any]]) -> None:
    query = {"by": "app_version", "from": "2026-03-20", "to": "2026-03-25"}
    answer = await ok(api, BREAKDOWN, **query)
    wanted = users_by(days, date(2026, 3, 20), date(2026, 3, 24), "app_version")
    total = wanted.total()
    assert answer["items"] == [
        {
            "value": value,
            "users": wanted[value],
            "share": round(wanted[value] / total, 4),
            "timers_run_on": None,
        }
        for value in ("v2.0+7", "1.10.0", "1.10.0-rc.1", "1.9.0", None)
    ]
    assert (answer["users"], answer["by"]) == (total, "app_version")
    assert (answer["from"], answer["to"]) == ("2026-03-20", "2026-03-25")


async def test_a_platform_is_what_the_app_says_else_what_its_device_tells(
    api: Api, table: AnalyticsTable
) -> None:
    rows = [
        ("iOS", "Pixel 9", "ios"),
        (None, "iPhone 17 Pro", "ios"),
        (None, "iPad (10th gen)", "ios"),
        ("", "Google Pixel 9", "android"),
        (None, "SM-G991B", "android"),
        (None, "Mozilla/5.0 (iPhone; CPU) Safari", "ios"),
        (None, "Mozilla/5.0 (X11; Linux x86_64) Chrome", "linux"),
        (None, "MacBookPro18,1", "macos"),
        (None, "Windows 11", "windows"),
        (None, "Chrome 140", "web"),
        (None, "Curiosity", None),  # holds `ios` inside a word
        (None, None, None),
    ]
    for number, (platform, device, _) in enumerate(rows):
        table.user(f"u{number}", platform=platform, device_info=device)
    table.user("gone", "offline", platform="symbian")
    answer = await ok(api, BREAKDOWN, by="platform")
    assert {row["value"]: row["users"] for row in answer["items"]} == Counter(
        platform for *_, platform in rows
    )
    assert [row["value"] for row in answer["items"]][:3] == ["ios", "android", None]
    assert (answer["from"], answer["to"], answer["users"]) == (None, None, len(rows))


async def test_a_version_tells_on_how_many_devices_its_timer_runs_on(
    api: Api, table: AnalyticsTable
) -> None:
    runs_on = '{"beats": 3, "period_ms": 120000, "runs_on": true}'
    table.user("one", app_version="1.0", timer=runs_on, running_timers=1)
    table.user("no timer", app_version="1.0", timer='{"beats": 2, "period_ms": 120000}')
    phones = [
        {"device": "a", "app_version": "2.0", "timer": None},
        {"device": "b", "app_version": "1.0", "timer": json.loads(runs_on)},
        {"device": "c", "app_version": "0.9", "timer": json.loads(runs_on)},
    ]
    table.user("two", app_version="2.0", devices=json.dumps(phones), running_timers=2)
    answer = await ok(api, BREAKDOWN, by="app_version")
    assert [(row["value"], row["users"], row["timers_run_on"]) for row in answer["items"]] == [
        ("2.0", 1, 0),
        ("1.0", 2, 2),
    ]


async def test_what_is_rare_is_told_together(api: Api, table: AnalyticsTable) -> None:
    for number in range(60):
        table.user(f"twice{number}", device_info=f"Device {number:02}")
        if number < 45:
            table.user(f"again{number}", device_info=f"Device {number:02}")
    answer = await ok(api, BREAKDOWN, by="device")
    assert [row["value"] for row in answer["items"]] == [
        *(f"Device {number:02}" for number in range(50)),
        "(other)",
    ]
    assert answer["items"][-1]["users"] == 10
    assert sum(row["users"] for row in answer["items"]) == answer["users"] == 105


@pytest.mark.parametrize(
    ("query", "field", "words"),
    [
        ("", "by", ("app_version or platform or device",)),
        ("by=name", "by", ("app_version",)),
        ("by=device&from=2026-01-01&to=2026-03-01", "from", ("31 days",)),
        ("by=device&tz=Asia/Tokyo", "tz", ("reporting zone",)),
    ],
)
async def test_a_breakdown_that_cannot_be_made_says_why(
    api: Api, query: str, field: str, words: tuple[str, ...]
) -> None:
    assert_refused(await api.call(f"{BREAKDOWN}?{query}"), field, *words)
