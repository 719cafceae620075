"""Sessions against a recount: the rollup as far as it is made, sessions themselves after it."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import Any

import pytest

from api.periods.instants import rfc3339
from schemas.measures.dwell import RELATIVE_ERROR, bucket_of
from tests.integration.analytics.analytics_rows import HOUR, QUARTER, AnalyticsTable, floor
from tests.rigs.api_harness import Api, api_settings, running_api

PATH = "/api/v1/sessions/summary"
MS = timedelta(milliseconds=1)
START = datetime(2026, 3, 27, tzinfo=UTC)
END = datetime(2026, 3, 29, tzinfo=UTC)
THROUGH = datetime(2026, 3, 28, 10, 30, tzinfo=UTC)

Session = dict[str, Any]


@pytest.fixture
async def api(database_url: str) -> AsyncIterator[Api]:
    async with running_api(api_settings(database_url)) as running:
        yield running


@pytest.fixture
def table(database_url: str) -> Iterator[AnalyticsTable]:
    opened = AnalyticsTable(database_url)
    opened.log_time(END)
    yield opened
    opened.close()


@pytest.fixture
def sessions(table: AnalyticsTable) -> list[Session]:
    rng = random.Random(21)
    made: list[Session] = []
    for number in range(1_500):
        ended = START + rng.randrange((END - START) // MS) * MS
        duration_ms = int(10 ** rng.uniform(1, 7))
        views = rng.randrange(4)
        made.append(
            {
                "shown_until": ended + rng.choice((0, 300_000)) * MS,
                "partition": 0,
                "log_offset": number,
                "event_index": 0,
                "ordinal": 0,
                "user_id": f"u{number % 40}",
                "device": "d",
                "started_at": ended - duration_ms * MS,
                "ended_at": ended,
                "ended_by": rng.choice(("timed_out", "logged_out", "disconnected", "evicted")),
                "views": views,
                "visits": views + 1,
                "foreground_ms": rng.randint(0, duration_ms),
                "entry_screen": None,
                "exit_screen": None,
            }
        )
    rolled: dict[datetime, list[Session]] = defaultdict(list)
    for session in made:
        if session["ended_at"] < THROUGH:
            rolled[floor(session["ended_at"], QUARTER)].append(session)
    # Sessions of what is rolled up are gone: nobody may read them.
    table.insert("sessions", [each for each in made if each["ended_at"] >= THROUGH])
    table.insert("session_quarters", (rollup(at, each) for at, each in rolled.items()))
    table.progress(quarters=THROUGH)
    return made


def rollup(quarter: datetime, sessions: Sequence[Session]) -> dict[str, Any]:
    counts = Counter(bucket_of(duration(session)) for session in sessions)
    return {
        "quarter": quarter,
        "sessions": len(sessions),
        "duration_ms": sum(map(duration, sessions)),
        "duration_histogram": [counts[n] for n in range(max(counts) + 1)],
        "foreground_ms": sum(session["foreground_ms"] for session in sessions),
        "views": sum(session["views"] for session in sessions),
        "bounces": sum(session["views"] == 1 for session in sessions),
        "timed_out": sum(is_silent(session) for session in sessions),
    }


def duration(session: Session) -> int:
    return int((session["ended_at"] - session["started_at"]) // MS)


def is_silent(session: Session) -> bool:
    return session["ended_by"] in ("timed_out", "disconnected")


def recount(sessions: Sequence[Session]) -> dict[str, Any]:
    count = len(sessions)
    durations = sorted(map(duration, sessions))

    def percentile(fraction: float) -> Any:
        if not durations:
            return None
        exact = durations[ceil(fraction * count) - 1]
        return pytest.approx(exact, rel=RELATIVE_ERROR + 0.002, abs=125)

    def mean(total: int, digits: int | None = None) -> float | None:
        return round(total / count, digits) if count else None

    bounces = sum(session["views"] == 1 for session in sessions)
    silent = sum(map(is_silent, sessions))
    return {
        "sessions": count,
        "duration_mean_ms": mean(sum(durations)),
        "duration_p50_ms": percentile(0.5),
        "duration_p90_ms": percentile(0.9),
        "duration_p95_ms": percentile(0.95),
        "foreground_mean_ms": mean(sum(session["foreground_ms"] for session in sessions)),
        "views_mean": mean(sum(session["views"] for session in sessions), 2),
        "bounces": bounces,
        "bounce_share": mean(bounces, 4),
        "ended_by_silence": silent,
        "silence_share": mean(silent, 4),
    }


@pytest.mark.parametrize(("bucket", "length"), [("15m", QUARTER), ("1h", HOUR)])
async def test_a_summary_is_a_recount_in_whole_and_by_bucket(
    api: Api, sessions: list[Session], bucket: str, length: timedelta
) -> None:
    since, until = datetime(2026, 3, 27, 15, tzinfo=UTC), datetime(2026, 3, 28, 14, tzinfo=UTC)
    answer = await api.get(
        PATH, **{"from": "2026-03-27T15:00:00Z", "to": "2026-03-28T14:00:00Z", "bucket": bucket}
    )
    assert answer.status == 200, answer.body
    mine = [session for session in sessions if since <= session["ended_at"] < until]
    assert answer.json["totals"] == recount(mine)
    assert answer.json["items"] == [
        {
            "start": rfc3339(start),
            "end": rfc3339(start + length),
            **recount([s for s in mine if start <= s["ended_at"] < start + length]),
        }
        for start in (since + n * length for n in range((until - since) // length))
    ]


async def test_a_range_without_sessions_has_no_means(api: Api) -> None:
    answer = (await api.get(PATH)).json
    assert answer["totals"] == recount([])
    assert answer["bucket"] == "15m"
