"""What a user did: everything once, newest first, with the reason of each change."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest
import pytest_asyncio

from api.periods.instants import rfc3339
from tests.integration.analytics.analytics_rows import AnalyticsTable
from tests.integration.analytics.device_histories import Histories
from tests.rigs.api_harness import Api, api_settings, running_api

START = datetime(2026, 3, 27, 5, tzinfo=UTC)
END = datetime(2026, 3, 30, 21, tzinfo=UTC)


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
def histories(table: AnalyticsTable) -> Histories:
    made = Histories(6, START, END, users=6)
    made.run_through(END)
    made.write(table)
    table.insert(
        "sessions",
        (
            {
                "shown_until": row["at"],
                "partition": 0,
                "log_offset": row["log_offset"],
                "event_index": row["event_index"],
                "ordinal": row["ordinal"],
                "user_id": row["user_id"],
                "device": row["device"],
                "started_at": START,
                "ended_at": row["at"],
                "ended_by": row["reason"],
                "views": 2,
                "visits": 3,
                "foreground_ms": 4_000,
                "entry_screen": "Home",
                "exit_screen": None,
                "app_version": "1.0",
                "device_info": None,
                "platform": row["platform"],
            }
            for row in made.changes
            if row["state"] == "offline"
        ),
    )
    return made


async def pages(api: Api, user_id: str, limit: int, **filters: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        answer = await api.get(
            f"/api/v1/users/{quote(user_id, safe='')}/timeline",
            limit=str(limit),
            **filters,
            **cursor,
        )
        assert answer.status == 200, answer.body
        found += answer.json["items"]
        if answer.json["next_cursor"] is None:
            return found
        cursor = {"cursor": answer.json["next_cursor"]}


def ended(items: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [item for item in items if item["type"] == kind and item["at"] is not None]


@pytest.mark.parametrize("limit", [pytest.param(1, marks=pytest.mark.long), 7, 500])
async def test_everything_is_told_once_newest_first(
    api: Api, histories: Histories, limit: int
) -> None:
    for user in histories.users[: {1: 3, 7: 6}.get(limit)]:
        items = await pages(api, user.user_id, limit)
        spans = [row for row in histories.spans if row["user_id"] == user.user_id]
        changes = [row for row in histories.changes if row["user_id"] == user.user_id]
        online = [device for device in user.devices.values() if device.state != "offline"]
        times = [item["at"] for item in items]
        assert times[: len(online)] == [None] * len(online)
        assert times[len(online) :] == sorted(times[len(online) :], reverse=True)
        assert [
            (item["at"], item["reason"], item["device"], item["state"], item["screen"])
            for item in ended(items, "change")
        ] == [
            (rfc3339(row["at"]), row["reason"], row["device"], row["state"], row["screen"])
            for row in reversed(changes)
        ]
        assert sorted(
            (item["started_at"], item["shown_until"], item["device"])
            for item in ended(items, "span")
        ) == sorted(
            (rfc3339(row["started_at"]), rfc3339(row["shown_until"]), row["device"])
            for row in spans
        )
        assert {
            item["device"]: (item["started_at"], item["is_view"]) for item in items[: len(online)]
        } == {
            device.device: (rfc3339(device.since), device.state == "foreground")
            for device in online
        }
        assert len(ended(items, "session")) == sum(row["state"] == "offline" for row in changes)


async def test_one_kind_is_a_part_of_everything(api: Api, histories: Histories) -> None:
    user_id = histories.users[0].user_id
    everything = await pages(api, user_id, 500)
    for kind in ("span", "session", "change"):
        mine = [item for item in everything if item["type"] == kind]
        assert mine
        assert await pages(api, user_id, 3, type=kind) == mine


async def test_what_ends_while_somebody_pages_is_not_told_twice(
    api: Api, table: AnalyticsTable
) -> None:
    table.user("u", changed_at=END, online_since=START)
    row = {
        "shown_until": END - timedelta(hours=1),
        "partition": 0,
        "log_offset": 1,
        "event_index": 0,
        "ordinal": 0,
        "user_id": "u",
        "device": "default",
        "state": "foreground",
        "screen": "Home",
        "started_at": START,
        "changed_at": START,
        "ended_at": END - timedelta(hours=1),
        "ended_by": "navigated",
        "is_view": True,
        "session_start": START,
        "online_since": START,
    }
    earlier = [
        {**row, "shown_until": END - timedelta(hours=n), "ended_at": START, "log_offset": 9 - n}
        for n in (1, 2, 3)
    ]
    table.insert("spans", earlier)
    first = (await api.get("/api/v1/users/u/timeline", limit="2")).json
    assert [item["at"] is None for item in first["items"]] == [True, False, False]
    table.user("u", "offline", changed_at=END + timedelta(minutes=1))
    table.insert("spans", [{**row, "shown_until": END, "ended_at": END, "log_offset": 10}])
    rest = (await api.get("/api/v1/users/u/timeline", limit="2", cursor=first["next_cursor"])).json
    assert [item["at"] for item in rest["items"]] == [rfc3339(END - timedelta(hours=3))]
    assert rest["next_cursor"] is None


@pytest.mark.parametrize("user_id", ["a/b", "timeline", "x/timeline", "/", "é 😀", "u" * 256])
async def test_a_timeline_is_found_whatever_the_users_name(
    api: Api, table: AnalyticsTable, user_id: str
) -> None:
    table.user(user_id, screen="Home")
    path = f"/api/v1/users/{quote(user_id, safe='')}"
    assert (await api.call(path)).json["user_id"] == user_id
    timeline = (await api.call(path + "/timeline")).json
    assert timeline.keys() == {"user_id", "items", "next_cursor", "as_of", "stale"}
    assert timeline["user_id"] == user_id
    assert [item["screen"] for item in timeline["items"]] == ["Home"]


async def test_a_user_whose_name_ends_like_the_call_is_encoded(
    api: Api, table: AnalyticsTable
) -> None:
    table.user("x/timeline")
    assert (await api.call("/api/v1/users/x%2Ftimeline")).json["user_id"] == "x/timeline"
    assert (await api.call("/api/v1/users/x/timeline")).json["code"] == "unknown_user"  # of x


@pytest.mark.parametrize(
    ("query", "code", "field"),
    [
        ("type=visit", "bad_parameter", "type"),
        ("limit=501", "bad_parameter", "limit"),
        ("at=2026-03-27", "bad_parameter", "at"),
        ("cursor=nonsense", "bad_cursor", "cursor"),
    ],
)
async def test_a_parameter_that_cannot_be_used_is_named(
    api: Api, table: AnalyticsTable, query: str, code: str, field: str
) -> None:
    table.user("u")
    answer = await api.call(f"/api/v1/users/u/timeline?{query}")
    assert (answer.status, answer.json["code"]) == (400, code)
    assert answer.json["errors"][0]["field"] == field


async def test_a_cursor_is_of_its_user_and_kind(api: Api, histories: Histories) -> None:
    one, other = (quote(user.user_id, safe="") for user in histories.users[:2])
    cursor = (await api.get(f"/api/v1/users/{one}/timeline", limit="1")).json["next_cursor"]
    for path, filters in ((other, {}), (one, {"type": "span"})):
        answer = await api.get(f"/api/v1/users/{path}/timeline", cursor=cursor, **filters)
        assert (answer.status, answer.json["code"]) == (400, "bad_cursor")


async def test_nobody_has_no_timeline(api: Api) -> None:
    answer = await api.call("/api/v1/users/nobody/timeline")
    assert (answer.status, answer.json["code"]) == (404, "unknown_user")
