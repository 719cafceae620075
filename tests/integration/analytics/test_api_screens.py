"""What people do on screens: every figure against a recount of the windows it is made of."""

from __future__ import annotations

import csv
import io
import random
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

import pytest
import pytest_asyncio

from api.analytics import recent_users
from schemas.measures.dwell import RELATIVE_ERROR
from schemas.measures.sketches import NOBODY
from tests.conftest import fresh_database
from tests.integration.analytics.analytics_rows import (
    HOUR,
    QUARTER,
    AnalyticsTable,
    ScreenMinute,
    Sum,
    floor,
    grouped,
    local_day,
    random_minutes,
    sums,
    write_screens,
)
from tests.rigs.api_harness import Answer, Api, api_settings, at, running_api

ENGAGEMENT = "/api/v1/screens/engagement"
BERLIN = ZoneInfo("Europe/Berlin")
KATHMANDU = ZoneInfo("Asia/Kathmandu")
#: Berlin's clocks go forward at 01:00Z on the 29th.
START = datetime(2026, 3, 27, tzinfo=UTC)
END = datetime(2026, 3, 31, tzinfo=UTC)
DAYS_THROUGH = datetime(2026, 3, 29, 22, tzinfo=UTC)  # the end of a day of 23 hours
QUARTERS_THROUGH = datetime(2026, 3, 30, 20, 30, tzinfo=UTC)
HOURS_THROUGH = datetime(2026, 3, 30, 19, tzinfo=UTC)
AS_OF = datetime(2026, 3, 30, 21, 7, tzinfo=UTC)
USERS = ("unique_users", "users_at_least", "users_at_most")
SCREENS = ["Home", "Cart", "(none)", "(other)", "a/b %25?", "=cmd", "engagement", "é 😀"]


# Most tests only read: they share the API, its database and the windows in it.
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module")
def shared_url(postgres_url: str, template_database: str) -> Iterator[str]:
    """URL of the database of :func:`minutes`."""
    with fresh_database(postgres_url, template_database) as url:
        yield url


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def api(shared_url: str) -> AsyncIterator[Api]:
    async with running_api(api_settings(shared_url)) as running:
        yield running


@pytest.fixture(scope="module")
def table(shared_url: str) -> Iterator[AnalyticsTable]:
    opened = AnalyticsTable(shared_url)
    yield opened
    opened.close()


@pytest_asyncio.fixture(loop_scope="module")
async def own_api(database_url: str) -> AsyncIterator[Api]:
    """Of a test that has a database to itself, with nothing in it."""
    async with running_api(api_settings(database_url)) as running:
        yield running


@pytest.fixture
def own_table(database_url: str) -> Iterator[AnalyticsTable]:
    opened = AnalyticsTable(database_url)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def minutes(table: AnalyticsTable) -> list[ScreenMinute]:
    made = random_minutes(random.Random(5), START, END, SCREENS, 6_000)
    write_screens(
        table,
        made,
        quarters=QUARTERS_THROUGH,
        days=DAYS_THROUGH,
        hours=HOURS_THROUGH,
        zone=BERLIN,
    )
    table.visits(window for window in made if window.minute >= HOURS_THROUGH)
    table.log_time(AS_OF)
    return made


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def percentile(dwells: Sequence[int], fraction: float) -> Any:
    """Exact; what an estimate may be is within the error of the histogram."""
    if not dwells:
        return None
    exact = sorted(dwells)[ceil(fraction * len(dwells)) - 1]
    return pytest.approx(exact, rel=RELATIVE_ERROR + 0.002, abs=125)


def expected(found: Sum, *, is_unique: bool) -> dict[str, Any]:
    visits, dwell_ms = len(found.dwells), sum(found.dwells)
    return {
        "views": found.views,
        "visits": visits,
        **dict.fromkeys(USERS, len(found.users) if is_unique else None),
        "dwell_ms": dwell_ms,
        "dwell_mean_ms": round(dwell_ms / visits) if visits else None,
        "dwell_p50_ms": percentile(found.dwells, 0.5),
        "dwell_p90_ms": percentile(found.dwells, 0.9),
        "dwell_p95_ms": percentile(found.dwells, 0.95),
        "exits": found.exits,
        "exit_share": round(found.exits / found.views, 4) if found.views else None,
        "bounces": found.bounces,
        "silent_share": round(found.silent_dwell_ms / dwell_ms, 4) if dwell_ms else None,
    }


def within(minutes: Sequence[ScreenMinute], start: datetime, end: datetime) -> list[ScreenMinute]:
    return [window for window in minutes if start <= window.minute < end]


async def ok(api: Api, path: str, **parameters: str) -> Any:
    answer = await api.get(path, **parameters)
    assert answer.status == 200, answer.body
    return answer.json


def assert_refused(answer: Answer, field: str, word: str) -> None:
    assert (answer.status, answer.json["code"]) == (400, "bad_parameter")
    [error] = answer.json["errors"]
    assert error["field"] == field
    assert word in error["message"]


def is_whole(start: datetime, end: datetime) -> bool:
    """Whether sketches tell unique users: whole days of the reporting zone, or whole hours."""
    return start.minute == end.minute == 0 and end <= HOURS_THROUGH


def is_counted(start: datetime, end: datetime) -> bool:
    """Whether unique users are counted one by one: two hours of late."""
    return start >= HOURS_THROUGH and end - start <= timedelta(hours=2)


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("2026-03-27T00:00:00Z", "2026-03-31T00:00:00Z"),  # days, quarter-hours and minutes
        ("2026-03-27T10:15:00Z", "2026-03-29T00:45:00Z"),  # parts of days at both ends
        ("2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"),  # the day of 23 hours
        ("2026-03-27T23:00:00Z", "2026-03-30T19:00:00Z"),  # whole hours after days
        ("2026-03-30T20:15:00Z", "2026-03-30T20:45:00Z"),  # across the end of the rollup
        ("2026-03-30T19:15:00Z", "2026-03-30T21:15:00Z"),  # the last two hours
        ("2026-03-30T20:30:00Z", "2026-03-31T00:00:00Z"),  # minutes only
        ("2026-03-28T10:00:00Z", "2026-03-28T11:00:00Z"),  # no whole day
    ],
)
@pytest.mark.parametrize("sort", ["views", "dwell", "exits", "unique_users"])
async def test_top_screens_are_those_of_a_recount(
    api: Api, minutes: list[ScreenMinute], start: str, end: str, sort: str
) -> None:
    since, until = instant(start), instant(end)
    known = is_whole(since, until) or is_counted(since, until)
    if sort == "unique_users" and not known:
        answer = await api.get(ENGAGEMENT, **{"from": start, "to": end, "sort": sort})
        assert_refused(answer, "sort", "unique users")
        return
    found = grouped(within(minutes, since, until), lambda _: None)

    def rank(each: Sum) -> int:
        return {
            "views": each.views,
            "dwell": sum(each.dwells),
            "exits": each.exits,
            "unique_users": len(each.users),
        }[sort]

    views = sum(each.views for each in found.values())
    other = sum(each.views for (_, screen), each in found.items() if screen == "(other)")
    told = [(screen, each) for (_, screen), each in found.items()]
    if sort == "unique_users":
        told = [(screen, each) for screen, each in told if each.users]
    told.sort(key=lambda pair: (-rank(pair[1]), pair[0]))
    for limit in (3, 500):
        answer = await ok(
            api, ENGAGEMENT, **{"from": start, "to": end, "sort": sort, "limit": str(limit)}
        )
        assert answer["items"] == [
            {
                "screen": screen,
                "start": start.replace("Z", ".000Z"),
                "end": end.replace("Z", ".000Z"),
                **expected(each, is_unique=known),
            }
            for screen, each in told[:limit]
        ]
        assert answer["sort"] == sort
        assert answer["other_share"] == (round(other / views, 4) if views else None)
        assert (answer["bucket"], answer["tz"]) == (None, "Europe/Berlin")


async def test_users_of_more_visits_than_can_be_counted_wait_for_their_sketch(
    api: Api, minutes: list[ScreenMinute], monkeypatch: pytest.MonkeyPatch
) -> None:
    since, until = HOURS_THROUGH + timedelta(minutes=15), HOURS_THROUGH + timedelta(minutes=30)
    asked = {"from": f"{since:%FT%TZ}", "to": f"{until:%FT%TZ}"}
    begun = sum(len(window.users) for window in within(minutes, since, until))
    monkeypatch.setattr(recent_users, "MOST_VISITS", begun)
    known = await ok(api, ENGAGEMENT, **asked)
    assert sum(row["unique_users"] for row in known["items"]) > 0
    monkeypatch.setattr(recent_users, "MOST_VISITS", begun - 1)
    unknown = await ok(api, ENGAGEMENT, **asked)
    assert [row["unique_users"] for row in unknown["items"]] == [None] * len(known["items"])
    assert_refused(await api.get(ENGAGEMENT, **asked, sort="unique_users"), "sort", "whole hours")


async def test_minutes_are_told_as_long_as_they_are_kept(
    api: Api, table: AnalyticsTable, minutes: list[ScreenMinute]
) -> None:
    since, until = QUARTERS_THROUGH + timedelta(minutes=3), AS_OF + timedelta(minutes=1)
    answer = await ok(
        api,
        ENGAGEMENT,
        **{"from": f"{since:%FT%TZ}", "to": f"{until:%FT%TZ}"},
        screen="Home",
        bucket="1m",
    )
    starts = [since + n * timedelta(minutes=1) for n in range(len(answer["items"]))]
    assert starts[-1] == until - timedelta(minutes=1)
    for row, start in zip(answer["items"], starts, strict=True):
        mine = [w for w in minutes if w.screen == "Home" and w.minute == start]
        assert row["start"] == f"{start:%FT%T.000Z}"
        for name, value in expected(sums(mine), is_unique=False).items():
            assert row[name] == value, (start, name)
    table.run(
        "INSERT INTO retention_progress (table_name, kept_from) VALUES ('screen_minutes', %s)",
        since,
    )
    try:
        before = f"{since - timedelta(minutes=1):%FT%TZ}"
        refused = await api.get(ENGAGEMENT, **{"from": before, "screen": "Home", "bucket": "1m"})
        assert_refused(refused, "bucket", "use 15m")
    finally:
        table.run("DELETE FROM retention_progress WHERE table_name = 'screen_minutes'")


@pytest.mark.parametrize(
    ("bucket", "zone"), [("15m", BERLIN), ("1h", BERLIN), ("1d", BERLIN), ("1d", KATHMANDU)]
)
async def test_the_series_of_a_screen_is_a_recount_of_each_bucket(
    api: Api, minutes: list[ScreenMinute], bucket: str, zone: ZoneInfo
) -> None:
    since, until = instant("2026-03-27T10:15:00Z"), instant("2026-03-30T22:30:00Z")

    def bucket_key(moment: datetime) -> Any:
        if bucket == "1d":
            return local_day(moment, zone)
        return floor(moment, {"15m": QUARTER, "1h": HOUR}[bucket])

    edges: dict[Any, list[datetime]] = {}
    for number in range((until - since) // QUARTER):
        quarter = since + number * QUARTER
        edges.setdefault(bucket_key(quarter), []).append(quarter)
    for screen in ("Home", "=cmd", "nobody"):
        answer = await ok(
            api,
            ENGAGEMENT,
            **{"from": "2026-03-27T10:15:00Z", "to": "2026-03-30T22:30:00Z"},
            screen=screen,
            bucket=bucket,
            tz=zone.key,
        )
        mine = [window for window in within(minutes, since, until) if window.screen == screen]
        wanted = []
        for key, quarters in edges.items():
            start, end = quarters[0], quarters[-1] + QUARTER
            found = sums(window for window in mine if bucket_key(window.minute) == key)
            wanted.append(
                {
                    "screen": screen,
                    "start": start.isoformat(timespec="milliseconds")[:23] + "Z",
                    "end": end.isoformat(timespec="milliseconds")[:23] + "Z",
                    **expected(found, is_unique=is_whole(start, end)),
                }
            )
        assert answer["items"] == wanted


async def test_a_bucket_without_a_screen_gives_a_series_for_each_of_the_top(
    api: Api, minutes: list[ScreenMinute]
) -> None:
    query = {"from": "2026-03-28", "to": "2026-03-30", "bucket": "1d", "limit": "3"}
    answer = await ok(api, ENGAGEMENT, **query)
    since, until = instant("2026-03-27T23:00:00Z"), instant("2026-03-29T22:00:00Z")
    assert (answer["from"], answer["to"]) == (
        "2026-03-27T23:00:00.000Z",
        "2026-03-29T22:00:00.000Z",
    )
    found = grouped(within(minutes, since, until), lambda _: None)
    top = sorted(found, key=lambda pair: (-found[pair].views, pair[1]))[:3]
    assert [(row["screen"], row["start"]) for row in answer["items"]] == [
        (screen, start)
        for _, screen in top
        for start in ("2026-03-27T23:00:00.000Z", "2026-03-28T23:00:00.000Z")
    ]
    for row in answer["items"]:
        part = within(minutes, instant(row["start"]), instant(row["end"]))
        mine = sums(window for window in part if window.screen == row["screen"])
        assert row["views"] == mine.views
        assert row["unique_users"] == len(mine.users)


async def test_without_a_range_it_is_the_last_day_up_to_as_of(
    api: Api, minutes: list[ScreenMinute]
) -> None:
    answer = await ok(api, ENGAGEMENT)
    assert (answer["from"], answer["to"]) == (
        "2026-03-29T21:15:00.000Z",
        "2026-03-30T21:15:00.000Z",
    )
    assert answer["as_of"] == "2026-03-30T21:07:00.000Z"
    assert answer["stale"] is True
    by_users = await ok(api, ENGAGEMENT, sort="unique_users")
    assert by_users["to"] == "2026-03-30T19:00:00.000Z"
    assert by_users["items"][0]["unique_users"] > 0


async def test_a_screen_says_what_it_holds_and_where_people_come_from_and_go_to(
    api: Api, table: AnalyticsTable, minutes: list[ScreenMinute]
) -> None:
    table.insert(
        "transition_quarters",
        [
            {
                "quarter": datetime(2026, 3, 30, 12, tzinfo=UTC),
                "from_screen": source,
                "to_screen": target,
                "transitions": count,
            }
            for source, target, count in (
                ("(start)", "Cart", 4),
                ("Home", "Cart", 12),
                ("Cart", "Home", 3),
                ("Cart", "(end)", 1),
                ("Home", "(end)", 100),
            )
        ],
    )
    query = {"from": "2026-03-30T10:00:00Z", "to": "2026-03-30T16:00:00Z", "bucket": "1h"}
    answer = await ok(api, "/api/v1/screens/Cart", **query)
    since, until = instant(query["from"]), instant(query["to"])
    mine = [window for window in within(minutes, since, until) if window.screen == "Cart"]
    assert answer["screen"] == "Cart"
    assert answer["totals"] == expected(sums(mine), is_unique=True)
    assert len(answer["series"]) == 6
    assert sum(row["views"] for row in answer["series"]) == answer["totals"]["views"]
    assert answer["previous"] == [
        {"screen": "Home", "transitions": 12, "share": 0.75},
        {"screen": "(start)", "transitions": 4, "share": 0.25},
    ]
    assert answer["next"] == [
        {"screen": "Home", "transitions": 3, "share": 0.75},
        {"screen": "(end)", "transitions": 1, "share": 0.25},
    ]


@pytest.mark.parametrize("screen", SCREENS)
async def test_a_screen_is_found_whatever_its_name(
    api: Api, minutes: list[ScreenMinute], screen: str
) -> None:
    path = "".join(f"%{byte:02X}" for byte in screen.encode())
    answer = await ok(api, f"/api/v1/screens/{path}", **{"from": "2026-03-28", "to": "2026-03-29"})
    assert answer["screen"] == screen
    start = datetime(2026, 3, 27, 23, tzinfo=UTC)
    mine = [w for w in within(minutes, start, start + timedelta(days=1)) if w.screen == screen]
    assert answer["totals"]["views"] == sums(mine).views > 0


@pytest.mark.usefixtures("minutes")
async def test_what_needs_no_encoding_may_go_without(api: Api) -> None:
    assert (await ok(api, "/api/v1/screens/a/b"))["screen"] == "a/b"
    assert (await ok(api, f"/api/v1/screens/{quote('a/b %25?', safe='/')}"))["screen"] == "a/b %25?"
    # The plain word is the call of this name.
    assert "items" in await ok(api, "/api/v1/screens/engagement")


@pytest.mark.parametrize(
    ("query", "field", "word"),
    [
        ("from=2026-03-28T10:07:00Z", "from", "2026-03-28T10:00:00.000Z"),
        ("from=2026-03-28T10:08:00Z", "from", "2026-03-28T10:15:00.000Z"),
        ("to=2026-03-28T10:00:01Z", "to", "2026-03-28T10:00:00.000Z"),
        ("from=2026-03-28&to=2026-03-28", "from", "before to"),
        ("from=yesterday", "from", "2026-03-29"),
        ("from=2026-02-30", "from", "date"),
        ("from=2026-03-28T10:00:00", "from", "instant"),
        ("bucket=10s", "bucket", "15m or 1h or 1d"),
        ("tz=Mars/Olympus", "tz", "IANA"),
        ("tz=../etc/passwd", "tz", "IANA"),
        ("sort=name", "sort", "views"),
        ("limit=501", "limit", "500"),
        ("bucket=15m&from=2026-01-01&to=2026-03-01&screen=Home", None, ""),
        ("bucket=15m&from=2025-01-01&to=2026-03-01&screen=Home", "bucket", "bucket=1d"),
        ("bucket=15m&from=2026-03-01&to=2026-03-08", "bucket", "bucket=1h"),
        ("bucket=1d&from=2025-03-01&to=2026-03-08", "bucket", "fewer series"),
        ("colour=red", "colour", "no parameter"),
        ("screen=", "screen", "empty"),
    ],
)
@pytest.mark.usefixtures("minutes")
async def test_a_range_that_cannot_be_answered_says_what_can(
    api: Api, query: str, field: str | None, word: str
) -> None:
    answer = await api.call(f"{ENGAGEMENT}?{query}")
    if field is None:
        assert answer.status == 200
    else:
        assert_refused(answer, field, word)


async def test_without_anything_there_is_nothing_and_it_is_stale(own_api: Api) -> None:
    assert (await ok(own_api, ENGAGEMENT))["items"] == []
    answer = await ok(own_api, "/api/v1/screens/Home")
    assert answer["totals"]["views"] == 0
    assert answer["totals"]["dwell_p50_ms"] is None
    assert (answer["as_of"], answer["stale"]) == (None, True)
    now = await ok(own_api, "/api/v1/screens")
    assert (now["items"], now["foreground"], now["background"]) == ([], 0, 0)


async def test_screens_now_are_those_that_people_look_at(
    own_api: Api, own_table: AnalyticsTable
) -> None:
    own_table.log_time(AS_OF)
    for number in range(5):
        own_table.user(f"h{number}", screen="Home")
    for number in range(2):
        own_table.user(f"n{number}")
    own_table.user("c", screen="Cart")
    own_table.user("b1", "background", screen="Cart")
    own_table.user("b2", "background", screen="Only behind")
    own_table.user("o", "offline")
    answer = await ok(own_api, "/api/v1/screens")
    assert answer == {
        "items": [
            {"screen": "Home", "foreground": 5, "share": 0.625},
            {"screen": None, "foreground": 2, "share": 0.25},
            {"screen": "Cart", "foreground": 1, "share": 0.125},
        ],
        "foreground": 8,
        "background": 2,
        "screens": 3,
        "as_of": "2026-03-30T21:07:00.000Z",
        "stale": True,
    }
    assert [
        row["screen"] for row in (await ok(own_api, "/api/v1/screens", limit="1"))["items"]
    ] == ["Home"]


async def test_a_screen_that_has_a_name_of_ours_is_other_as_in_windows(
    own_api: Api, own_table: AnalyticsTable
) -> None:
    own_table.log_time(AS_OF)
    begun: dict[str, Any] = {"changed_at": AS_OF, "online_since": AS_OF}
    own_table.user("h", screen="Home", **begun)
    own_table.user("n", **begun)
    for number, screen in enumerate(["(end)", "(none)", "(start)", "(other)"]):
        own_table.user(f"o{number}", screen=screen, **begun)
    for parameters in ({}, {"at": "2026-03-30T21:07:00Z"}):
        answer = await ok(own_api, "/api/v1/screens", **parameters)
        assert [(row["screen"], row["foreground"]) for row in answer["items"]] == [
            ("(other)", 4),
            (None, 1),
            ("Home", 1),
        ]


async def test_people_only_in_the_background_are_on_no_screen_but_counted(
    own_api: Api, own_table: AnalyticsTable
) -> None:
    own_table.user("b", "background", screen="Cart", changed_at=at(1))
    answer = await ok(own_api, "/api/v1/screens")
    assert (answer["items"], answer["background"], answer["screens"]) == ([], 1, 0)


async def test_users_of_two_months_are_told_as_bounds_and_of_one_as_a_number(
    own_api: Api, own_table: AnalyticsTable
) -> None:
    start, end = datetime(2026, 3, 30, 22, tzinfo=UTC), datetime(2026, 4, 2, 22, tzinfo=UTC)
    made = random_minutes(random.Random(8), start, end, SCREENS[:4], 400)
    days = end - 24 * HOUR
    write_screens(own_table, made, quarters=end, days=days, hours=end, zone=BERLIN)
    own_table.log_time(end + HOUR)
    # Of one screen the sketches of an hour were dropped with their changes: numbers stay.
    dropped = within(made, end - HOUR, end)
    own_table.run(
        "UPDATE screen_hour_users SET sketch_month = NULL, sketch = %s WHERE hour = %s",
        *(NOBODY, end - HOUR),
    )

    def bounds(screen: str, since: datetime, until: datetime) -> dict[str, int | None]:
        """Days are under the key of their month, the hours after them of theirs."""
        parts: dict[str, set[str]] = {}
        for window in within(made, since, until):
            if window.screen == screen and window.users:
                month = f"{window.minute.astimezone(BERLIN):%m}"
                key = "none" if window in dropped else month
                parts.setdefault(key, set()).update(window.users)
        counts = [len(users) for users in parts.values()] or [0]
        least, most = max(counts), sum(counts)
        return dict(zip(USERS, (least if least == most else None, least, most), strict=True))

    def told(row: Any) -> dict[str, int | None]:
        return {name: row[name] for name in USERS}

    differing = 0
    for since, until in ((start, end), (start, start + 24 * HOUR), (start + 24 * HOUR, days)):
        query = {"from": since.isoformat()[:19] + "Z", "to": until.isoformat()[:19] + "Z"}
        answer = await ok(own_api, ENGAGEMENT, **query, sort="unique_users")
        items = answer["items"]
        for row in items:
            assert told(row) == bounds(row["screen"], since, until)
            differing += row["unique_users"] is None
        order = [(-row["users_at_least"], -row["users_at_most"], row["screen"]) for row in items]
        assert order == sorted(order)
        if until - since <= 24 * HOUR:
            assert all(row["unique_users"] is not None for row in items)
    assert differing > 0
    path = f"{ENGAGEMENT}?from=2026-03-31&to=2026-04-03"
    text = await own_api.call(path, headers={"Accept": "text/csv"})
    [first, *_] = csv.DictReader(io.StringIO(text.body.decode()))
    wanted = bounds(first["screen"], start, end)
    assert {name: first[name] for name in USERS} == {
        name: "" if users is None else str(users) for name, users in wanted.items()
    }
