"""Engagement and dwell by version and platform: answers against a recount of the visits."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest
import pytest_asyncio
from yarl import URL

from schemas.measures.dwell import RELATIVE_ERROR
from tests.conftest import fresh_database
from tests.integration.processor.rollup_oracle import HOUR, Source, ms_of
from tests.integration.processor.test_screen_versions import (
    START,
    Ended,
    Visit,
    called,
    random_sessions,
    random_visits,
    store,
)
from tests.rigs.api_harness import Api, api_settings, running_api
from tests.rigs.maintenance_rig import PARTITIONS, fill, run

ENGAGEMENT = "/api/v1/screens/engagement"
HOURS = 5
END = START + HOURS * HOUR
RANGE = {"from": f"{START:%FT%TZ}", "to": f"{END:%FT%TZ}"}
VERSIONS = ["1.1.0", "1.2.0", "1.3.0", None]
SCREENS: list[str | None] = ["Home", "Cart", None]

pytestmark = pytest.mark.asyncio(loop_scope="module")


def few_versions(name: str | None) -> str | None:
    """Fewer than are told apart, so that no hour has others."""
    return VERSIONS[hash_of(name) % len(VERSIONS)]


def hash_of(name: str | None) -> int:
    return sum((name or "").encode())


@pytest.fixture(scope="module")
def visits() -> list[Visit]:
    made = random_visits(11, 600, HOURS, SCREENS)
    return [replace(visit, version=few_versions(visit.version)) for visit in made]


@pytest.fixture(scope="module")
def sessions() -> list[Ended]:
    made = random_sessions(12, 120, HOURS)
    return [
        replace(session, version=few_versions(session.version), exit_screen="Home")
        for session in made
    ]


@pytest.fixture(scope="module")
def url(
    postgres_url: str, template_database: str, visits: list[Visit], sessions: list[Ended]
) -> Iterator[str]:
    with fresh_database(postgres_url, template_database) as fresh:
        fill(fresh, Source(PARTITIONS, "UTC"), END + HOUR)
        store(fresh, visits, sessions)
        run(fresh)
        yield fresh


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def api(url: str) -> AsyncIterator[Api]:
    async with running_api(api_settings(url)) as running:
        yield running


async def ok(api: Api, path: str, **query: str) -> Any:
    answer = await api.get(path, **query)
    assert answer.status == 200, answer.body
    return answer.json


def assert_is(row: dict[str, Any], seen: list[Visit], left: list[Ended]) -> None:
    dwells = [ms_of(visit.ended - visit.started) for visit in seen]
    views = sum(visit.is_view for visit in seen)
    exits = sum(session.views > 0 for session in left)
    assert (row["views"], row["visits"], row["dwell_ms"]) == (views, len(seen), sum(dwells))
    assert (row["exits"], row["bounces"]) == (exits, sum(s.views == 1 for s in left))
    assert row["exit_share"] == (round(exits / views, 4) if views else None)
    assert row["dwell_mean_ms"] == (round(sum(dwells) / len(seen)) if seen else None)
    middle = sorted(dwells)[(len(dwells) - 1) // 2] if dwells else None
    error = pytest.approx(middle, rel=RELATIVE_ERROR + 0.002, abs=125)
    assert row["dwell_p50_ms"] == (error if dwells else None)
    assert row["unique_users"] is row["users_at_least"] is row["users_at_most"] is None


def platform_of(each: Visit | Ended) -> str:
    return (each.platform or "(none)").lower()


def version_of(each: Visit | Ended) -> str:
    return each.version or "(none)"


@pytest.mark.parametrize(
    ("split_by", "value_of"), [("app_version", version_of), ("platform", platform_of)]
)
@pytest.mark.parametrize("screen", [None, "Home"])
async def test_a_split_is_a_recount(
    split_by: str,
    value_of: Callable[[Any], str],
    screen: str | None,
    api: Api,
    visits: list[Visit],
    sessions: list[Ended],
) -> None:
    query = {} if screen is None else {"screen": screen}
    found = await ok(api, ENGAGEMENT, **RANGE, **query, split_by=split_by)
    seen = [v for v in visits if v.state == "foreground" and screen in (None, v.screen)]
    left = [s for s in sessions if screen in (None, s.exit_screen)]
    assert {row["value"] for row in found["items"]} == {value_of(v) for v in seen}
    for row in found["items"]:
        value = row["value"]
        assert row["screen"] == screen
        mine = [v for v in seen if value_of(v) == value]
        assert_is(row, mine, [s for s in left if value_of(s) == value])
    views = [row["views"] for row in found["items"]]
    assert views == sorted(views, reverse=True)
    assert (found["split_by"], found["app_version"], found["kept_from"]) == (split_by, None, None)


async def test_a_filter_is_of_each_screen_and_hour(
    api: Api, visits: list[Visit], sessions: list[Ended]
) -> None:
    query = {"app_version": "1.2.0", "platform": "IOS"}
    found = await ok(api, ENGAGEMENT, **RANGE, **query, bucket="1h")

    def is_mine(each: Visit | Ended) -> bool:
        return version_of(each) == "1.2.0" and platform_of(each) == "ios"

    seen = [v for v in visits if v.state == "foreground" and is_mine(v)]
    left = [s for s in sessions if is_mine(s)]
    assert {row["screen"] for row in found["items"]} == {called(v.screen) for v in seen}
    for row in found["items"]:
        start = datetime.fromisoformat(row["start"])
        assert_is(
            row,
            [v for v in seen if called(v.screen) == row["screen"] and is_in(v, start)],
            [s for s in left if called(s.exit_screen) == row["screen"] and is_in(s, start)],
        )
    dwell = await ok(api, "/api/v1/dwell", **RANGE, **query)
    assert dwell["visits"] == sum(row["visits"] for row in dwell["items"]) == len(seen)
    assert dwell["platform"] == "ios"


def is_in(each: Visit | Ended, start: datetime) -> bool:
    return start <= each.ended < start + HOUR


async def test_who_names_no_end_gets_what_is_rolled_up(api: Api) -> None:
    found = await ok(api, ENGAGEMENT, split_by="platform")
    assert found["to"] == found["unique_users_to"] == f"{END:%FT%T.000Z}"


@pytest.mark.parametrize(
    ("query", "field", "words"),
    [
        ({"bucket": "15m"}, "bucket", "1h"),
        ({"sort": "unique_users"}, "sort", "not known"),
        ({"from": f"{START + timedelta(minutes=15):%FT%TZ}"}, "from", "60 minutes"),
        ({"split_by": "screen"}, "split_by", "app_version or platform"),
    ],
)
async def test_what_cannot_be_told_by_version_is_refused(
    query: dict[str, str], field: str, words: str, api: Api
) -> None:
    answer = await api.get(ENGAGEMENT, **{**RANGE, "split_by": "platform", **query})
    assert answer.status == 400
    [error] = answer.json["errors"]
    assert error["field"] == field
    assert words in error["message"]


async def test_a_csv_has_the_value(api: Api) -> None:
    query = {**RANGE, "split_by": "platform"}
    answer = await api.call(
        ENGAGEMENT + str(URL.build(query=query)), headers={"Accept": "text/csv"}
    )
    assert answer.status == 200
    assert answer.body.decode().startswith('"screen","value","start","end","views"')


async def test_versions_of_few_users_are_not_told_apart(
    url: str, api: Api, visits: list[Visit]
) -> None:
    """The database is given back as it was."""
    alone = Visit(
        *("nobody else", "foreground", "Secret", "0.0.1", "visionos", START, START + HOUR / 2),
        *("navigated", True, START + HOUR / 2),
    )
    row = (START, 60_000, 0, 1, 1, 0, 0, 1, "Secret", "0.0.1", "visionos", [0] * 10)
    with psycopg.connect(url, autocommit=True) as db:
        marks = ", ".join(["%s"] * len(row))
        db.execute(f"INSERT INTO screen_version_hours VALUES ({marks})".encode(), row)
        db.execute("UPDATE small_groups SET min_group_size = 3")
        try:
            split = await ok(api, ENGAGEMENT, **RANGE, split_by="platform")
            values = [row["value"] for row in split["items"]]
            assert "visionos" not in values
            assert values[-1] == "(suppressed)"
            seen = [v for v in [*visits, alone] if v.state == "foreground"]
            assert sum(row["visits"] for row in split["items"]) == len(seen)
            # What a filter says of too few is left out.
            filtered = await ok(api, ENGAGEMENT, **RANGE, app_version="0.0.1")
            assert filtered["items"] == []
            dwell = await ok(api, "/api/v1/dwell", **RANGE, platform="visionos")
            assert (dwell["items"], dwell["visits"]) == ([], 0)
        finally:
            db.execute("UPDATE small_groups SET min_group_size = 0")
            db.execute("DELETE FROM screen_version_hours WHERE screen = 'Secret'")
