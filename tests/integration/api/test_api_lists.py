"""Lists of users: whom they hold, in which order, page by page while others change."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from typing import Any
from urllib.parse import quote

import pytest
import pytest_asyncio
from psycopg.types.json import Jsonb

from api.presence import latest, store
from api.presence.filters import KNOWN_SORTS, SORTS
from api.presence.store import EPOCH, MAX_BY_ACTIVITY
from tests.rigs.api_harness import NOON, Answer, Api, Table, api_settings, at, running_api

ONLINE = "/api/v1/online-users"
KNOWN = "/api/v1/users"
LOOKUP = "/api/v1/users/lookup"


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
    opened.deployment(1)
    opened.offsets(0)
    yield opened
    opened.close()


async def ids(api: Api, path: str = ONLINE, **parameters: str) -> list[str]:
    answer = await api.get(path, **parameters)
    assert answer.status == 200, answer.body
    return answer.user_ids


async def pages(api: Api, path: str = ONLINE, **parameters: str) -> list[list[str]]:
    """All pages of a list."""
    found: list[list[str]] = []
    cursor: dict[str, str] = {}
    while True:
        answer = await api.get(path, **parameters, **cursor)
        assert answer.status == 200, answer.body
        found.append(answer.user_ids)
        if answer.json["next_cursor"] is None:
            return found
        cursor = {"cursor": answer.json["next_cursor"]}


def assert_refused(answer: Answer, code: str, field: str) -> None:
    assert answer.status == 400
    assert answer.json["code"] == code
    assert [error["field"] for error in answer.json["errors"]] == [field]


async def test_a_list_says_how_good_it_is(api: Api, table: Table) -> None:
    answer = await api.get(ONLINE)
    assert answer.json.keys() == {"items", "next_cursor", "as_of", "stale"}
    assert answer.json["items"] == []
    assert answer.json["next_cursor"] is None
    assert answer.json["as_of"].endswith("Z")
    assert answer.json["stale"] is False
    table.offsets(0, age_seconds=60)
    assert (await api.get(ONLINE)).json["stale"] is True
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Access-Control-Allow-Origin" not in answer.headers


async def test_canaries_are_in_no_list_of_people(api: Api, table: Table) -> None:
    table.user("ann", name="Ann")
    for number, state in enumerate(("foreground", "background", "offline")):
        table.user(f"canary-{number}", state, name="Canary", canary=True)
    for path in (ONLINE, KNOWN):
        for sort in SORTS if path == ONLINE else KNOWN_SORTS:
            assert await ids(api, path, sort=sort) == ["ann"]
        assert await ids(api, path, search="canary") == []
        assert await ids(api, path, q="canary") == []
    listed = await api.get(KNOWN, canary="true", sort="user_id", count="true")
    assert listed.user_ids == ["canary-0", "canary-1", "canary-2"]
    assert listed.json["count"] == 3
    assert all(item["canary"] is True for item in listed.json["items"])
    assert await ids(api, ONLINE, canary="true", sort="user_id") == ["canary-0", "canary-1"]
    one = (await api.get(f"{KNOWN}/canary-0")).json
    assert (one["canary"], one["state"]) == (True, "foreground")
    assert "canary" not in (await api.get(f"{KNOWN}/ann")).json
    looked_up = await api.call(LOOKUP, method="POST", json={"user_ids": ["canary-0", "ann"]})
    assert [item.get("canary") for item in looked_up.json["items"]] == [True, None]
    # Of the past nothing of them is kept.
    now = "2024-05-17T12:00:00.123Z"
    assert await ids(api, ONLINE, at=now) == ["ann"]
    assert_refused(await api.get(ONLINE, at=now, canary="true"), "bad_parameter", "canary")
    by_version = await api.get("/api/v1/breakdown", by="app_version")
    assert by_version.status in (200, 404)


async def test_a_user_has_exactly_these_fields(api: Api, table: Table) -> None:
    table.user(
        "u1",
        name="Ada",
        screen="Home",
        app_version="1.0.0",
        device_info="Pixel 9",
        platform="android",
        reason="navigated",
        changed_at=at(1),
        last_active=at(2.5),
        token="sha256:secret",
        device_count=2,
        device="a",
        devices=Jsonb([]),
    )
    table.user("u0", changed_at=NOON)
    assert (await api.get(ONLINE)).json["items"] == [
        {
            "user_id": "u1",
            "name": "Ada",
            "state": "foreground",
            "reason": "navigated",
            "screen": "Home",
            "app_version": "1.0.0",
            "device_info": "Pixel 9",
            "platform": "android",
            "last_active": "2024-05-17T12:00:02.623Z",
            "online_since": "2024-05-17T11:59:00.123Z",
            "changed_at": "2024-05-17T12:00:01.123Z",
            "device_count": 2,
        },
        {
            "user_id": "u0",
            "name": None,
            "state": "foreground",
            "reason": "started",
            "screen": None,
            "app_version": None,
            "device_info": None,
            "platform": None,
            "last_active": "2024-05-17T12:00:00.123Z",
            "online_since": "2024-05-17T11:59:00.123Z",
            "changed_at": "2024-05-17T12:00:00.123Z",
            "device_count": 1,
        },
    ]


async def test_online_users_are_those_in_foreground_and_background(api: Api, table: Table) -> None:
    table.user("f", "foreground")
    table.user("b", "background")
    table.user("o", "offline")
    assert await ids(api) == ["b", "f"]
    assert await ids(api, KNOWN) == ["b", "f", "o"]
    assert await ids(api, state="foreground") == ["f"]
    assert await ids(api, state="background") == ["b"]


async def test_screen_and_version_are_compared_exactly(api: Api, table: Table) -> None:
    table.user("a", screen="Home", app_version="1.0")
    table.user("b", screen="home", app_version="1.0.0")
    table.user("c", screen="Home%", app_version="1_0")
    table.user("d")
    assert await ids(api, screen="Home") == ["a"]
    assert await ids(api, screen="Home%") == ["c"]
    assert await ids(api, app_version="1.0") == ["a"]
    assert await ids(api, app_version="1_0") == ["c"]
    assert await ids(api, screen="Home", app_version="1.0.0") == []


async def test_a_platform_is_that_of_the_breakdown(api: Api, table: Table) -> None:
    table.user("a", platform="Android")
    table.user("b", device_info="iPhone 16")
    table.user("c", device_info="Pixel 9", changed_at=at(-1))
    table.user("d")
    assert await ids(api, platform="android") == ["a", "c"]
    assert await ids(api, platform="iOS") == ["b"]
    assert_refused(await api.get(ONLINE, platform=""), "bad_parameter", "platform")


async def test_device_is_found_anywhere_in_its_description(api: Api, table: Table) -> None:
    table.user("a", device_info="Google PIXEL 9")
    table.user("b", device_info="pixel_9 100%")
    table.user("c", device_info="iPhone")
    table.user("d")
    assert await ids(api, device="Pixel") == ["a", "b"]
    assert await ids(api, device="l_9") == ["b"]
    assert await ids(api, device="0%") == ["b"]
    assert await ids(api, device="\\") == []
    assert await ids(api, device="") == ["a", "b", "c", "d"]


async def test_q_is_the_start_of_an_id_or_of_a_name_whatever_its_case(
    api: Api, table: Table
) -> None:
    table.user("ada", name="Zoe")
    table.user("bob", name="ADA Lovelace")
    table.user("ADAM")
    table.user("x_y", name="Élodie")
    table.user("xzy", name="100% Eve")
    table.user("back\\slash", "offline")
    assert await ids(api, q="ada") == ["ada", "bob"]
    assert await ids(api, q="ADA") == ["ADAM", "bob"]
    assert await ids(api, q="x_") == ["x_y"]
    assert await ids(api, q="100%") == ["xzy"]
    assert await ids(api, q="%") == []
    assert await ids(api, q="Lovelace") == []
    assert await ids(api, KNOWN, q="back\\") == ["back\\slash"]


async def test_a_search_finds_any_part_without_case_and_accents(api: Api, table: Table) -> None:
    table.user("u1", name="José Álvarez")
    table.user("U2-jose", name="100% Eve", changed_at=at(-1))
    table.user("u3", "offline", name="Amina DIALLO", changed_at=at(-2))
    table.user("u4", "offline", changed_at=at(-3))
    assert await ids(api, KNOWN, search="JOSE") == ["u1", "U2-jose"]
    assert await ids(api, KNOWN, search="alvár") == ["u1"]
    assert await ids(api, KNOWN, search="iallo") == ["u3"]
    assert await ids(api, ONLINE, search="iallo") == []
    assert await ids(api, KNOWN, search="00% e") == ["U2-jose"]
    assert await ids(api, KNOWN, search="%%%") == []
    assert await ids(api, KNOWN, search="") == ["u1", "U2-jose", "u3", "u4"]
    # Below three characters a beginning alone: else half of all names were found.
    assert await ids(api, KNOWN, search="os") == []
    assert await ids(api, KNOWN, search="am") == ["u3"]
    assert_refused(await api.get(KNOWN, search="am", q="x"), "bad_parameter", "search")
    assert await pages(api, KNOWN, search="jose", limit="1") == [["u1"], ["U2-jose"]]


async def test_a_list_is_counted_whole_and_with_its_filters(api: Api, table: Table) -> None:
    async def count(path: str, **parameters: str) -> tuple[int, bool]:
        answer = await api.get(path, count="true", limit="2", **parameters)
        return answer.json["count"], answer.json["count_is_exact"]

    for number in range(7):
        table.user(f"u{number}", screen="Home" if number < 5 else "Cart", name=f"Ada {number}")
    table.user("back", "background")
    table.user("gone", "offline", name="Ada")
    table.offsets(0, foreground=7, background=1)
    assert await count(ONLINE) == (8, True)
    assert await count(ONLINE, state="background") == (1, True)
    assert await count(ONLINE, screen="Home") == (5, True)
    assert await count(KNOWN) == (9, True)
    assert await count(KNOWN, state="offline") == (1, True)
    assert await count(KNOWN, search="ada") == (8, True)
    cursor = (await api.get(ONLINE, screen="Home", limit="2")).json["next_cursor"]
    assert await count(ONLINE, screen="Home", cursor=cursor) == (5, True)
    assert "count" not in (await api.get(ONLINE)).json
    table.run(
        "INSERT INTO presence (user_id, partition, state, reason, changed_at, device_count, device,"
        " signed_out) SELECT 'x' || n, 0, 'offline', 'timed_out', now(), 0, 'default', false"
        " FROM generate_series(1, 1100) n"
    )
    assert await count(KNOWN, state="offline") == (1000, False)


async def test_lists_are_sorted_as_asked(api: Api, table: Table) -> None:
    table.user("a", changed_at=at(1), last_active=at(30))
    table.user("c", changed_at=at(3), last_active=at(10))
    table.user("b", changed_at=at(3), last_active=at(10))
    table.user("d", changed_at=at(2), last_active=at(20))
    assert await ids(api) == ["b", "c", "d", "a"]
    assert await ids(api, sort="-changed_at") == ["b", "c", "d", "a"]
    assert await ids(api, sort="-last_active") == ["a", "d", "b", "c"]
    assert await ids(api, sort="-online_since") == ["a", "b", "c", "d"]
    assert await ids(api, sort="user_id") == ["a", "b", "c", "d"]


async def test_user_ids_are_sorted_by_code_point(api: Api, table: Table) -> None:
    users = ["B", "a", "Ä", "_", "é", "1", "😀", "\uffee"]
    for user in users:
        table.user(user)
    assert await pages(api, sort="user_id", limit="3") == [
        sorted(users)[:3],
        sorted(users)[3:6],
        sorted(users)[6:],
    ]


@pytest.mark.parametrize(
    ("path", "sort"),
    [
        *((ONLINE, sort) for sort in SORTS),
        *((KNOWN, sort) for sort in KNOWN_SORTS),
    ],
)
async def test_pages_make_up_the_list_whatever_times_are_equal(
    api: Api, table: Table, path: str, sort: str
) -> None:
    for number in range(25):
        table.user(
            f"u{number:02}",
            changed_at=at(number // 10),  # ten with the same time
            online_since=at(-60 - number // 9),
            last_active=None if number % 7 == 0 else at(number % 3),
        )
    whole = await ids(api, path, sort=sort)
    assert len(whole) == 25
    for limit in (1, 4, 24, 25, 26):
        found = await pages(api, path, sort=sort, limit=str(limit))
        assert [user for page in found for user in page] == whole
        assert all(len(page) == limit for page in found[:-1])
        assert found[-1] or limit >= 25


async def test_times_finer_than_the_milliseconds_shown_page_exactly(api: Api, table: Table) -> None:
    for number in range(10):
        table.user(f"u{number}", changed_at=at(number / 1_000_000))
    assert await pages(api, limit="3") == [
        ["u9", "u8", "u7"],
        ["u6", "u5", "u4"],
        ["u3", "u2", "u1"],
        ["u0"],
    ]


@pytest.mark.parametrize("sort", ["-changed_at", "user_id"])
async def test_who_does_not_change_is_seen_exactly_once_while_others_do(
    api: Api, table: Table, sort: str
) -> None:
    """Between any two pages some change, come, go offline, or are forgotten."""
    for number in range(60):
        table.user(f"u{number:02}", changed_at=at(number // 7))
    restless = {f"u{number:02}" for number in range(0, 60, 3)}
    calm = {f"u{number:02}" for number in range(60)} - restless
    turns = sorted(restless)
    seen: list[str] = []
    cursor: dict[str, str] = {}
    for turn in range(100):
        answer = await api.get(ONLINE, sort=sort, limit="5", **cursor)
        seen += answer.user_ids
        if answer.json["next_cursor"] is None:
            break
        cursor = {"cursor": answer.json["next_cursor"]}
        for step, user in enumerate(turns[turn % 5 :: 5]):
            now = at(1000 + turn)
            if step % 4 == 0:
                table.run("DELETE FROM presence WHERE user_id = %s", user)
            else:
                state = ("foreground", "background", "offline")[step % 3]
                table.user(user, state, changed_at=now, last_active=now)
        table.user(f"new{turn}", changed_at=at(1000 + turn))
    assert sorted(user for user in seen if user in calm) == sorted(calm)


async def test_a_list_by_last_activity_believes_the_newer_of_two_rows_on_each_page(
    api: Api, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Signs of life kept apart, with a second in common, of users who changed since or before, who
    are offline, whom nothing else tells of, and of whom one row has no time: as sorted here."""
    found: list[bool] = []

    async def watched(*arguments: Any) -> Any:
        page = await latest.latest_users(*arguments)
        found.append(page is not None)
        return page

    monkeypatch.setattr(store, "latest_users", watched)
    chance = random.Random(18)
    expected = []
    for number in range(400):
        user, state = f"u{number:03}", chance.choice(["foreground"] * 9 + ["offline"])
        own = chance.choice([None, *(at(chance.randrange(40)) for _ in range(9))])
        offset, sign_offset = chance.randrange(1000), chance.randrange(1000)
        table.user(user, state, last_active=own, log_offset=offset)
        sign = at(chance.randrange(20, 60))
        has_sign = chance.random() < 0.9
        if has_sign:
            table.run(
                "INSERT INTO signs_of_life (user_id, last_active, expires_at, log_offset) "
                "VALUES (%s, %s, %s, %s)",
                *(user, sign, sign, sign_offset),
            )
        shown = sign if has_sign and sign_offset > offset else own
        if state != "offline":
            expected.append((-(shown or EPOCH).timestamp(), user))
    pages_found = await pages(api, sort="-last_active", limit="15")
    assert [user for page in pages_found for user in page] == [user for _, user in sorted(expected)]
    assert found[0], "the first page was read as a whole"
    assert not found[-1]
    first = [user for _, user in sorted(expected)[:15]]
    assert await ids(api, sort="-last_active", state="foreground", limit="15") == first


async def test_a_list_by_last_activity_ends_after_ten_thousand(api: Api, table: Table) -> None:
    table.run(
        "INSERT INTO presence (user_id, partition, state, reason, changed_at, last_active, "
        "device_count, signed_out) SELECT 'u' || n, 0, 'foreground', 'started', %s, "
        "%s::timestamptz - n * interval '1 ms', 1, false FROM generate_series(1, %s) n",
        NOON,
        NOON,
        MAX_BY_ACTIVITY + 200,
    )
    found = await pages(api, sort="-last_active", limit="470")
    assert [user for page in found for user in page] == [
        f"u{n}" for n in range(1, MAX_BY_ACTIVITY + 1)
    ]
    assert sum(len(page) for page in await pages(api, limit="500")) == MAX_BY_ACTIVITY + 200


async def test_a_cursor_goes_on_only_in_its_own_list(api: Api, table: Table) -> None:
    for number in range(5):
        table.user(f"u{number}", screen="Home")
    cursor = (await api.get(ONLINE, screen="Home", limit="2")).json["next_cursor"]
    assert len(await ids(api, screen="Home", limit="3", cursor=cursor)) == 3
    for path, parameters in (
        (ONLINE, {}),
        (ONLINE, {"screen": "home"}),
        (ONLINE, {"screen": "Home", "state": "foreground"}),
        (ONLINE, {"screen": "Home", "sort": "user_id"}),
        (KNOWN, {}),
    ):
        assert_refused(await api.get(path, **parameters, cursor=cursor), "bad_cursor", "cursor")
    # It is sealed, and may begin with any letter.
    other = "y" if cursor[0] == "x" else "x"
    for spoilt in (cursor[:-1], cursor + "A", other + cursor[1:], "💥", "A" * 2100):
        assert_refused(await api.get(ONLINE, screen="Home", cursor=spoilt), "bad_cursor", "cursor")


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=501", "limit"),
        ("sort=name", "sort"),
        ("state=offline", "state"),
        ("screen=%00", "screen"),
        ("screen=%ED%A0%80", "screen"),
        ("screen=%FF", "screen"),
        ("q=" + "x" * 300, "q"),
        ("colour=red", "colour"),
        ("limit=1&limit=2", "limit"),
        (quote("ключ") + "=1", "ключ"),
    ],
)
async def test_a_bad_parameter_is_named(api: Api, query: str, field: str) -> None:
    assert_refused(await api.call(f"{ONLINE}?{query}"), "bad_parameter", field)


async def test_bytes_that_are_no_text_are_refused_even_unescaped(api: Api, table: Table) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
    (head,) = [line async for line in _speak(reader, writer)]
    assert head.split()[1] == b"400"


async def _speak(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> AsyncIterator[bytes]:
    writer.write(b"GET /api/v1/online-users?screen=\xff\xfe HTTP/1.1\r\nhost: x\r\n\r\n")
    yield await reader.readline()
    writer.close()


async def test_a_lookup_answers_in_order_and_names_the_unknown(api: Api, table: Table) -> None:
    table.user("a/b|c@d", name="Ada")
    table.user("off", "offline")
    wanted = ["off", "nobody", "a/b|c@d", "off", "%2F"]
    answer = await api.call(LOOKUP, "POST", json={"user_ids": wanted})
    assert answer.status == 200
    assert answer.json.keys() == {"items", "unknown", "as_of", "stale"}
    assert answer.user_ids == ["off", "a/b|c@d"]
    assert answer.json["unknown"] == ["nobody", "%2F"]
    assert answer.json["stale"] is False
    [one] = (await api.get(ONLINE)).json["items"]
    assert answer.json["items"][1] == one
    assert answer.headers["Cache-Control"] == "no-store"


async def test_a_lookup_takes_a_thousand_long_ids_and_not_one_more(api: Api, table: Table) -> None:
    table.user("😀" * 250 + "007")
    many = ["😀" * 250 + f"{number:03}" for number in range(1000)]
    answer = await api.call(LOOKUP, "POST", json={"user_ids": many})
    assert answer.status == 200
    assert answer.user_ids == ["😀" * 250 + "007"]
    assert len(answer.json["unknown"]) == 999
    answer = await api.call(LOOKUP, "POST", json={"user_ids": [*many, "x"]})
    assert answer.status == 422
    assert answer.json["code"] == "bad_field"
    assert answer.json["errors"][0]["field"] == "user_ids"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "bad_json"),
        (b"nonsense", 400, "bad_json"),
        (b'["a"]', 400, "bad_json"),
        (b"[" * 100_000, 400, "bad_json"),
        (b'{"user_ids": ["a\\u0000"]}', 422, "bad_field"),
        (b'{"user_ids": ["\\ud800"]}', 422, "bad_field"),
        (b"x" * 5_000_000, 413, "body_too_large"),
    ],
)
async def test_a_lookup_that_cannot_be_read_says_why(
    api: Api, body: bytes, status: int, code: str
) -> None:
    answer = await api.call(LOOKUP, "POST", data=body)
    assert (answer.status, answer.json["code"]) == (status, code)


async def test_a_compressed_body_is_refused(api: Api) -> None:
    answer = await api.call(
        LOOKUP, "POST", data=b"packed", headers={"Content-Encoding": "gzip"}, compress=False
    )
    assert (answer.status, answer.json["code"]) == (415, "unsupported_encoding")
    assert answer.headers["Accept-Encoding"] == "identity"
    assert (await api.call(LOOKUP, "POST", json={"user_ids": ["a"]})).status == 200


async def test_a_lookup_has_no_parameters(api: Api) -> None:
    answer = await api.call(f"{LOOKUP}?limit=1", "POST", json={"user_ids": ["a"]})
    assert_refused(answer, "bad_parameter", "limit")
