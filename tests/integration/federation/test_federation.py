"""The API on a federation: sums are those of its members' own answers, whoever is away is said, and
what is not added up is refused."""

from __future__ import annotations

import json
import random
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest
import pytest_asyncio

from api.postgres.database import STATUS_SECONDS
from deploy.federation.views import view_names
from deploy.local.ports import free_port
from tests.integration.analytics.analytics_rows import (
    AnalyticsTable,
    ScreenMinute,
    random_minutes,
    write_screens,
)
from tests.rigs.api_harness import Answer, Api, api_settings, running_api, token, wait_until
from tests.rigs.debian_postgres import DebianPostgres
from tests.rigs.federation_rig import (
    API,
    IN_A_URL,
    PASSWORD,
    READER,
    Servers,
    allow_wrapper,
    create,
    federated,
    new_members,
)
from tests.rigs.proxy import Proxy

pytestmark = pytest.mark.asyncio(loop_scope="module")

ZONE = ZoneInfo("Europe/Berlin")
START = datetime(2026, 3, 27, tzinfo=UTC)
DAYS_THROUGH = datetime(2026, 3, 28, 23, tzinfo=UTC)
HOURS_THROUGH = datetime(2026, 3, 30, 19, tzinfo=UTC)
QUARTERS_THROUGH = datetime(2026, 3, 30, 20, 30, tzinfo=UTC)
#: Of the members' the least: eu's.
AS_OF = {
    "eu": datetime(2026, 3, 30, 21, 7, tzinfo=UTC),
    "us": datetime(2026, 3, 30, 21, 9, tzinfo=UTC),
}
TICK = timedelta(seconds=10)
SCREENS = ["Home", "Cart", "(none)", "(other)"]
RANGE = {"from": "2026-03-27T00:00:00Z", "to": "2026-03-30T21:00:00Z"}
ENGAGEMENT = "/api/v1/screens/engagement"
SUMS = ("views", "visits", "dwell_ms", "exits", "bounces")


@dataclass
class Fleet:
    """The federation and its members, each with an API. Connections to ``us`` go through
    ``line``."""

    servers: Servers
    url: str
    line: Proxy
    api: Api
    members: dict[str, Api]
    tables: dict[str, AnalyticsTable]
    samples: dict[str, dict[datetime, tuple[int, int]]]

    async def both(self, path: str, **parameters: str) -> list[Any]:
        answers = [await api.get(path, **parameters) for api in self.members.values()]
        assert [answer.status for answer in answers] == [200] * len(answers), answers
        return [answer.json for answer in answers]

    async def told(self, path: str, **parameters: str) -> Any:
        answer = await self.api.get(path, **parameters)
        assert answer.status == 200, answer.body
        return answer.json


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def fleet(members_server: DebianPostgres) -> AsyncIterator[Fleet]:
    servers = new_members(members_server, "eu", "us")
    tables, samples = {}, {}
    for seed, (name, url) in enumerate(servers.members.items()):
        tables[name] = AnalyticsTable(url)
        samples[name] = fill(tables[name], name, random.Random(seed))
    url = create(servers.server, "fleet", "federation_owner")
    allow_wrapper(servers.server, url)
    async with AsyncExitStack() as stack:
        line = Proxy(free_port(), servers.server.port)
        await line.start()
        stack.push_async_callback(line.cut)
        wanted = f"{servers.member('eu')},{servers.member('us', line.port)}"
        said = await federated(url, "--api-role", API, members=wanted)
        assert said.endswith(f"a federation of eu, us\n{API} may do what the API does\n")
        as_api = servers.server.url(API, "fleet")
        members = {
            name: await stack.enter_async_context(running_api(api_settings(member)))
            for name, member in servers.members.items()
        }
        # As in life: a member that is away is waited for so long.
        settings = api_settings(as_api, api_statement_timeout_seconds=5)
        api = await stack.enter_async_context(running_api(settings))
        yield Fleet(servers, url, line, api, members, tables, samples)
    for table in tables.values():
        table.close()


def fill(table: AnalyticsTable, name: str, rng: random.Random) -> dict[datetime, tuple[int, int]]:
    """A deployment of two partitions. Some hold more of late, some less."""
    table.log_time(AS_OF[name], partitions=2)
    for partition in range(2):
        table.offsets(partition, foreground=rng.randrange(50, 90), background=rng.randrange(30))
        for screen in rng.sample(SCREENS, 3):
            table.run(
                "INSERT INTO live_screens VALUES (%s, %s, %s)",
                partition,
                screen,
                rng.randrange(1, 20),
            )
    table.run(
        "UPDATE stream_offsets SET log_time = %s + \"partition\" * interval '1 second', "
        "live_screens_offset = next_offset, policy = %s::jsonb",
        AS_OF[name],
        json.dumps({"offline_after_ms": 240_000 if name == "eu" else 300_000}),
    )
    minutes = [
        ScreenMinute(
            **{
                **{each: getattr(window, each) for each in window.__dataclass_fields__},
                "users": frozenset(f"{name}-{user}" for user in window.users),
            }
        )
        for window in random_minutes(rng, START, AS_OF[name], SCREENS, 2_000)
    ]
    write_screens(
        table,
        minutes,
        quarters=QUARTERS_THROUGH,
        days=DAYS_THROUGH,
        hours=HOURS_THROUGH,
        zone=ZONE,
    )
    found: dict[datetime, tuple[int, int]] = {}
    rows, by_screen = [], []
    at = datetime(2026, 3, 30, 18, tzinfo=UTC)
    while at <= AS_OF[name]:
        parts = [(rng.randrange(100), rng.randrange(50)) for _ in range(2)]
        # A silence of eu's: no samples; and an instant that one partition lacks.
        silent = name == "eu" and at.hour == 19 and at.minute < 10
        lacking = name == "us" and (at.hour, at.minute) == (20, 2)
        for partition, (foreground, background) in enumerate(parts):
            if silent or (lacking and partition):
                continue
            rows.append(
                {
                    "at": at,
                    "partition": partition,
                    "foreground": foreground,
                    "background": background,
                }
            )
            if at.second == 0:
                by_screen.append(
                    {"at": at, "partition": partition, "screen": "Home", "foreground": foreground}
                )
        if not silent and not lacking:
            found[at] = sum(f for f, _ in parts), sum(b for _, b in parts)
        at += TICK
    table.insert("concurrency_samples", rows)
    table.insert("screen_samples", by_screen)
    if name == "eu":
        table.insert(
            "outages",
            [
                {
                    "partition": 0,
                    "kind": "jump",
                    "started_at": datetime(2026, 3, 30, 19, tzinfo=UTC),
                    "ended_at": datetime(2026, 3, 30, 19, 10, tzinfo=UTC),
                }
            ],
        )
    return found


async def test_the_count_is_the_sum_and_as_of_the_least(fleet: Fleet) -> None:
    told = (await fleet.api.count()).json
    parts = [(await api.count()).json for api in fleet.members.values()]
    assert told["count"] == sum(part["count"] for part in parts) > 0
    for state in ("foreground", "background"):
        assert told["by_state"][state] == sum(part["by_state"][state] for part in parts)
    assert told["as_of"] == min(part["as_of"] for part in parts) == "2026-03-30T21:07:00.000Z"
    assert told["window_seconds"] == 300
    assert told["members_away"] == []
    assert all("members_away" not in part for part in parts)


async def test_live_screens_are_the_sum(fleet: Fleet) -> None:
    told = await fleet.told("/api/v1/screens")
    parts = await fleet.both("/api/v1/screens")
    wanted: Counter[str | None] = Counter()
    for part in parts:
        wanted.update({item["screen"]: item["foreground"] for item in part["items"]})
    assert {item["screen"]: item["foreground"] for item in told["items"]} == wanted
    for name in ("foreground", "background"):
        assert told[name] == sum(part[name] for part in parts)
    assert told["members_away"] == []


async def test_a_partition_that_counts_no_screens_is_among_the_others(fleet: Fleet) -> None:
    table = fleet.tables["us"]
    before = await fleet.told("/api/v1/screens")
    table.run('UPDATE stream_offsets SET next_offset = 9 WHERE "partition" = 1')
    try:
        [(foreground,)] = table.run('SELECT foreground FROM stream_offsets WHERE "partition" = 1')
        [(counted,)] = table.run('SELECT sum(foreground) FROM live_screens WHERE "partition" = 1')
        now = await fleet.told("/api/v1/screens")
        assert now["foreground"] - before["foreground"] == foreground - counted
    finally:
        table.run("UPDATE stream_offsets SET next_offset = live_screens_offset")


@pytest.mark.parametrize("parameters", [{}, {"bucket": "1h"}, {"screen": "Home", "bucket": "1d"}])
async def test_engagement_is_the_sum(fleet: Fleet, parameters: dict[str, str]) -> None:
    # A series of whole hours, no longer than unique users are told for.
    given = {**RANGE, **parameters}
    if parameters.get("bucket") == "1h":
        given["from"] = "2026-03-30T12:00:00Z"
    told = await fleet.told(ENGAGEMENT, **given)
    wanted: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for part in await fleet.both(ENGAGEMENT, **given):
        for item in part["items"]:
            sums = {name: item[name] for name in SUMS}
            for name in ("users_at_least", "users_at_most"):
                sums[name] = item[name] or 0
            wanted[item["screen"], item["start"]].update(sums)
    assert told["items"]
    assert told["members_away"] == []
    for item in told["items"]:
        sums = wanted.pop((item["screen"], item["start"]))
        assert {name: item[name] for name in SUMS} == {name: sums[name] for name in SUMS}
        if item["users_at_least"] is not None:
            assert item["users_at_least"] <= sums["users_at_most"]
            if item["users_at_least"] == item["users_at_most"]:
                assert item["unique_users"] == sums["users_at_least"]
    assert not any(sums["views"] for sums in wanted.values())


@pytest.mark.parametrize("path", ["/api/v1/trends", "/api/v1/dwell"])
async def test_what_is_made_of_the_same_windows_is_told_too(fleet: Fleet, path: str) -> None:
    parameters = {"from": "2026-03-30T12:00:00Z", "to": "2026-03-30T21:00:00Z"}
    told = await fleet.told(path, **parameters)
    assert told["items"]
    assert told["members_away"] == []


@pytest.mark.parametrize("bucket", ["10s", "15m", "1h"])
async def test_concurrency_is_of_instants_that_every_member_has(fleet: Fleet, bucket: str) -> None:
    begin = "2026-03-30T20:00:00Z" if bucket == "10s" else "2026-03-30T18:00:00Z"
    told = await fleet.told(
        "/api/v1/concurrency", **{"from": begin, "to": "2026-03-30T21:00:00Z", "bucket": bucket}
    )
    eu, us = fleet.samples["eu"], fleet.samples["us"]
    every = {at: (eu[at][0] + us[at][0], eu[at][1] + us[at][1]) for at in eu.keys() & us.keys()}
    gaps = 0
    for item in told["items"]:
        start, end = map(datetime.fromisoformat, (item["start"], item["end"]))
        of_bucket = {at: each for at, each in every.items() if start <= at < end}
        assert item["samples"] == len(of_bucket)
        if not of_bucket:
            gaps += 1
            assert item["online_peak"] is None
            continue
        online = {at: sum(each) for at, each in of_bucket.items()}
        peak = max(online.values())
        assert item["online_peak"] == peak
        first = min(at for at, users in online.items() if users == peak)
        assert datetime.fromisoformat(item["online_peak_at"]) == first
        assert item["online_avg"] == pytest.approx(sum(online.values()) / len(online), abs=0.005)
    assert gaps == {"10s": 6, "15m": 0, "1h": 0}[bucket]
    if bucket != "10s":
        assert [gap["kind"] for gap in told["gaps"]] == ["jump"]
    # As of eu, which is behind.
    until = {at: sum(each) for at, each in every.items() if at <= AS_OF["eu"]}
    assert told["peaks"]["all_time"]["online"] == max(until.values())


async def test_a_screens_concurrency_is_the_sum(fleet: Fleet) -> None:
    parameters = {"screen": "Home", "from": "2026-03-30T20:00:00Z", "to": "2026-03-30T20:30:00Z"}
    told = await fleet.told("/api/v1/concurrency", **parameters, bucket="15m")
    parts = await fleet.both("/api/v1/concurrency", **parameters, bucket="1m")
    by_minute: defaultdict[str, list[int]] = defaultdict(list)
    for part in parts:
        for item in part["items"]:
            if item["samples"]:
                by_minute[item["start"]].append(item["foreground_peak"])
    whole = [sum(each) for _, each in sorted(by_minute.items()) if len(each) == 2]
    assert max(item["foreground_peak"] for item in told["items"]) == max(whole)
    assert sum(item["samples"] for item in told["items"]) == len(whole)


async def test_what_is_not_added_up_is_refused_with_what_to_do(fleet: Fleet) -> None:
    staff = token("lead", scope="presence:read presence:export presence:manage presence:privacy")
    window = "from=2026-03-29&to=2026-03-30"
    for path, method, body in (
        ("/api/v1/users", "GET", None),
        ("/api/v1/users?search=ada", "GET", None),
        ("/api/v1/online-users?count=true", "GET", None),
        ("/api/v1/users/ada", "GET", None),
        ("/api/v1/users/ada?at=2026-03-30T20:00:00Z", "GET", None),
        ("/api/v1/users/ada/timeline", "GET", None),
        ("/api/v1/users/lookup", "POST", b'{"user_ids": ["ada"]}'),
        ("/api/v1/screens?at=2026-03-30T20:00:00Z", "GET", None),
        ("/api/v1/breakdown?by=platform", "GET", None),
        (f"/api/v1/active-users?{window}", "GET", None),
        ("/api/v1/sessions/summary?from=2026-03-29T00:00:00Z&to=2026-03-30T00:00:00Z", "GET", None),
        (f"/api/v1/funnel?{window}&step1=Cart&step2=Pay", "GET", None),
        ("/api/v1/retention", "GET", None),
        ("/api/v1/screen-rules", "GET", None),
        ("/api/v1/audiences/preview", "POST", b"{}"),
        ("/api/v1/audiences/export", "POST", b"{}"),
        (
            "/api/v1/audiences/deliveries",
            "POST",
            b'{"filter": {}, "to": "wh_0000000000000000", "name": "Sale"}',
        ),
        ("/api/v1/webhooks/wh_0000000000000000", "DELETE", None),
        ("/api/v1/alerts/al_0000000000000000", "DELETE", None),
        ("/api/v1/users/ada/tracking", "GET", None),
        ("/api/v1/users/ada/data", "GET", None),
        ("/api/v1/webhooks", "GET", None),
        ("/api/v1/alerts", "GET", None),
    ):
        answer = await fleet.api.call(path, method, bearer=staff, data=body)
        assert (answer.status, answer.json.get("code")) == (501, "not_federated"), (path, answer)
        assert "Ask the API of the member" in answer.json["detail"]
    own = await fleet.api.call("/api/v1/annotations", "POST", bearer=staff, data=b'{"text": "R"}')
    assert own.status == 201, own.body


async def test_the_feed_and_the_health_page_are_of_the_fleet(fleet: Fleet) -> None:
    health = await fleet.told("/api/v1/health")
    assert [(each["name"], each["here"]) for each in health["members"]] == [
        ("eu", True),
        ("us", True),
    ]
    assert [each["as_of"] for each in health["members"]] == [
        "2026-03-30T21:07:00.000Z",
        "2026-03-30T21:09:00.000Z",
    ]
    assert health["database_problem"] is None
    counted = (await fleet.api.count()).json
    async with fleet.api.http.get(
        f"{fleet.api.origin}/api/v1/feed", headers={"Authorization": f"Bearer {token()}"}
    ) as feed:
        assert feed.status == 200
        lines = [await feed.content.readline() for _ in range(12)]
    text = b"".join(lines).decode()
    for wanted in (f'"count":{counted["count"]}', '"members_away":[]'):
        assert wanted in text, text


async def test_the_role_reads_sums_and_neither_members_nor_their_passwords(fleet: Fleet) -> None:
    with psycopg.connect(fleet.servers.server.url(API, "fleet"), autocommit=True) as db:
        for statement in (
            "SELECT * FROM federation_1.live_screens",
            "SELECT * FROM federation.member",
            "UPDATE federation.member SET here = false",
            "DROP SCHEMA federation CASCADE",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                db.execute(statement.encode())
        seen = db.execute("SELECT umoptions::text FROM pg_user_mappings").fetchall()
        assert seen
        assert all(options is None for (options,) in seen)
    member = fleet.servers.members["eu"].rpartition("/")[2]
    url = fleet.servers.server.url(f"{READER}:{IN_A_URL}", member)
    with psycopg.connect(url, autocommit=True) as db:
        for table in ("presence", "changes", "spans", "sessions", "user_days", "sketch_keys"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                db.execute(f"SELECT FROM {table} LIMIT 1".encode())


#: By view, what readers ask of it: a condition that goes down to the members.
ASKED = {
    "stream_offsets": "partition = 0 AND log_time > now()",
    "clock_steps": "partition = 0 AND from_time > now()",
    "outages": "started_at < now() AND kind = 'jump'",
    "live_screens": "screen = 'x' AND partition = 1",
    "concurrency_samples": "at > now() AND foreground > 3",
    "concurrency_quarters": "quarter > now() AND samples = 1",
    "screen_samples": "at > now() AND screen = 'x'",
    "screen_minutes": "minute > now() AND screen = ANY('{x}')",
    "screen_quarters": "quarter > now() AND screen = 'x'",
    "screen_days": "day > now() AND users > 0",
    "rollup_progress": "rollup = 'days'",
    "retention_progress": "table_name = 'spans'",
    "member_states": "name = 'us'",
}


async def test_no_plan_has_a_member_that_is_away(fleet: Fleet) -> None:
    with psycopg.connect(fleet.url) as db:
        db.execute("UPDATE federation.member SET here = false WHERE name = 'us'")
        for view in view_names():
            for condition in ("true", ASKED.get(view, "true")):
                query = f"EXPLAIN VERBOSE SELECT * FROM {view} WHERE {condition}"
                plan = "\n".join(line for (line,) in db.execute(query.encode()).fetchall())
                assert "federation_2." not in plan, plan
        db.rollback()


async def test_a_member_that_is_away_is_said_and_comes_back(fleet: Fleet) -> None:
    eu = (await fleet.members["eu"].count()).json
    whole = (await fleet.api.count()).json
    with psycopg.connect(fleet.url, autocommit=True) as kept:
        # Without parameters a statement's plan is kept, whatever plan_cache_mode says.
        kept.execute("PREPARE away AS SELECT name FROM members_away")

        def told_by_a_kept_plan() -> list[str]:
            return [name for (name,) in kept.execute("EXECUTE away").fetchall()]

        assert told_by_a_kept_plan() == []
        await _goes_away_and_comes_back(fleet, eu, whole, told_by_a_kept_plan)


async def _goes_away_and_comes_back(
    fleet: Fleet, eu: Any, whole: Any, told_by_a_kept_plan: Callable[[], list[str]]
) -> None:
    await fleet.line.cut()

    async def is_away() -> bool:
        # Whatever is answered meanwhile: never fewer people without who is missing.
        answer = await fleet.api.count()
        assert answer.status in (200, 503), answer.body
        if answer.status == 503:
            return False
        told = answer.json
        assert (told["count"], told["members_away"]) in (
            (whole["count"], []),
            (eu["count"], ["us"]),
        )
        return bool(told["members_away"])

    await wait_until(is_away)
    assert told_by_a_kept_plan() == ["us"]
    told = (await fleet.api.count()).json
    assert (told["as_of"], told["stale"]) == (eu["as_of"], True)
    screens = await fleet.told("/api/v1/screens")
    of_eu = (await fleet.members["eu"].get("/api/v1/screens")).json
    assert (screens["items"], screens["members_away"]) == (of_eu["items"], ["us"])
    concurrency = await fleet.told("/api/v1/concurrency", **RANGE, bucket="1d")
    assert concurrency["members_away"] == ["us"]
    assert any(i["samples"] for i in concurrency["items"])
    engagement = await fleet.told(ENGAGEMENT, **RANGE)
    assert engagement["members_away"] == ["us"]
    assert engagement["items"]
    file = await fleet.api.call(
        f"{ENGAGEMENT}?from=2026-03-29T00:00:00Z&to=2026-03-30T00:00:00Z",
        headers={"Accept": "text/csv"},
    )
    assert file.headers["X-Rollcall-Members-Away"] == "us"

    async def us() -> Any:
        return (await fleet.told("/api/v1/health"))["members"][1]

    async def is_told_away() -> bool:
        return not (await us())["here"]

    await wait_until(is_told_away)  # what was read for somebody who asked before is shared for 3 s
    away = await us()
    assert away["as_of"] is None
    assert "could not connect" in away["problem"]
    assert PASSWORD not in away["problem"]

    await fleet.line.start()

    async def is_whole() -> bool:
        answer = await fleet.api.count()
        return answer.status == 200 and answer.json == {**whole, "stale": answer.json["stale"]}

    await wait_until(is_whole)
    assert told_by_a_kept_plan() == []


async def test_a_member_that_swallows_what_it_is_sent_is_away_too(fleet: Fleet) -> None:
    whole = (await fleet.api.count()).json
    fleet.line.hold()

    async def is_away() -> bool:
        answer = await fleet.api.count()
        assert answer.status in (200, 503), answer.body
        return answer.status == 200 and answer.json["members_away"] == ["us"]

    try:
        with pytest.MonkeyPatch.context() as in_life:
            in_life.setattr("api.postgres.database.STATUS_SECONDS", STATUS_SECONDS)
            await wait_until(is_away)
    finally:
        fleet.line.release()

    async def is_whole() -> bool:
        answer: Answer = await fleet.api.count()
        return answer.status == 200 and answer.json["count"] == whole["count"]

    await wait_until(is_whole)
