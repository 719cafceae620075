"""Users online over time against a recount of the samples: averages, peaks, gaps."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import pytest_asyncio

from api.periods.instants import rfc3339
from tests.integration.analytics.analytics_rows import QUARTER, AnalyticsTable, floor, local_day
from tests.rigs.api_harness import Api, api_settings, running_api

PATH = "/api/v1/concurrency"
TICK = timedelta(seconds=10)
BERLIN = ZoneInfo("Europe/Berlin")
START = datetime(2026, 3, 28, 18, tzinfo=UTC)
END = datetime(2026, 3, 29, 6, tzinfo=UTC)
THROUGH = datetime(2026, 3, 29, 4, 30, tzinfo=UTC)
AS_OF = datetime(2026, 3, 29, 5, 50, 5, tzinfo=UTC)
OUTAGE = datetime(2026, 3, 29, 5, 0, tzinfo=UTC), datetime(2026, 3, 29, 5, 20, tzinfo=UTC)
PARTITIONS = 2

#: at, foreground, background.
Sample = tuple[datetime, int, int]


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
    opened.log_time(AS_OF, PARTITIONS)
    opened.zone("Europe/Berlin", START)
    yield opened
    opened.close()


@pytest.fixture
def samples(table: AnalyticsTable) -> list[Sample]:
    """The complete instants up to as_of. Some lack a partition; before ``THROUGH`` there are only
    rollups of a quarter-hour and samples that nobody may read there."""
    rng = random.Random(11)
    rows, found = [], []
    at = START
    while at < END:
        if not OUTAGE[0] < at < OUTAGE[1]:
            parts = [(rng.randrange(50), rng.randrange(50)) for _ in range(PARTITIONS)]
            if rng.random() < 0.05:
                parts = parts[:1]
            rows += [(at, partition, *counts) for partition, counts in enumerate(parts)]
            if len(parts) == PARTITIONS and at <= AS_OF:
                found.append((at, sum(f for f, _ in parts), sum(b for _, b in parts)))
        at += TICK
    table.insert(
        "concurrency_samples",
        (
            {"at": at, "partition": partition, "foreground": f, "background": b}
            for at, partition, f, b in rows
        ),
    )
    by_quarter: dict[datetime, list[Sample]] = defaultdict(list)
    for sample in found:
        if sample[0] < THROUGH:
            by_quarter[floor(sample[0], QUARTER)].append(sample)
    table.insert(
        "concurrency_quarters",
        (
            {
                "quarter": quarter,
                "samples": len(each),
                "foreground_sum": sum(f for _, f, _ in each),
                "background_sum": sum(b for _, _, b in each),
                "peak_online": peak(each)[0],
                "peak_online_at": peak(each)[1],
                "peak_foreground": peak(each, foreground=True)[0],
                "peak_foreground_at": peak(each, foreground=True)[1],
            }
            for quarter, each in by_quarter.items()
        ),
    )
    table.progress(quarters=THROUGH)
    table.insert(
        "outages",
        (
            {
                "partition": partition,
                "kind": "jump",
                "started_at": OUTAGE[0] + partition * TICK,
                "ended_at": OUTAGE[1] + partition * TICK,
            }
            for partition in range(PARTITIONS)
        ),
    )
    return found


def peak(samples: Sequence[Sample], *, foreground: bool = False) -> tuple[int, datetime]:
    """The first instant that had most."""
    counts = [(f if foreground else f + b, at) for at, f, b in samples]
    most = max(count for count, _ in counts)
    return most, min(at for count, at in counts if count == most)


def row_of(start: datetime, end: datetime, samples: Sequence[Sample]) -> dict[str, Any]:
    mine = [sample for sample in samples if start <= sample[0] < end]
    count = len(mine)
    nothing: tuple[None, None] = (None, None)
    online, foreground = (peak(mine), peak(mine, foreground=True)) if mine else (nothing, nothing)
    return {
        "start": rfc3339(start),
        "end": rfc3339(end),
        "samples": count,
        "online_avg": round(sum(f + b for _, f, b in mine) / count, 2) if mine else None,
        "foreground_avg": round(sum(f for _, f, _ in mine) / count, 2) if mine else None,
        "background_avg": round(sum(b for _, _, b in mine) / count, 2) if mine else None,
        "online_peak": online[0],
        "online_peak_at": rfc3339(online[1]),
        "foreground_peak": foreground[0],
        "foreground_peak_at": rfc3339(foreground[1]),
    }


async def ok(api: Api, **parameters: str) -> Any:
    answer = await api.get(PATH, **parameters)
    assert answer.status == 200, answer.body
    return answer.json


@pytest.mark.parametrize(
    ("bucket", "seconds", "start", "end"),
    [
        ("10s", 10, "2026-03-29T04:00:00Z", "2026-03-29T06:00:00Z"),
        ("10s", 10, "2026-03-29T05:49:50Z", "2026-03-29T05:50:30Z"),
        ("1m", 60, "2026-03-29T04:10:00Z", "2026-03-29T05:30:00Z"),
        ("15m", 900, "2026-03-28T18:00:00Z", "2026-03-29T06:00:00Z"),
        ("1h", 3600, "2026-03-28T18:00:00Z", "2026-03-29T06:00:00Z"),
    ],
)
async def test_a_series_is_a_recount_of_the_complete_instants(
    api: Api, samples: list[Sample], bucket: str, seconds: int, start: str, end: str
) -> None:
    answer = await ok(api, **{"from": start, "to": end, "bucket": bucket})
    since, until, length = (
        datetime.fromisoformat(start),
        datetime.fromisoformat(end),
        timedelta(seconds=seconds),
    )
    wanted = [
        row_of(since + n * length, since + (n + 1) * length, samples)
        for n in range((until - since) // length)
    ]
    assert answer["items"] == wanted
    assert answer["bucket"] == bucket


async def test_days_are_of_the_zone(api: Api, samples: list[Sample]) -> None:
    answer = await ok(
        api, **{"from": "2026-03-28T18:00:00Z", "to": "2026-03-29T06:00:00Z"}, bucket="1d"
    )
    midnight = datetime(2026, 3, 28, 23, tzinfo=UTC)
    assert answer["items"] == [
        row_of(START, midnight, samples),
        row_of(midnight, END, samples),
    ]
    assert {local_day(at, BERLIN).day for at, *_ in samples} == {28, 29}


async def test_a_gap_says_its_cause(api: Api, samples: list[Sample]) -> None:
    query = {"from": "2026-03-29T04:45:00Z", "to": "2026-03-29T06:00:00Z", "bucket": "15m"}
    answer = await ok(api, **query)
    assert answer["gaps"] == [
        {
            "kind": "jump",
            "started_at": "2026-03-29T05:00:00.000Z",
            "ended_at": "2026-03-29T05:20:10.000Z",
        }
    ]
    assert answer["items"][1]["samples"] == 1  # the outage's first instant
    no_gap = await ok(api, **{"from": "2026-03-29T04:00:00Z", "to": "2026-03-29T04:45:00Z"})
    assert no_gap["gaps"] == []


async def test_an_outage_that_lasts_has_no_end(
    api: Api, table: AnalyticsTable, samples: list[Sample]
) -> None:
    started = AS_OF - timedelta(minutes=1)
    table.insert(
        "outages",
        [{"partition": 1, "kind": "ticks_only", "started_at": started, "ended_at": None}],
    )
    [lasting] = (await ok(api, bucket="10s", **{"from": "2026-03-29T05:40:00Z"}))["gaps"]
    assert lasting == {"kind": "ticks_only", "started_at": rfc3339(started), "ended_at": None}


async def test_peaks_of_today_and_of_all_time_say_when(api: Api, samples: list[Sample]) -> None:
    answer = await ok(api)
    today = [sample for sample in samples if sample[0] >= datetime(2026, 3, 28, 23, tzinfo=UTC)]
    for name, mine in (("today", today), ("all_time", samples)):
        online, at = peak(mine)
        assert answer["peaks"][name] == {"online": online, "at": rfc3339(at)}
    in_utc = await ok(api, tz="UTC")
    online, at = peak([sample for sample in samples if sample[0].day == 29])
    assert in_utc["peaks"]["today"] == {"online": online, "at": rfc3339(at)}


async def test_a_screen_has_nobody_where_there_is_no_row(
    api: Api, table: AnalyticsTable, samples: list[Sample]
) -> None:
    rng = random.Random(4)
    complete = {at for at, *_ in samples}
    counts: dict[datetime, int] = {}
    rows = []
    at = START
    while at < END:
        for partition in range(PARTITIONS):
            for screen in ("Home", "Cart"):
                count = rng.randrange(4)
                if count:
                    rows.append((at, partition, screen, count))
                if screen == "Home":
                    counts[at] = counts.get(at, 0) + count
        at += timedelta(minutes=1)
    table.insert(
        "screen_samples",
        (
            {"at": at, "partition": partition, "screen": screen, "foreground": count}
            for at, partition, screen, count in rows
        ),
    )
    since, until = datetime(2026, 3, 29, 3, 45, tzinfo=UTC), END
    answer = await ok(
        api,
        **{"from": "2026-03-29T03:45:00Z", "to": "2026-03-29T06:00:00Z"},
        bucket="15m",
        screen="Home",
    )
    assert answer["screen"] == "Home"
    wanted = []
    for n in range((until - since) // QUARTER):
        start = since + n * QUARTER
        mine = [
            (at, count)
            for at, count in sorted(counts.items())
            if start <= at < start + QUARTER and at in complete
        ]
        most = max((count for _, count in mine), default=None)
        wanted.append(
            {
                "start": rfc3339(start),
                "end": rfc3339(start + QUARTER),
                "samples": len(mine),
                "foreground_avg": round(sum(c for _, c in mine) / len(mine), 2) if mine else None,
                "foreground_peak": most,
                "foreground_peak_at": rfc3339(
                    min((at for at, count in mine if count == most), default=None)
                ),
            }
        )
    assert answer["items"] == wanted


@pytest.mark.parametrize(
    ("query", "field", "word"),
    [
        ("bucket=10s&screen=Home", "bucket", "1m"),
        ("bucket=10s&from=2026-03-29T05:00:05Z", "from", "2026-03-29T05:00:10.000Z"),
        ("bucket=15m&from=2026-03-29T05:01:00Z", "from", "15 minutes"),
        ("bucket=10s&from=2026-03-01&to=2026-03-05", "bucket", "bucket=1m"),
        ("bucket=10s&from=2026-01-01&to=2026-03-05", "bucket", "bucket=15m"),
    ],
)
async def test_a_series_that_is_too_fine_says_what_fits(
    api: Api, query: str, field: str, word: str
) -> None:
    answer = await api.call(f"{PATH}?{query}")
    assert answer.status == 400
    [error] = answer.json["errors"]
    assert error["field"] == field
    assert word in error["message"]


async def test_before_anything_was_sampled_there_are_no_peaks(api: Api) -> None:
    answer = await ok(api)
    assert answer["peaks"] == {"today": None, "all_time": None}
    assert {row["samples"] for row in answer["items"]} == {0}
