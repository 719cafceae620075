"""One user: every device, and ids as strange as they come."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from typing import Any
from urllib.parse import quote

import pytest
import pytest_asyncio
from psycopg.types.json import Jsonb

from tests.rigs.api_harness import NOON, Api, Table, api_settings, at, running_api

# The API and its database are shared; `table` empties it for each test.
pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.usefixtures("table")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def api(shared_database_url: str) -> AsyncIterator[Api]:
    async with running_api(api_settings(shared_database_url)) as running:
        yield running


@pytest.fixture
def table(shared_database_url: str) -> Iterator[Table]:
    opened = Table(shared_database_url)
    opened.clear()
    yield opened
    opened.close()


def ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


async def user(api: Api, user_id: str) -> Any:
    answer = await api.call(f"/api/v1/users/{quote(user_id, safe='')}")
    assert answer.status == 200, answer.body
    assert answer.headers["Cache-Control"] == "no-store"
    return answer.json


async def test_the_usual_user_has_one_device(api: Api, table: Table) -> None:
    table.user(
        "u1",
        name="Ada",
        screen="Home",
        app_version="1.0.0",
        device_info="Pixel 9",
        platform="android",
        device="phone",
        token="sha256:secret",
    )
    common = {
        "state": "foreground",
        "reason": "started",
        "screen": "Home",
        "app_version": "1.0.0",
        "device_info": "Pixel 9",
        "platform": "android",
        "last_active": "2024-05-17T12:00:00.123Z",
        "online_since": "2024-05-17T11:59:00.123Z",
        "changed_at": "2024-05-17T12:00:00.123Z",
    }
    assert await user(api, "u1") == {
        "user_id": "u1",
        "name": "Ada",
        **common,
        "device_count": 1,
        "devices": [
            {
                "device": "phone",
                **common,
                "timer_runs_on": False,
                "twin_of": None,
                "other_users": [],
            }
        ],
        "offline_since": None,
    }


async def test_a_user_who_is_offline_says_since_when(api: Api, table: Table) -> None:
    table.user("u1", "offline", changed_at=at(7))
    found = await user(api, "u1")
    assert found["state"] == "offline"
    assert found["reason"] == "timed_out"
    assert found["offline_since"] == found["changed_at"] == "2024-05-17T12:00:07.123Z"
    assert found["online_since"] is None
    assert found["device_count"] == 0
    assert [device["state"] for device in found["devices"]] == ["offline"]


async def test_a_user_of_several_devices_shows_them_all_and_no_token(
    api: Api, table: Table
) -> None:
    def stored(device: str, state: str, seconds: float, **more: Any) -> dict[str, Any]:
        return {
            "device": device,
            "state": state,
            "reason": "started",
            "screen": None,
            "app_version": None,
            "device_info": None,
            "platform": None,
            "token": "sha256:s",
            "signed_out": False,
            "last_active_ms": ms(at(seconds)),
            "changed_ms": ms(NOON),
            "online_since_ms": ms(at(-60)),
            "expires_ms": ms(at(300)),
            **more,
        }

    devices = [
        stored("tablet", "background", 5),
        stored("old", "offline", 9, online_since_ms=None, reason="evicted"),
        stored("phone", "foreground", 1, screen="Home", platform="ios"),
    ]
    table.user("u1", screen="Home", device="phone", device_count=2, devices=Jsonb(devices))
    found = await user(api, "u1")
    assert found["device_count"] == 2
    assert [device["device"] for device in found["devices"]] == ["phone", "tablet", "old"]
    assert found["devices"][0] == {
        "device": "phone",
        "state": "foreground",
        "reason": "started",
        "screen": "Home",
        "app_version": None,
        "device_info": None,
        "platform": "ios",
        "last_active": "2024-05-17T12:00:01.123Z",
        "online_since": "2024-05-17T11:59:00.123Z",
        "changed_at": "2024-05-17T12:00:00.123Z",
        "timer_runs_on": None,
        "twin_of": None,
        "other_users": [],
    }
    assert found["devices"][2]["online_since"] is None
    assert "sha256" not in str(found)


@pytest.mark.parametrize("devices", [None, []])
async def test_a_user_of_no_device_has_none(
    api: Api, table: Table, devices: list[object] | None
) -> None:
    table.user(
        "u1",
        "offline",
        device=None,
        last_active=None,
        devices=None if devices is None else Jsonb(devices),
    )
    found = await user(api, "u1")
    assert found["devices"] == []
    assert found["last_active"] is None


@pytest.mark.parametrize(
    "user_id",
    [
        "auth0|5f7c",
        "a/b",
        "/",
        "a//b/",
        "ada@example.com",
        "a b+c",
        "100%",
        "%2F",
        "%252F",
        "a?b#c",
        "a&b=c;d",
        "lookup",
        "..",
        "../x",
        "Ünïcödé 😀",
        "'; DROP TABLE presence; --",
        "\\",
        "x" * 256,
    ],
)
async def test_an_id_that_is_percent_encoded_finds_its_user(
    api: Api, table: Table, user_id: str
) -> None:
    table.user(user_id)
    table.user(user_id[:-1] + "~")  # not this one
    assert (await user(api, user_id))["user_id"] == user_id


async def test_what_needs_no_encoding_may_go_without(api: Api, table: Table) -> None:
    table.user("a/b|c@d")
    for path in ("a/b|c@d", "a%2fb%7cc%40d", "%61/b|c@d"):
        assert (await api.call(f"/api/v1/users/{path}")).status == 200


async def test_an_id_is_decoded_once(api: Api, table: Table) -> None:
    table.user("%2F")
    assert (await api.call("/api/v1/users/%252F")).status == 200
    assert (await api.call("/api/v1/users/%2F")).status == 404
    assert (await api.call("/api/v1/users/%25252F")).status == 404


async def test_an_unknown_user_is_not_found(api: Api) -> None:
    answer = await api.call("/api/v1/users/nobody")
    assert answer.status == 404
    assert answer.json["code"] == "unknown_user"
    empty = await api.call("/api/v1/users/")
    assert (empty.status, empty.json["code"]) == (404, "not_found")


@pytest.mark.parametrize("path", ["a%00", "%ED%A0%80", "%FF", "a%0Ab", "x" * 257])
async def test_an_id_that_nobody_can_have_is_a_bad_request(api: Api, path: str) -> None:
    answer = await api.call(f"/api/v1/users/{path}")
    assert answer.status == 400
    assert answer.json["code"] == "bad_parameter"
    assert answer.json["errors"][0]["field"] == "user_id"


async def test_a_user_has_no_parameters(api: Api, table: Table) -> None:
    table.user("u1")
    answer = await api.call("/api/v1/users/u1?at=now")
    assert (answer.status, answer.json["errors"][0]["field"]) == (400, "at")


async def test_a_user_called_lookup_is_found_by_get(api: Api, table: Table) -> None:
    table.user("lookup")
    assert (await user(api, "lookup"))["user_id"] == "lookup"


def began(table: Table, user_id: str, device: str, seconds: float = 0) -> None:
    """A session of the user's device: as the processor notes its beginning."""
    table.run(
        'INSERT INTO changes (at, "partition", log_offset, event_index, ordinal, user_id, device, '
        "reason, previous_state, state, user_state) VALUES (%s, 0, 1, 0, 0, %s, %s, 'started', "
        "'offline', 'foreground', 'foreground')",
        at(seconds),
        user_id,
        device,
    )


async def other_users(api: Api, user_id: str) -> list[list[str]]:
    return [device["other_users"] for device in (await user(api, user_id))["devices"]]


async def test_one_phone_with_two_users_and_no_logout_shows_each_the_other(
    api: Api, table: Table
) -> None:
    table.user("ann", "offline", device="8f2c", device_info="Pixel 9")
    table.user("bob", device="8f2c", device_info="Pixel 9")
    began(table, "ann", "8f2c", -600)
    began(table, "bob", "8f2c", -60)
    assert await other_users(api, "ann") == [["bob"]]
    assert await other_users(api, "bob") == [["ann"]]


async def test_a_user_who_logged_out_before_the_next_one_is_shown_to_nobody(
    api: Api, table: Table
) -> None:
    table.user("ann", "offline", device="8f2c", signed_out=True)
    table.user("bob", device="8f2c")
    began(table, "ann", "8f2c", -600)
    began(table, "bob", "8f2c", -60)
    assert await other_users(api, "ann") == [[]]
    assert await other_users(api, "bob") == [[]]


async def test_phones_that_only_say_the_same_of_themselves_are_nobodys_others(
    api: Api, table: Table
) -> None:
    for n, user_id in enumerate(("ann", "bob")):
        table.user(user_id, device="Flutter App", device_info="Flutter App")
        began(table, user_id, "Flutter App", n)
    table.user("cem", device="default")
    table.user("dan", device="default")
    began(table, "cem", "default", 2)
    began(table, "dan", "default", 3)
    for user_id in ("ann", "bob", "cem", "dan"):
        assert await other_users(api, user_id) == [[]]


async def test_a_copied_id_shows_its_twin_and_the_other_users_of_both(
    api: Api, table: Table
) -> None:
    def stored(device: str, info: str, **more: Any) -> dict[str, Any]:
        common = {"state": "foreground", "reason": "started", "signed_out": False}
        return {"device": device, "device_info": info, **common, "twin_of": None, **more}

    devices = [stored("8f2c", "Pixel 9"), stored("8f2c (2)", "Pixel 6", twin_of="8f2c")]
    table.user("ann", device="8f2c", device_count=2, devices=Jsonb(devices))
    table.user("bob", device="8f2c", device_info="Pixel 6")
    began(table, "ann", "8f2c", -600)
    began(table, "bob", "8f2c", -60)
    found = (await user(api, "ann"))["devices"]
    assert [(d["device"], d["twin_of"], d["other_users"]) for d in found] == [
        ("8f2c", None, ["bob"]),
        ("8f2c (2)", "8f2c", ["bob"]),
    ]
    assert await other_users(api, "bob") == [["ann"]]


async def test_of_many_users_of_one_id_the_latest_eight_are_named(api: Api, table: Table) -> None:
    for n in range(12):
        table.user(f"u{n:02}", device="kiosk")
        began(table, f"u{n:02}", "kiosk", n)
    assert await other_users(api, "u00") == [[f"u{n:02}" for n in range(11, 3, -1)]]
