"""Tables as CSV and NDJSON: the same rows as JSON, streamed, and no part passes for the whole."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any

import aiohttp
import psutil
import pytest
import pytest_asyncio
from yarl import URL

from tests.conftest import fresh_database
from tests.integration.analytics.analytics_rows import AnalyticsTable
from tests.rigs.api_harness import (
    Answer,
    Api,
    api_settings,
    running_api,
    token,
    wait_until,
)
from tests.rigs.rig import rows

AS_OF = datetime(2026, 3, 30, 21, tzinfo=UTC)
CSV, NDJSON = "text/csv", "application/x-ndjson"
RANGE = "from=2026-03-29&to=2026-03-31"
TABLES = [
    "/api/v1/screens",
    f"/api/v1/screens/engagement?{RANGE}",
    f"/api/v1/screens/engagement?{RANGE}&bucket=1d",
    f"/api/v1/dwell?{RANGE}",
    f"/api/v1/flows?{RANGE}",
    f"/api/v1/flows?{RANGE}&top=2",
    f"/api/v1/funnel?{RANGE}&step1=Cart&step2=Home",
    "/api/v1/retention",
    f"/api/v1/concurrency?{RANGE}&bucket=1h",
    f"/api/v1/outages?{RANGE}",
    f"/api/v1/active-users?{RANGE}",
    "/api/v1/breakdown?by=app_version",
    f"/api/v1/sessions/summary?{RANGE}&bucket=1h",
]
FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "=a,b\"c'", "Home", "a=b", "", "é 😀"]


pytestmark = pytest.mark.asyncio(loop_scope="module")
#: Screens of a day, and of an earlier one. Of long names, so that few of them fill all buffers.
MANY, SOME, NAME_LENGTH = 18_000, 600, 600
RANGE_OF_SOME = "from=2026-03-25&to=2026-03-27"


@asynccontextmanager
async def running(database_url: str, **settings: float) -> AsyncIterator[Api]:
    async with running_api(api_settings(database_url, **settings)) as api:
        yield api


@contextmanager
def opened(database_url: str) -> Iterator[AnalyticsTable]:
    table = AnalyticsTable(database_url)
    table.log_time(AS_OF)
    yield table
    table.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def empty(shared_database_url: str) -> AsyncIterator[Api]:
    """Over a database with nothing in it."""
    async with running(shared_database_url) as api:
        yield api


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def filled(postgres_url: str, template_database: str) -> AsyncIterator[Api]:
    """Over one that has something for every table."""
    with fresh_database(postgres_url, template_database) as url:
        with opened(url) as table:
            fill(table)
        async with running(url) as api:
            yield api


@pytest.fixture(scope="module")
def many_url(postgres_url: str, template_database: str) -> Iterator[str]:
    with fresh_database(postgres_url, template_database) as url:
        with opened(url) as table:
            for count, day in ((MANY, 29), (SOME, 26)):
                table.run(
                    "INSERT INTO screen_minutes (minute, partition, screen, views, visits, "
                    "dwell_ms, silent_dwell_ms, dwell_histogram, exits, bounces) "
                    "SELECT %s, 0, n || repeat('x', %s), 1, 1, 900, 0, '{1}', 0, 0 "
                    "FROM generate_series(1, %s) n",
                    *(datetime(2026, 3, day, 12, tzinfo=UTC), NAME_LENGTH, count),
                )
        yield url


@pytest_asyncio.fixture(loop_scope="module")
async def many(many_url: str) -> AsyncIterator[Api]:
    """Over one with far more screens than fit between a server and a client that does not read."""
    async with running(many_url) as api:
        yield api


def screens(table: AnalyticsTable, names: list[str]) -> None:
    table.insert(
        "screen_minutes",
        (
            {
                "minute": datetime(2026, 3, 29, 12, tzinfo=UTC),
                "partition": 0,
                "screen": name,
                "views": 1,
                "visits": 1,
                "dwell_ms": 900,
                "silent_dwell_ms": 0,
                "dwell_histogram": [0] * 8 + [1],
                "exits": 0,
                "bounces": 0,
            }
            for name in names
        ),
    )


def fill(table: AnalyticsTable) -> None:
    screens(table, FORMULAS)
    for number, name in enumerate(FORMULAS):
        table.user(f"u{number}", screen=name, app_version=name)
    table.insert(
        "screen_transitions",
        (
            {
                "quarter": datetime(2026, 3, 29, 12, tzinfo=UTC),
                "partition": 0,
                "from_screen": name,
                "to_screen": "(end)",
                "transitions": 1,
            }
            for name in FORMULAS
        ),
    )
    noon = datetime(2026, 3, 29, 12, tzinfo=UTC)
    table.insert(
        "outages",
        (
            {"partition": 0, "kind": kind, "started_at": noon, "ended_at": end}
            for kind, end in (("jump", None), ("ticks_only", noon + timedelta(minutes=1)))
        ),
    )
    of_noon = ("shown_until", "started_at", "ended_at", "changed_at", "session_start")
    ids = {"partition": 0, "log_offset": 1, "ordinal": 0, "user_id": "u", "device": "d"}
    view = {"state": "foreground", "is_view": True, "ended_by": "navigated"}
    table.insert(
        "spans",
        (
            {**dict.fromkeys(of_noon, noon), **ids, **view, "online_since": noon}
            | {"event_index": number, "screen": screen}
            for number, screen in enumerate(("Cart", "Home"))
        ),
    )
    table.insert(
        "user_days",
        [
            {
                "day": date(2026, 3, 29),
                "user_id": "u",
                "partition": 0,
                "is_new": True,
            }
        ],
    )


async def export(api: Api, path: str, accept: str) -> Answer:
    answer = await api.call(path, headers={"Accept": accept})
    assert answer.status == 200, answer.body
    return answer


def shown_in_csv(value: Any) -> str:
    """By the rules of the documentation."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@"):
        return "'" + value
    return str(value)


@pytest.mark.parametrize("path", TABLES)
async def test_every_table_has_the_rows_of_its_json(filled: Api, path: str) -> None:
    api = filled
    document = (await export(api, path, "application/json")).json
    rows = document["items"]
    assert rows
    lines = await export(api, path, NDJSON)
    assert lines.headers["Content-Type"] == NDJSON
    assert [json.loads(line) for line in lines.body.splitlines()] == rows
    sheet = await export(api, path, CSV)
    assert sheet.headers["Content-Type"] == "text/csv; charset=utf-8; header=present"
    assert list(csv.reader(io.StringIO(sheet.body.decode(), newline=""))) == [
        list(rows[0]),
        *([shown_in_csv(value) for value in row.values()] for row in rows),
    ]
    for answer in (lines, sheet):
        assert answer.headers["X-Rollcall-As-Of"] == document["as_of"]
        assert answer.headers["X-Rollcall-Stale"] == "true"
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Request-ID"]
        assert answer.headers["Vary"] == "Accept"
    head = await api.call(path, "HEAD", headers={"Accept": CSV})
    assert (head.status, head.body) == (200, b"")
    assert head.headers["Content-Type"] == sheet.headers["Content-Type"]


async def test_an_empty_table_is_its_names_alone(empty: Api) -> None:
    sheet = await export(empty, f"/api/v1/flows?{RANGE}", CSV)
    assert sheet.body == b'"from_screen","to_screen","transitions","from_share","to_share"\r\n'
    assert sheet.headers["X-Rollcall-As-Of"] == ""
    assert (await export(empty, f"/api/v1/flows?{RANGE}", NDJSON)).body == b""


@pytest.mark.parametrize(
    "accept", ["*/*", "text/html", "", "application/xml;q=1, */*;q=0.1", "nonsense", "text/csv;q=0"]
)
async def test_whatever_else_is_accepted_gets_json(empty: Api, accept: str) -> None:
    answer = await export(empty, "/api/v1/screens", accept)
    assert answer.headers["Content-Type"].startswith("application/json")


@pytest.mark.parametrize("accept", [CSV, NDJSON])
async def test_a_refusal_is_a_problem_in_any_format(empty: Api, accept: str) -> None:
    for path, bearer, wanted in (
        ("/api/v1/flows", None, 401),
        ("/api/v1/flows?from=nonsense", token(), 400),
        ("/api/v1/active-users?tz=Asia/Tokyo", token(), 400),
    ):
        answer = await empty.call(path, headers={"Accept": accept}, bearer=bearer)
        assert answer.status == wanted
        assert answer.headers["Content-Type"] == "application/problem+json"


async def test_an_export_has_rows_that_one_piece_has_not(many: Api) -> None:
    path = f"/api/v1/screens/engagement?{RANGE_OF_SOME}"
    assert len((await export(many, path, "application/json")).json["items"]) == 50
    assert len((await export(many, path + "&limit=550", NDJSON)).body.splitlines()) == 550
    assert len((await export(many, path, NDJSON)).body.splitlines()) == SOME


async def test_memory_does_not_grow_with_the_length_of_an_export(many: Api) -> None:
    """The first export grows what every export needs; a far longer one must not need more."""
    process = psutil.Process()
    headers = {"Authorization": f"Bearer {token()}", "Accept": NDJSON}

    async def peak_bytes(of: str) -> tuple[int, int]:
        path = f"{many.origin}/api/v1/screens/engagement?{of}"
        most, length = 0, 0
        async with many.http.get(URL(path, encoded=True), headers=headers) as answer:
            async for chunk in answer.content.iter_any():
                length += len(chunk)
                most = max(most, process.memory_info().rss)
        return most, length

    await peak_bytes(RANGE_OF_SOME)
    short, short_length = await peak_bytes(RANGE_OF_SOME)
    long, long_length = await peak_bytes(RANGE)
    assert long_length > 25 * short_length
    assert long - short < 12_000_000 < long_length


async def test_an_export_that_breaks_has_no_end(many: Api, many_url: str) -> None:
    """Its connection to PostgreSQL is cut while the reader waits: they see that it is no whole."""
    path = URL(f"{many.origin}/api/v1/screens/engagement?{RANGE}", encoded=True)
    for accept in (CSV, NDJSON):
        headers = {"Authorization": f"Bearer {token()}", "Accept": accept}
        async with many.http.get(path, headers=headers) as answer:
            assert answer.status == 200
            await answer.content.readany()
            rows(
                many_url,
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE application_name = 'rollcall-api' AND datname = current_database()",
            )
            with pytest.raises(aiohttp.ClientError):
                await answer.read()
    assert many.metric("rollcall_api_broken_exports_total") == 2
    assert (await export(many, "/api/v1/screens", CSV)).status == 200


async def test_a_reader_who_leaves_gives_the_connection_back(many: Api) -> None:
    path = URL(f"{many.origin}/api/v1/screens/engagement?{RANGE}", encoded=True)
    headers = {"Authorization": f"Bearer {token()}", "Accept": CSV}
    for _ in range(3):
        answer = await many.http.get(path, headers=headers)
        await answer.content.readany()
        answer.close()

    async def is_free() -> bool:
        return (await many.call("/api/v1/screens", headers={"Accept": CSV})).status == 200

    await wait_until(is_free)
    assert many.metric("rollcall_api_broken_exports_total") == 0


async def test_exports_are_few_at_a_time_and_leave_the_pool_to_others(many_url: str) -> None:
    async with running(many_url, api_pool_wait_seconds=4) as many:
        await fill_the_exports(many)


async def fill_the_exports(many: Api) -> None:
    path = URL(f"{many.origin}/api/v1/screens/engagement?{RANGE}", encoded=True)
    readers = []
    for number in range(2):
        bearer = f"Bearer {token(f'reader {number}')}"
        headers = {"Authorization": bearer, "Accept": NDJSON}
        readers.append(await many.http.get(path, headers=headers))
    refused = await many.call("/api/v1/screens", headers={"Accept": CSV})
    assert (refused.status, refused.json["code"]) == (503, "unavailable")
    assert "exports" in refused.json["detail"]
    assert refused.headers["Retry-After"]
    assert (await many.call("/api/v1/screens")).status == 200
    first, second = readers
    assert (await first.read()).count(b"\n") == MANY
    second.close()
