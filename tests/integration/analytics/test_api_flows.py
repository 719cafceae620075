"""Transitions against a recount: rollups, quarter-hours that are not rolled up, shares, filters."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import pytest_asyncio

from tests.integration.analytics.analytics_rows import QUARTER, AnalyticsTable, local_day
from tests.rigs.api_harness import Api, api_settings, running_api

BERLIN = ZoneInfo("Europe/Berlin")
START = datetime(2026, 10, 23, tzinfo=UTC)
END = datetime(2026, 10, 27, tzinfo=UTC)
DAYS_THROUGH = datetime(2026, 10, 25, 23, tzinfo=UTC)  # the end of a day of 25 hours
QUARTERS_THROUGH = datetime(2026, 10, 26, 20, 30, tzinfo=UTC)
SCREENS = ["(start)", "Home", "Cart", "Film", "Offers", "(other)", "(end)"]

Flow = tuple[datetime, str, str, int]


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
    opened.log_time(END)
    yield opened
    opened.close()


@pytest.fixture
def flows(table: AnalyticsTable) -> list[Flow]:
    """Transitions in two partitions; in the place of what is rolled up what nobody may read."""
    rng = random.Random(3)
    made = {}
    for _ in range(2_000):
        quarter = START + rng.randrange((END - START) // QUARTER) * QUARTER
        pair = rng.choice(SCREENS[:-1]), rng.choice(SCREENS[1:])
        made[quarter, rng.randrange(2), *pair] = rng.randint(1, 9)
    found = [(quarter, source, target, n) for (quarter, _, source, target), n in made.items()]
    by_quarter: Counter[tuple[datetime, str, str]] = Counter()
    by_day: Counter[tuple[Any, str, str]] = Counter()
    for quarter, source, target, count in found:
        if quarter < QUARTERS_THROUGH:
            by_quarter[quarter, source, target] += count
        if quarter < DAYS_THROUGH:
            by_day[local_day(quarter, BERLIN), source, target] += count
    table.insert(
        "screen_transitions",
        (
            {
                "quarter": quarter,
                "partition": partition,
                "from_screen": source,
                "to_screen": target,
                "transitions": count if quarter >= QUARTERS_THROUGH else 10**6,
            }
            for (quarter, partition, source, target), count in made.items()
        ),
    )
    for name, column, counts in (
        ("transition_quarters", "quarter", by_quarter),
        ("transition_days", "day", by_day),
    ):
        table.insert(
            name,
            (
                {column: at, "from_screen": source, "to_screen": target, "transitions": count}
                for (at, source, target), count in counts.items()
            ),
        )
    table.progress(quarters=QUARTERS_THROUGH, days=DAYS_THROUGH)
    table.zone("Europe/Berlin", START)
    return found


async def ok(api: Api, **parameters: str) -> Any:
    answer = await api.get("/api/v1/flows", **parameters)
    assert answer.status == 200, answer.body
    return answer.json


def recount(flows: list[Flow], start: str, end: str) -> list[dict[str, Any]]:
    since, until = datetime.fromisoformat(start), datetime.fromisoformat(end)
    pairs: Counter[tuple[str, str]] = Counter()
    sources: Counter[str] = Counter()
    targets: Counter[str] = Counter()
    for quarter, source, target, count in flows:
        if since <= quarter < until:
            pairs[source, target] += count
            sources[source] += count
            targets[target] += count
    return [
        {
            "from_screen": source,
            "to_screen": target,
            "transitions": count,
            "from_share": round(count / sources[source], 4),
            "to_share": round(count / targets[target], 4),
        }
        for (source, target), count in sorted(pairs.items(), key=lambda each: (-each[1], each[0]))
    ]


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("2026-10-23T00:00:00Z", "2026-10-27T00:00:00Z"),
        ("2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"),  # the day of 25 hours
        ("2026-10-24T10:15:00Z", "2026-10-26T20:45:00Z"),
        ("2026-10-26T20:30:00Z", "2026-10-27T00:00:00Z"),
    ],
)
async def test_flows_are_those_of_a_recount(
    api: Api, flows: list[Flow], start: str, end: str
) -> None:
    wanted = recount(flows, start, end)
    query = {"from": start, "to": end}
    assert (await ok(api, **query))["items"] == wanted
    assert (await ok(api, **query, limit="3"))["items"] == wanted[:3]
    for name in ("from_screen", "to_screen"):
        found = await ok(api, **query, **{name: "Home"})
        assert found["items"] == [flow for flow in wanted if flow[name] == "Home"]
    around = await ok(api, **query, screen="Home")
    assert around["items"] == [
        flow for flow in wanted if "Home" in (flow["from_screen"], flow["to_screen"])
    ]


def folded(flows: list[Flow], top: set[str]) -> list[Flow]:
    """With every screen but those of ``top`` as ``(other)``."""
    kept = top | {"(start)", "(end)"}

    def name(screen: str) -> str:
        return screen if screen in kept else "(other)"

    return [(quarter, name(source), name(target), n) for quarter, source, target, n in flows]


def busiest(flows: list[Flow], asked: str | None = None) -> list[str]:
    """Screens by the transitions from and to them."""
    counts: Counter[str] = Counter()
    for _, source, target, count in flows:
        if asked is None or asked in (source, target):
            counts[source] += count
            counts[target] += count
    names = set(counts) - {"(start)", "(end)", "(other)", asked}
    return sorted(names, key=lambda name: (-counts[name], name))


async def test_all_but_the_top_screens_are_folded_into_one(api: Api, flows: list[Flow]) -> None:
    start, end = "2026-10-23T00:00:00Z", "2026-10-27T00:00:00Z"
    query = {"from": start, "to": end}
    screens = busiest(flows)
    assert len(screens) == 4
    for top in (1, 3, 4, 100):
        answer = await ok(api, **query, top=str(top))
        assert (answer["top"], answer["folded"]) == (top, max(0, 4 - top))
        assert answer["items"] == recount(folded(flows, set(screens[:top])), start, end)
    # Whoever is asked for keeps its name.
    for name in ("Home", "Film"):
        around = await ok(api, **query, top="1", screen=name)
        kept = {name, busiest(flows, name)[0]}
        wanted = recount(folded(flows, kept), start, end)
        assert around["folded"] == 2
        assert around["items"] == [
            flow for flow in wanted if name in (flow["from_screen"], flow["to_screen"])
        ]
    assert (await ok(api, **query))["folded"] is None
    assert (await ok(api, top="1", **{"from": "2020-01-01", "to": "2020-01-02"}))["folded"] == 0
    assert (await api.get("/api/v1/flows", top="101")).status == 400


async def test_dates_are_days_of_the_zone_asked_for(api: Api, flows: list[Flow]) -> None:
    query = {"from": "2026-10-25", "to": "2026-10-26"}
    answer = await ok(api, **query)
    assert answer["tz"] == "Europe/Berlin"
    assert answer["items"] == recount(flows, "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z")
    answer = await ok(api, **query, tz="Asia/Kolkata")
    assert (answer["from"], answer["to"]) == (
        "2026-10-24T18:30:00.000Z",
        "2026-10-25T18:30:00.000Z",
    )
    assert answer["items"] == recount(flows, "2026-10-24T18:30:00Z", "2026-10-25T18:30:00Z")


async def test_a_flow_takes_no_bucket(api: Api) -> None:
    answer = await api.get("/api/v1/flows", bucket="1h")
    assert (answer.status, answer.json["errors"][0]["field"]) == (400, "bucket")
