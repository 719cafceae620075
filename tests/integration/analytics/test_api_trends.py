"""Trends and dwell against a recount of the windows that they are made of."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import pytest_asyncio

from schemas.measures.dwell import bucket_of
from tests.integration.analytics.analytics_rows import (
    AnalyticsTable,
    ScreenMinute,
    random_minutes,
    sums,
    write_screens,
)
from tests.rigs.api_harness import Api, api_settings, running_api

BERLIN = ZoneInfo("Europe/Berlin")
#: Berlin's clocks go forward at 01:00Z on the 29th.
START = datetime(2026, 3, 22, tzinfo=UTC)
END = datetime(2026, 3, 31, tzinfo=UTC)
AS_OF = datetime(2026, 3, 30, 21, 7, tzinfo=UTC)
SCREENS = ["Home", "Cart", "(none)", "(other)", "a/b %25?"]


# The API and what it tells of are shared: the first test is of the time before there was anything.
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def api(shared_database_url: str) -> AsyncIterator[Api]:
    async with running_api(api_settings(shared_database_url)) as running:
        yield running


@pytest.fixture(scope="module")
def table(shared_database_url: str) -> Iterator[AnalyticsTable]:
    opened = AnalyticsTable(shared_database_url)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def minutes(table: AnalyticsTable) -> list[ScreenMinute]:
    made = random_minutes(random.Random(8), START, END, SCREENS, 6_000)
    made.append(ScreenMinute(START, 0, "Cart", 1, (), 0, 0, 0, frozenset()))
    # One that was not there in the days before.
    made += [
        ScreenMinute(
            datetime(2026, 3, 30, 9, tzinfo=UTC), 0, "New", 3, (400,), 0, 1, 1, frozenset("a")
        )
    ]
    write_screens(
        table,
        made,
        quarters=datetime(2026, 3, 30, 20, 30, tzinfo=UTC),
        days=datetime(2026, 3, 29, 22, tzinfo=UTC),
        hours=datetime(2026, 3, 30, 19, tzinfo=UTC),
        zone=BERLIN,
    )
    table.log_time(AS_OF)
    return made


async def ok(api: Api, path: str, **parameters: str) -> Any:
    answer = await api.get(path, **parameters)
    assert answer.status == 200, answer.body
    return answer.json


def counted(minutes: list[ScreenMinute], of: str, screen: str, edges: list[datetime]) -> list[int]:
    found = []
    for start, end in pairwise(edges):
        mine = sums(w for w in minutes if w.screen == screen and start <= w.minute < end)
        found.append({"views": mine.views, "dwell": sum(mine.dwells), "exits": mine.exits}[of])
    return found


DAYS = [datetime(2026, 3, 26, 23, tzinfo=UTC) + timedelta(days=n) for n in range(2)] + [
    datetime(2026, 3, 28, 23, tzinfo=UTC),
    datetime(2026, 3, 29, 22, tzinfo=UTC),
    datetime(2026, 3, 30, 22, tzinfo=UTC),
]
HOURS = [datetime(2026, 3, 30, 16, tzinfo=UTC) + timedelta(hours=n) for n in range(7)]


async def test_without_anything_there_are_no_trends(api: Api) -> None:
    answer = await ok(api, "/api/v1/trends")
    assert (answer["items"], answer["compared_to"], answer["stale"]) == ([], None, True)


@pytest.mark.parametrize("of", ["views", "dwell", "exits"])
@pytest.mark.parametrize(
    ("bucket", "since", "until", "edges", "edges_before", "over"),
    [
        # The day of 23 hours is the third, and the last is still counted.
        (
            *("1d", "2026-03-27", "2026-03-31", DAYS),
            [datetime(2026, 3, 22, 23, tzinfo=UTC) + timedelta(days=n) for n in range(5)],
            3,
        ),
        (
            *("1h", "2026-03-30T16:00:00Z", "2026-03-30T22:00:00Z", HOURS),
            [edge - timedelta(hours=6) for edge in HOURS],
            5,
        ),
    ],
)
async def test_a_trend_compares_what_is_over_with_the_range_before(
    api: Api,
    minutes: list[ScreenMinute],
    of: str,
    bucket: str,
    since: str,
    until: str,
    edges: list[datetime],
    edges_before: list[datetime],
    over: int,
) -> None:
    query = {"from": since, "to": until, "bucket": bucket, "of": of}
    answer = await ok(api, "/api/v1/trends", **query)
    assert answer["bucket"] == bucket
    assert [datetime.fromisoformat(at) for at in answer["before"].values()] == [
        edges_before[0],
        edges_before[-1],
    ]
    assert answer["compared_buckets"] == over
    assert datetime.fromisoformat(answer["compared_to"]) == edges[over]
    names = sorted({w.screen for w in minutes if edges[0] <= w.minute < edges[-1]})
    totals = {name: sum(counted(minutes, of, name, edges)) for name in names}
    assert [item["screen"] for item in answer["items"]] == sorted(
        names, key=lambda name: (-totals[name], name)
    )
    for item in answer["items"]:
        series = counted(minutes, of, item["screen"], edges)
        before = counted(minutes, of, item["screen"], edges_before)
        now, then = sum(series[:over]), sum(before[:over])
        assert item == {
            "screen": item["screen"],
            "total": sum(series),
            "compared": now,
            "compared_before": then,
            "change": round(now / then - 1, 4) if then else None,
            "series": series,
            "series_before": before,
        }
    first = await ok(api, "/api/v1/trends", **query, limit="1")
    assert first["items"] == answer["items"][:1]
    one = await ok(api, "/api/v1/trends", **query, screen="Cart")
    assert one["items"] == [item for item in answer["items"] if item["screen"] == "Cart"]


async def test_a_range_before_that_is_kept_in_part_is_not_compared(
    api: Api, minutes: list[ScreenMinute]
) -> None:
    query = {"from": "2026-03-26", "to": "2026-03-31"}
    answer = await ok(api, "/api/v1/trends", **query)
    assert answer["kept_from"] == "2026-03-22T00:00:00.000Z"
    assert answer["before"]["from"] == "2026-03-20T23:00:00.000Z"
    assert answer["items"][0]["change"] is None
    later = await ok(api, "/api/v1/trends", **{**query, "from": "2026-03-27"})
    assert later["items"][0]["change"] is not None


async def test_a_new_screen_has_no_change(api: Api, minutes: list[ScreenMinute]) -> None:
    answer = await ok(api, "/api/v1/trends", **{"from": "2026-03-30", "bucket": "1h"})
    [new] = [item for item in answer["items"] if item["screen"] == "New"]
    assert (new["total"], new["compared_before"], new["change"]) == (3, 0, None)


async def test_the_usual_bucket_is_coarse_and_an_answer_is_bounded(
    api: Api, minutes: list[ScreenMinute]
) -> None:
    assert (await ok(api, "/api/v1/trends"))["bucket"] == "1h"
    week = await ok(api, "/api/v1/trends", **{"from": "2026-03-24"})
    assert week["bucket"] == "1d"
    answer = await api.get("/api/v1/trends", **{"from": "2026-03-01", "bucket": "15m"})
    assert (answer.status, answer.json["errors"][0]["field"]) == (400, "bucket")


@pytest.mark.parametrize("screen", [None, "Cart"])
async def test_dwell_is_the_distribution_of_all_visits(
    api: Api, minutes: list[ScreenMinute], screen: str | None
) -> None:
    query = {"from": "2026-03-27T10:15:00Z", "to": "2026-03-30T21:00:00Z"}
    answer = await ok(api, "/api/v1/dwell", **query, **({"screen": screen} if screen else {}))
    since, until = (datetime.fromisoformat(at) for at in query.values())
    dwells = [
        dwell
        for window in minutes
        if since <= window.minute < until and screen in (None, window.screen)
        for dwell in window.dwells
    ]
    counts = Counter(bucket_of(dwell) for dwell in dwells)
    assert answer["visits"] == len(dwells)
    assert [item["visits"] for item in answer["items"]] == [
        counts[bucket] for bucket in range(min(counts), max(counts) + 1)
    ]
    for item in answer["items"]:
        mine = [dwell for dwell in dwells if item["from_ms"] <= dwell < item["to_ms"]]
        assert item["visits"] == len(mine)
        assert item["share"] == round(len(mine) / len(dwells), 4)


async def test_of_no_visits_there_is_no_dwell(api: Api, minutes: list[ScreenMinute]) -> None:
    answer = await ok(api, "/api/v1/dwell", screen="Nobody's")
    assert (answer["items"], answer["visits"], answer["screen"]) == ([], 0, "Nobody's")


async def test_the_top_screens_say_up_to_when_their_users_are_known(
    api: Api, minutes: list[ScreenMinute]
) -> None:
    answer = await ok(api, "/api/v1/screens/engagement", limit="1")
    assert answer["unique_users_to"] == "2026-03-30T19:00:00.000Z"
