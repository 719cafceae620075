"""The feed of a real API over a real PostgreSQL: what it tells, to whom, and what it costs."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any

import aiohttp
import pytest
from psycopg.types.json import Jsonb

from tests.openapi_schemas import hold_value
from tests.rigs.api_harness import (
    Api,
    Table,
    api_settings,
    running_api,
    token,
    wait_until,
)

FEED = "/api/v1/feed"
#: Fast enough for tests, slow enough for the machine.
INTERVAL_SECONDS = 0.1
DEADLINE_SECONDS = 60.0
#: Of log time: it stands still while a test goes on.
NEVER_STALE_SECONDS = 3_600.0


@pytest.fixture
def database_url(cleared_database_url: str) -> str:
    return cleared_database_url


@pytest.fixture
async def api(database_url: str) -> AsyncIterator[Api]:
    settings = api_settings(
        database_url,
        feed_interval_seconds=INTERVAL_SECONDS,
        stale_after_seconds=NEVER_STALE_SECONDS,
    )
    async with running_api(settings) as running:
        yield running


class FeedTable(Table):
    """Writes changes, too."""

    offset = 0

    def change(self, user_id: str, reason: str, state: str, **columns: Any) -> None:
        """A change at log time now less ``seconds_ago``, by PostgreSQL's clock."""
        FeedTable.offset += 1
        row = {
            "partition": 0,
            "log_offset": self.offset,
            "event_index": 0,
            "ordinal": 0,
            "user_id": user_id,
            "device": "phone",
            "reason": reason,
            "previous_state": "offline" if reason == "started" else "foreground",
            "state": state,
            "user_state": state,
            "at": self.now() - timedelta(seconds=columns.pop("seconds_ago", 0)),
            **columns,
        }
        names = ", ".join(f'"{name}"' for name in row)
        places = ", ".join(["%s"] * len(row))
        self.run(f"INSERT INTO changes ({names}) VALUES ({places})", *row.values())

    def arrive(self, user_id: str, screen: str | None = None, **columns: Any) -> None:
        """A user comes online with their only device."""
        at = self.now() - timedelta(seconds=columns.get("seconds_ago", 0))
        self.user(user_id, screen=screen, online_since=at, changed_at=at)
        self.change(user_id, "started", "foreground", screen=screen, at=at, **columns)

    def depart(self, user_id: str, **columns: Any) -> None:
        self.user(user_id, "offline")
        self.change(user_id, "logged_out", "offline", **columns)

    def now(self) -> datetime:
        [(now,)] = self.run("SELECT clock_timestamp()")
        assert isinstance(now, datetime)
        return now


@pytest.fixture
def table(database_url: str) -> Iterator[FeedTable]:
    opened = FeedTable(database_url)
    opened.deployment(1)
    opened.offsets(0)
    yield opened
    opened.close()


@dataclass(frozen=True)
class Event:
    """What a browser would make of it; ``name`` is ``comment`` for a comment."""

    name: str
    id: str | None
    data: Any


class Followed:
    """A stream that is being read; what comes is held to the document, if ``is_held``."""

    def __init__(self, answer: aiohttp.ClientResponse, is_held: bool = True) -> None:
        self.answer = answer
        self._is_held = is_held
        self.seen: list[Event] = []

    async def next(self) -> Event | None:
        """The next event; ``None``: the stream ended."""
        fields: dict[str, str] = {}
        async with asyncio.timeout(DEADLINE_SECONDS):
            while raw := await self.answer.content.readline():
                line = raw.decode().rstrip("\r\n")
                if line:
                    name, _, value = line.partition(":")
                    fields[name] = value.removeprefix(" ")
                elif "data" in fields or "" in fields:
                    data = json.loads(fields["data"]) if "data" in fields else fields[""]
                    name = fields.get("event", "comment")
                    if name != "comment" and self._is_held:
                        hold_value(data, f"Feed{name.capitalize()}")
                    event = Event(name, fields.get("id"), data)
                    self.seen.append(event)
                    return event
                else:
                    fields = {}  # `retry` alone
        return None

    async def until(self, section: str, *wanted: Any) -> Any:
        """The section's value, once it is one of these, or is there at all."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            while (event := await self.next()) is not None:
                if event.name in ("snapshot", "delta") and section in event.data:
                    value = event.data[section]
                    if not wanted or value in wanted:
                        return value
        raise AssertionError(f"the stream ended without {section} as {wanted}")

    async def until_screens(self, items: list[dict[str, Any]]) -> None:
        while (await self.until("screens"))["items"] != items:
            pass

    async def user_ids(self, count: int) -> list[str]:
        """Whose changes come next."""
        found: list[str] = []
        while len(found) < count:
            changes = await self.until("changes")
            found += [item["user_id"] for item in changes["items"]]
        return found


@asynccontextmanager
async def following(
    api: Api, headers: Mapping[str, str] = MappingProxyType({}), *, is_held: bool = True
) -> AsyncIterator[Followed]:
    every = {"Authorization": f"Bearer {token()}", **headers}
    timeout = aiohttp.ClientTimeout(total=None, sock_read=DEADLINE_SECONDS)
    async with api.http.get(api.origin + FEED, headers=every, timeout=timeout) as answer:
        assert answer.status == 200, await answer.text()
        yield Followed(answer, is_held)


def polls(api: Api) -> float:
    return api.metric("rollcall_api_query_seconds_count", query="feed")


async def test_a_snapshot_tells_everything_that_a_page_needs(api: Api, table: FeedTable) -> None:
    table.arrive("ada", "Home", seconds_ago=30)
    table.user("bob", "background", screen="Cart", app_version="1.2", platform="ios")
    table.depart("cid", seconds_ago=10)
    table.offsets(0, foreground=1, background=1)
    async with following(api) as feed:
        assert feed.answer.content_type == "text/event-stream"
        assert feed.answer.headers["Cache-Control"] == "no-store"
        assert feed.answer.headers["X-Request-ID"]
        event = await feed.next()
    assert event is not None
    assert (event.name, bool(event.id)) == ("snapshot", True)
    told = event.data
    assert told["online"] == {"count": 2, "foreground": 1, "background": 1}
    assert told["freshness"]["stale"] is False
    assert 0 <= told["freshness"]["age_seconds"] < 60
    assert told["freshness"]["window_seconds"] == 300
    assert told["anyone"] is True
    assert told["outage"] is None
    assert told["movement"] == {
        "seconds": 60,
        "arrivals": 1,
        "departures": 1,
        "estimated": False,
    }
    assert told["screens"]["items"] == [{"screen": "Home", "foreground": 1}]
    assert told["screens"]["foreground"] == 1
    assert {"value": "1.2", "users": 1, "timers_run_on": 0} in told["mix"]["app_version"]
    assert {"value": "ios", "users": 1, "timers_run_on": 0} in told["mix"]["platform"]
    assert told["peaks"] == {"today": None, "all_time": None}
    changes = told["changes"]
    assert [item["reason"] for item in changes["items"]] == ["started", "logged_out"]
    assert (changes["total"], changes["sampled"]) == (2, False)


async def test_before_there_is_a_deployment_it_is_stale_and_empty(
    api: Api, database_url: str
) -> None:
    async with following(api) as feed:
        event = await feed.next()
    assert event is not None
    assert event.data["online"]["count"] == 0
    assert event.data["anyone"] is False
    assert event.data["freshness"]["stale"] is True
    assert event.data["freshness"]["as_of"] is None


async def test_deltas_follow_what_happens(api: Api, table: FeedTable) -> None:
    async with following(api) as feed:
        assert (await feed.until("online"))["count"] == 0
        table.arrive("ada", "Home")
        table.offsets(0, foreground=1)
        assert await feed.user_ids(1) == ["ada"]
        table.user("ada", screen="Cart")
        table.change("ada", "navigated", "foreground", screen="Cart", previous_screen="Home")
        table.offsets(0, foreground=1)
        assert await feed.user_ids(1) == ["ada"]
        cart = [{"screen": "Cart", "foreground": 1}]
        # With the changes or after them.
        told = [event.data for event in feed.seen if event.name == "delta"]
        if not any(data["screens"]["items"] == cart for data in told if "screens" in data):
            await feed.until_screens(cart)
        assert all(event.name == "delta" for event in feed.seen[1:])
        # A delta has only what is other than before.
        assert any("online" not in event.data for event in feed.seen)


async def test_what_is_not_complete_yet_is_told_later_and_once(api: Api, table: FeedTable) -> None:
    """Another partition may still bring changes with earlier times than those that are there."""
    table.run("UPDATE deployment SET partitions = 2")
    table.offsets(0)
    table.offsets(1, age_seconds=3)
    table.arrive("late", seconds_ago=1)
    table.offsets(0)  # the arrival is no later, however long it took to write
    async with following(api) as feed:
        for _ in range(3):
            assert (await feed.until("changes"))["items"] == []
        table.offsets(1)
        assert await feed.user_ids(1) == ["late"]
        for _ in range(3):
            assert (await feed.until("changes"))["items"] == []


async def test_a_second_device_of_a_user_is_no_arrival_and_its_end_no_departure(
    api: Api, table: FeedTable
) -> None:
    noon = table.now() - timedelta(minutes=10)
    table.user("ada", online_since=noon, device_count=2)
    table.change("ada", "started", "foreground", seconds_ago=5, device="tablet")
    table.change("ada", "timed_out", "offline", seconds_ago=3, user_state="foreground")
    table.offsets(0, foreground=1)
    async with following(api) as feed:
        moved = await feed.until("movement")
    assert (moved["arrivals"], moved["departures"]) == (0, 0)


async def test_many_changes_are_sampled_and_it_says_so(api: Api, table: FeedTable) -> None:
    for number in range(100):
        table.arrive(f"u{number}", seconds_ago=20)
    table.offsets(0, foreground=100)
    async with following(api) as feed:
        event = await feed.next()
    assert event is not None
    changes = event.data["changes"]
    assert len(changes["items"]) == 20
    assert event.data["movement"]["arrivals"] == 100


async def test_who_comes_back_misses_nothing(api: Api, table: FeedTable) -> None:
    async with following(api) as feed:
        await feed.until("online")
        last = feed.seen[-1].id
    assert last is not None
    table.arrive("ada")
    table.offsets(0, foreground=1)
    async with following(api, {"Last-Event-ID": last}) as feed:
        assert await feed.user_ids(1) == ["ada"]
        assert feed.seen[0].name == "delta"
    async with following(api, {"Last-Event-ID": "another-7"}) as feed:
        event = await feed.next()
        assert event is not None
        assert event.name == "snapshot"


async def test_many_viewers_cost_one_poll_and_get_the_same_bytes(
    api: Api, table: FeedTable
) -> None:
    async with asyncio.timeout(60):
        streams = [following(api) for _ in range(50)]
        feeds = [await stream.__aenter__() for stream in streams]
        try:
            for feed in feeds:
                await feed.next()
            assert api.metric("rollcall_api_feed_viewers") == 50
            before, began = polls(api), time.monotonic()
            table.arrive("ada")
            table.offsets(0, foreground=1)
            for feed in feeds:
                assert await feed.user_ids(1) == ["ada"]
            told = {json.dumps(feed.seen[-1].data) for feed in feeds}
            assert len(told) == 1
            most = (time.monotonic() - began) / INTERVAL_SECONDS + 1
            assert 1 <= polls(api) - before <= most
        finally:
            for stream in streams:
                await stream.__aexit__(None, None, None)


async def test_without_viewers_nothing_is_asked(api: Api, table: FeedTable) -> None:
    async with following(api) as feed:
        await feed.next()

    async def nobody_is_left() -> bool:
        # A question that was under way is counted when it has ended.
        asking = {"feed-poll", "feed-poll-slow", "feed-poll-fast", "read"}
        is_asked = any(task.get_name() in asking for task in asyncio.all_tasks())
        return api.metric("rollcall_api_feed_viewers") == 0 and not is_asked

    await wait_until(nobody_is_left)
    before = polls(api)
    await asyncio.sleep(5 * INTERVAL_SECONDS)
    assert polls(api) == before


async def test_one_viewer_too_many_is_told_to_come_later(
    database_url: str, table: FeedTable
) -> None:
    settings = api_settings(database_url, feed_viewers=1)
    async with running_api(settings) as api, following(api) as feed:
        await feed.next()
        for method in ("GET", "HEAD"):
            refused = await api.call(FEED, method)
            assert refused.status == 503
            assert refused.headers["Retry-After"]
        assert "ROLLCALL_FEED_VIEWERS" in (await api.call(FEED)).json["detail"]


async def test_a_viewer_that_does_not_read_is_cut_off_and_nobody_else(
    database_url: str, table: FeedTable
) -> None:
    for number in range(20):
        table.user(f"u{number}", screen=f"{number:03}" + "s" * 120)
    settings = api_settings(database_url, feed_interval_seconds=0.02)
    async with running_api(settings) as api, following(api, is_held=False) as quick:
        loop = asyncio.get_running_loop()
        slow = socket.socket()
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.setblocking(False)
        await loop.sock_connect(slow, ("127.0.0.1", api.port))
        head = f"GET {FEED} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token()}\r\n\r\n"
        await loop.sock_sendall(slow, head.encode())

        async def both_follow() -> bool:
            return api.metric("rollcall_api_feed_viewers") == 2

        await wait_until(both_follow)

        async def is_cut() -> bool:
            # Every event is large: each screen changes.
            for number in range(20):
                table.user(f"u{number}", screen=f"{time.monotonic()} {number}" + "s" * 90)
                table.change(f"u{number}", "navigated", "foreground", screen="s" * 128)
            table.offsets(0, foreground=20)
            while api.metric("rollcall_api_feed_cut_total") == 0:
                event = await quick.next()
                # On a slow machine there are comments between.
                if event is not None and event.name == "delta" and event.data["changes"]["total"]:
                    return False
            return True

        async with asyncio.timeout(300):
            while not await is_cut():
                pass
        slow.close()
        assert api.metric("rollcall_api_feed_cut_total") == 1
        assert api.metric("rollcall_api_feed_viewers") == 1
        assert await quick.next() is not None


async def test_a_stop_ends_every_stream_in_order_and_soon(
    database_url: str, table: FeedTable
) -> None:
    settings = api_settings(database_url, feed_interval_seconds=INTERVAL_SECONDS)
    async with aiohttp.ClientSession() as http:
        async with running_api(settings) as api:
            headers = {"Authorization": f"Bearer {token()}"}
            answers = [await http.get(api.origin + FEED, headers=headers) for _ in range(3)]
            feeds = [Followed(answer) for answer in answers]
            for feed in feeds:
                await feed.next()
            began = time.monotonic()
        assert time.monotonic() - began < DEADLINE_SECONDS / 2
        for feed in feeds:
            # To its end, which is not broken off.
            while await feed.next() is not None:
                pass


async def test_without_a_database_nobody_follows(database_url: str) -> None:
    """Who follows could not be written down."""
    nowhere = database_url.rsplit("/", 1)[0] + "/no_such_database"
    away = api_settings(nowhere, api_pool_wait_seconds=1)
    async with running_api(away) as api:
        answer = await api.get("/api/v1/feed")
    assert (answer.status, answer.json["code"]) == (503, "unavailable")


async def test_a_database_that_goes_away_is_told_and_its_return_too(
    api: Api, table: FeedTable
) -> None:
    async with following(api) as feed:
        await feed.until("online")
        table.run("ALTER TABLE stream_offsets RENAME TO gone")
        event = await feed.next()
        while event is not None and event.name != "trouble":
            event = await feed.next()
        assert event is not None
        assert event.id is None
        assert "database" in event.data["detail"]
        table.run("ALTER TABLE gone RENAME TO stream_offsets")
        table.offsets(0, foreground=3)
        assert (await feed.until("online"))["count"] == 3


async def test_an_outage_and_its_grace_are_told(api: Api, table: FeedTable) -> None:
    now = table.now()
    ms = round(now.timestamp() * 1000)
    async with following(api) as feed:
        assert await feed.until("outage") is None
        silence = {"since_ms": ms, "foreground": 40, "outage_ms": ms, "held_ms": ms + 900_000}
        table.run("UPDATE stream_offsets SET silence = %s", Jsonb(silence))
        lasting = await feed.until("outage")
        assert lasting["phase"] == "lasting"
        assert lasting["kind"] == "ticks_only"
        assert lasting["started_at"] is not None
        assert lasting["held_until"] > lasting["started_at"]
        table.run(
            "INSERT INTO outages VALUES (0, 'jump', %s, %s), (0, 'ticks_only', %s, %s)",
            *(now - timedelta(hours=3), now - timedelta(hours=2)),
            *(now - timedelta(seconds=40), now),
        )
        table.run(
            "UPDATE stream_offsets SET silence = NULL, graces = %s",
            Jsonb([[3, ms - 1000], [7, ms + 200_000]]),
        )
        grace = await feed.until("outage")
        assert (grace["phase"], grace["kind"]) == ("grace", "ticks_only")
        assert datetime.fromisoformat(grace["held_until"]).timestamp() * 1000 == ms + 200_000
        assert datetime.fromisoformat(grace["ended_at"]) <= datetime.now(UTC)
        table.run("UPDATE stream_offsets SET graces = '[]'")
        assert await feed.until("outage") is None


async def test_peaks_come_with_their_instant(api: Api, table: FeedTable) -> None:
    now = table.now().replace(microsecond=0)
    at = now - timedelta(seconds=now.second % 10 + 10)
    table.run("INSERT INTO concurrency_samples VALUES (%s, 0, 7, 2)", at)
    table.run(
        "INSERT INTO concurrency_quarters VALUES (%s, 90, 90, 90, 99, %s, 50, %s)",
        *[datetime(2024, 1, 1, tzinfo=UTC)] * 3,
    )
    table.run("INSERT INTO rollup_progress VALUES ('quarters', '2024-01-02')")
    async with following(api) as feed:
        peaks = await feed.until("peaks")
    assert peaks["all_time"]["online"] == 99
    assert peaks["all_time"]["at"] == "2024-01-01T00:00:00.000Z"
    if at.date() == now.date():  # the test may run just after midnight
        assert peaks["today"]["online"] == 9


async def test_a_stream_ends_with_its_token(
    api: Api, table: FeedTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.feed.calls.ADMIT_SECONDS", 0.2)
    status = 401
    async with asyncio.timeout(DEADLINE_SECONDS):
        while status == 401:  # the machine took longer than the token lasts
            ends = {"Authorization": f"Bearer {token(exp=int(time.time()) - 28)}"}  # 30 s of leeway
            async with api.http.get(api.origin + FEED, headers=ends) as answer:
                status = answer.status
                if status == 200:
                    feed = Followed(answer)
                    while await feed.next() is not None:
                        pass
    assert status == 200


async def test_only_readers_follow_and_a_parameter_is_refused(api: Api) -> None:
    assert (await api.call(FEED, bearer=None)).status == 401
    assert (await api.call(FEED, bearer=token(scope="other"))).status == 403
    assert (await api.call(FEED + "?x=1")).status == 400
    assert (await api.call(FEED, "HEAD")).headers["Content-Type"] == "text/event-stream"
    assert (await api.call(FEED, "POST")).headers["Allow"] == "GET, HEAD"


async def test_silence_is_broken_by_comments(
    database_url: str, table: FeedTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.feed.calls.HEARTBEAT_SECONDS", 0.2)
    settings = api_settings(database_url, feed_interval_seconds=10)
    async with running_api(settings) as api, following(api) as feed:
        # On a busy machine one may come before there is anything to tell.
        names = [event.name for _ in range(2) if (event := await feed.next()) is not None]
        assert "comment" in names
