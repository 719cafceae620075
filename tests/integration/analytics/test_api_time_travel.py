"""The answers of then: what was recorded while it was so equals what is asked for later."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest
import pytest_asyncio

from api.periods.instants import rfc3339
from tests.integration.analytics.analytics_rows import AnalyticsTable
from tests.integration.analytics.device_histories import MS, Histories, UserNow
from tests.rigs.api_harness import Answer, Api, api_settings, running_api

ONLINE = "/api/v1/online-users"
START = datetime(2026, 3, 27, 5, tzinfo=UTC)
END = datetime(2026, 3, 30, 21, tzinfo=UTC)
KEPT_FROM = datetime(2026, 3, 27, tzinfo=UTC)


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


def user_then(user: UserNow) -> dict[str, Any]:
    shown = user.shown()
    assert shown is not None
    return {
        "user_id": user.user_id,
        "name": user.name,
        "state": user.state,
        "reason": user.reason,
        "screen": user.screen,
        "app_version": shown.about["app_version"],
        "device_info": shown.about["device_info"],
        "platform": shown.about["platform"],
        "last_active": None,
        "online_since": rfc3339(user.online_since),
        "changed_at": rfc3339(user.changed_at),
        "device_count": sum(device.state != "offline" for device in user.devices.values()),
    }


def online_then(histories: Histories) -> list[dict[str, Any]]:
    return [user_then(user) for user in histories.users if user.state != "offline"]


async def pages(api: Api, at: str, limit: int, **filters: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        answer = await api.get(ONLINE, at=at, limit=str(limit), **filters, **cursor)
        assert answer.status == 200, answer.body
        assert answer.json["at"] == at
        found += answer.json["items"]
        if answer.json["next_cursor"] is None:
            return found
        assert len(answer.json["items"]) == limit
        cursor = {"cursor": answer.json["next_cursor"]}


@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(n, marks=pytest.mark.long) for n in range(1, 8))]
)
async def test_what_was_answered_then_is_answered_for_then(
    api: Api, table: AnalyticsTable, seed: int
) -> None:
    histories = Histories(seed, START, END, users=14)
    rng = random.Random(seed)
    happened = [event.at for event in histories.events if event.at < END]
    instants = sorted(
        {rng.choice(happened) + rng.choice((0, 0, -1, 1)) * MS for _ in range(18)}
        | {START + rng.randrange((END - START) // MS) * MS for _ in range(12)}
    )
    answers: dict[str, tuple[list[dict[str, Any]], dict[str, dict[str, Any]]]] = {}
    for instant in instants:
        histories.run_through(instant)
        at = rfc3339(instant)
        assert at is not None
        everybody = {user.user_id: user_then(user) for user in histories.users if user.devices}
        answers[at] = online_then(histories), everybody
    histories.run_through(END)
    histories.write(table)
    assert any(row["ended_by"] == "continued" for row in histories.spans) or seed
    assert sum(len(online) for online, _ in answers.values()) > 60

    for at, (online, everybody) in answers.items():
        assert await pages(api, at, 3) == online
        screens = (await api.get("/api/v1/screens", at=at)).json
        wanted = Counter(user["screen"] for user in online if user["state"] == "foreground")
        assert {row["screen"]: row["foreground"] for row in screens["items"]} == wanted
        assert screens["foreground"] == wanted.total()
        assert screens["background"] == len(online) - wanted.total()
        assert screens["at"] == at
        for user_id, then in rng.sample(sorted(everybody.items()), min(4, len(everybody))):
            answer = await api.call(f"/api/v1/users/{quote(user_id, safe='')}?at={at}")
            told = answer.json
            assert {name: told[name] for name in then} == then
            assert len(told["devices"]) == then["device_count"]
            is_offline = then["state"] == "offline"
            assert told["offline_since"] == (then["changed_at"] if is_offline else None)
            assert (told["at"], told["stale"]) == (at, True)


async def test_an_instant_of_before_the_changes_that_are_kept_lacks_their_reasons_alone(
    api: Api, table: AnalyticsTable
) -> None:
    """Spans are kept longer than changes (docs/privacy.md)."""
    histories = Histories(3, START, END, users=14)
    instant = START + timedelta(days=2)
    histories.run_through(instant)
    online = online_then(histories)
    histories.run_through(END)
    histories.write(table)
    table.run("DELETE FROM changes")
    at = rfc3339(instant)
    assert at is not None
    found = await pages(api, at, 500)
    assert online
    assert {user["reason"] for user in found} == {None}
    of_changes = {"reason": None, "changed_at": None}
    assert [{**user, **of_changes} for user in found] == [{**user, **of_changes} for user in online]
    assert all(user["changed_at"] for user in found)


async def test_filters_apply_to_what_was_shown_then(api: Api, table: AnalyticsTable) -> None:
    histories = Histories(9, START, END, users=14)
    instant = START + timedelta(days=2)
    histories.run_through(instant)
    online = online_then(histories)
    histories.run_through(END)
    histories.write(table)
    at = rfc3339(instant)
    assert at is not None
    for name, value in (("screen", "Home"), ("state", "foreground"), ("app_version", "1.0")):
        wanted = [user for user in online if user[name] == value]
        assert wanted
        assert await pages(api, at, 2, **{name: value}) == wanted
    assert await pages(api, at, 500, q="name 1") == [
        user for user in online if user["name"].startswith("Name 1")
    ]
    assert await pages(api, at, 500, device="PHONE") == online


async def test_the_devices_of_then_are_told_with_what_they_did_last(
    api: Api, table: AnalyticsTable
) -> None:
    histories = Histories(2, START, END, users=8)
    instant = START + timedelta(days=2)
    histories.run_through(instant)
    then = {
        user.user_id: {
            device.device: device for device in user.devices.values() if device.state != "offline"
        }
        for user in histories.users
    }
    reasons = {(row["user_id"], row["device"]): row["reason"] for row in histories.changes}
    histories.run_through(END)
    histories.write(table)
    assert any(len(devices) > 1 for devices in then.values())
    for user_id, devices in then.items():
        answer = await api.call(f"/api/v1/users/{quote(user_id, safe='')}?at={rfc3339(instant)}")
        assert {device["device"]: device for device in answer.json["devices"]} == {
            name: {
                "device": name,
                "state": device.state,
                "reason": reasons[user_id, name],
                "screen": device.screen,
                **device.about,
                "last_active": None,
                "online_since": rfc3339(device.session_start),
                "changed_at": rfc3339(device.changed_at),
                "timer_runs_on": None,
                "twin_of": None,
                "other_users": None,
            }
            for name, device in devices.items()
        }


async def test_who_was_never_seen_is_unknown_and_who_came_later_was_offline(
    api: Api, table: AnalyticsTable
) -> None:
    table.user("late", changed_at=END, online_since=END)
    at = "2026-03-28T00:00:00.000Z"
    answer = (await api.get("/api/v1/users/late", at=at)).json
    assert (answer["state"], answer["reason"], answer["changed_at"]) == ("offline", None, None)
    assert (answer["devices"], answer["device_count"]) == ([], 0)
    gone = await api.get("/api/v1/users/nobody", at=at)
    assert (gone.status, gone.json["code"]) == (404, "unknown_user")


def assert_refused(answer: Answer, field: str, *words: str) -> None:
    assert (answer.status, answer.json["code"]) == (400, "bad_parameter")
    [error] = answer.json["errors"]
    assert error["field"] == field
    for word in words:
        assert word in error["message"]


@pytest.mark.parametrize("path", [ONLINE, "/api/v1/screens", "/api/v1/users/u1"])
async def test_an_instant_that_is_not_known_is_refused_naming_the_limit(
    api: Api, table: AnalyticsTable, path: str
) -> None:
    table.user("u1")
    table.insert("retention_progress", [{"table_name": "spans", "kept_from": KEPT_FROM}])
    for at, limit in (
        ("2026-03-30T21:00:00.001Z", "2026-03-30T21:00:00.000Z"),
        ("2026-03-26T23:59:59.999Z", "2026-03-27T00:00:00.000Z"),
    ):
        assert_refused(await api.get(path, at=at), "at", limit)
    for at in ("2026-03-30T21:00:00Z", "2026-03-27T00:00:00Z", "2026-03-27T01:00:00%2B01:00"):
        assert (await api.call(f"{path}?at={at}")).status == 200
    for at in ("2026-03-28", "now", "1774700000", ""):
        assert_refused(await api.get(path, at=at), "at", "instant")
    table.run("UPDATE stream_offsets SET log_time = NULL WHERE partition = 1")
    assert_refused(await api.get(path, at="2026-03-28T00:00:00Z"), "at", "as_of is unknown")


async def test_a_list_of_then_is_by_user_and_its_cursor_is_of_its_instant(
    api: Api, table: AnalyticsTable
) -> None:
    histories = Histories(3, START, END, users=14)
    histories.run_through(END)
    histories.write(table)
    at = "2026-03-29T12:00:00Z"
    assert_refused(await api.get(ONLINE, at=at, sort="-changed_at"), "sort", "user_id")
    answer = await api.get(ONLINE, at=at, sort="user_id", limit="1")
    cursor = answer.json["next_cursor"]
    assert (await api.get(ONLINE, at=at, cursor=cursor)).status == 200
    for other in ({"at": "2026-03-29T12:00:00.001Z"}, {"sort": "user_id"}):
        refused = await api.get(ONLINE, cursor=cursor, **other)
        assert (refused.status, refused.json["code"]) == (400, "bad_cursor")
