"""Funnels and retention against a recount that looks at one session, and one user, at a time."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import quote

import psycopg
import pytest
import pytest_asyncio

from tests.integration.analytics.analytics_rows import QUARTER, AnalyticsTable, floor
from tests.rigs.api_harness import Api, api_settings, running_api

NOW = datetime(2026, 10, 28, 12, tzinfo=UTC)  # a Wednesday
SCREENS = ["Home", "Cart", "Checkout", "Payment", None, "(end)"]
VERSIONS = [*(f"1.{n}" for n in range(12)), None]

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.usefixtures("table")]


@dataclass(frozen=True)
class Seen:
    """A visit as a recount knows it; in the order of a session."""

    user: str
    session: tuple[str, str, datetime]
    screen: str
    at: datetime
    is_view: bool
    version: str | None


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def api(shared_database_url: str) -> AsyncIterator[Api]:
    async with running_api(api_settings(shared_database_url)) as running:
        yield running


@pytest.fixture
def table(shared_database_url: str) -> Iterator[AnalyticsTable]:
    opened = AnalyticsTable(shared_database_url)
    opened.clear()
    opened.log_time(NOW)
    yield opened
    opened.close()


@pytest.fixture
def visits(table: AnalyticsTable) -> list[Seen]:
    """Sessions of a few users, two devices each; some visits last no time at all."""
    rng = random.Random(8)
    found: list[Seen] = []
    rows = []
    for number in range(160):
        user, device = f"u{rng.randrange(30)}", rng.choice(["phone", "tablet"])
        start = at = NOW - timedelta(seconds=rng.randrange(10 * 86_400))
        before: str | int | None = 0
        version = rng.choice(VERSIONS)
        for visit in range(rng.randrange(1, 12)):
            screen = rng.choice(SCREENS)
            end = at + timedelta(milliseconds=rng.choice([0, 0, rng.randrange(4_000_000)]))
            if rng.random() < 0.1:
                version = rng.choice(VERSIONS)
            is_view = screen != before
            before = screen
            row = {
                "shown_until": end,
                "partition": 0,
                "log_offset": number,
                "event_index": visit,
                "ordinal": 0,
                "user_id": user,
                "device": device,
                "state": "foreground",
                "screen": screen,
                "started_at": at,
                "changed_at": at,
                "ended_at": end,
                "ended_by": "navigated",
                "is_view": is_view,
                "session_start": start,
                "online_since": start,
                "app_version": version,
                "platform": "android",
            }
            rows.append(row)
            shown = {None: "(none)", "(end)": "(other)"}.get(screen, screen)
            found.append(Seen(user, (user, device, start), str(shown), at, is_view, version))
            at = end
    # In the background on a screen of the funnel: no view.
    rows.append({**rows[0], "state": "background", "is_view": True, "event_index": 99})
    rng.shuffle(rows)
    table.insert("spans", rows)
    return found


def recount(
    visits: list[Seen], steps: list[str], since: datetime, until: datetime
) -> dict[str, list[tuple[str, list[datetime]]]]:
    """By version of the first step: user and times of every session that began the funnel."""
    sessions: dict[Any, list[Seen]] = {}
    for seen in visits:
        if seen.is_view and since <= seen.at < until:
            sessions.setdefault(seen.session, []).append(seen)
    found: dict[str, list[tuple[str, list[datetime]]]] = {}
    for views in sessions.values():
        wanted = list(steps)
        times: list[datetime] = []
        version = ""
        for view in views:
            if wanted and view.screen == wanted[0]:
                if not times:
                    version = view.version or "(none)"
                times.append(view.at)
                wanted.pop(0)
        if times:
            found.setdefault(version, []).append((views[0].user, times))
    return found


def steps_of(
    value: str | None, steps: list[str], began: list[tuple[str, list[datetime]]]
) -> list[dict[str, Any]]:
    rows = []
    for n, screen in enumerate(steps):
        reached = [(user, times) for user, times in began if len(times) > n]
        before = sum(len(times) > n - 1 for _, times in began)
        took = sorted(
            round((times[n] - times[n - 1]) / timedelta(milliseconds=1)) for _, times in reached
        )
        later = n > 0 and took
        rows.append(
            {
                "value": value,
                "step": n + 1,
                "screen": screen,
                "sessions": len(reached),
                "users": len({user for user, _ in reached}),
                "from_first": round(len(reached) / len(began), 4),
                "from_before": None if n == 0 or before == 0 else round(len(reached) / before, 4),
                "p50_ms": took[-(-len(took) // 2) - 1] if later else None,
                "p90_ms": took[-(-len(took) * 9 // 10) - 1] if later else None,
            }
        )
    return rows


async def ok(api: Api, path: str) -> Any:
    answer = await api.call(path)
    assert answer.status == 200, answer.body
    return answer.json


def asked(steps: list[str], **parameters: str) -> str:
    named = {**{f"step{n}": screen for n, screen in enumerate(steps, 1)}, **parameters}
    return "/api/v1/funnel?" + "&".join(f"{k}={quote(v)}" for k, v in named.items())


@pytest.mark.parametrize("hours", [24, 100, 14 * 24])
@pytest.mark.parametrize(
    "steps",
    [
        ["Cart", "Checkout"],
        ["Cart", "Checkout", "Payment"],
        ["Home", "Cart", "Home", "Cart"],
        ["Cart", "Cart"],
        ["(none)", "(other)"],
        ["Home", "Nowhere", "Cart"],
    ],
)
async def test_a_funnel_is_that_of_a_recount(
    api: Api, visits: list[Seen], steps: list[str], hours: int
) -> None:
    since = floor(NOW, QUARTER) - timedelta(hours=hours)
    edges = {"from": f"{since:%Y-%m-%dT%H:%M:%SZ}", "to": f"{NOW:%Y-%m-%dT%H:%M:%SZ}"}
    parts = recount(visits, steps, since, NOW)
    every = [each for began in parts.values() for each in began]
    assert every
    answer = await ok(api, asked(steps, **edges))
    assert answer["items"] == steps_of(None, steps, every)
    assert (answer["by"], answer["from"]) == (None, f"{since:%Y-%m-%dT%H:%M:%S}.000Z")
    # By version: the ten with the most sessions, and the others together.
    named = sorted(parts, key=lambda part: (-len(parts[part]), part))
    folded = {part: parts[part] for part in named[:10]}
    rest = [each for part in named[10:] for each in parts[part]]
    if rest:
        folded["(other)"] = rest
    order = sorted(folded, key=lambda part: (-len(folded[part]), part))
    split = await ok(api, asked(steps, **edges, by="app_version"))
    assert split["items"] == [row for part in order for row in steps_of(part, steps, folded[part])]
    platform = await ok(api, asked(steps, **edges, by="platform"))
    assert {row["value"] for row in platform["items"]} == {"android"}
    # One that is left out is no step.
    with_a_gap = await ok(api, asked(steps[:2], **edges, step7="Cart"))
    assert with_a_gap["items"] == (await ok(api, asked([*steps[:2], "Cart"], **edges)))["items"]


async def test_nobody_who_began_is_no_row(api: Api) -> None:
    assert (await ok(api, asked(["Cart", "Pay"])))["items"] == []


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("", "step1"),
        ("step1=Cart", "step2"),
        ("step2=Cart&step3=Pay", "step1"),
        ("step1=Cart&step2=", "step2"),
        ("step1=Cart&step2=Pay&by=device", "by"),
        ("step1=Cart&step2=Pay&step9=Home", "step9"),
        ("step1=a&step2=b&from=2026-10-01&to=2026-10-16", "from"),
    ],
)
async def test_a_funnel_that_is_none_is_refused_by_field(api: Api, query: str, field: str) -> None:
    answer = await api.call(f"/api/v1/funnel?{query}")
    assert (answer.status, answer.json["errors"][0]["field"]) == (400, field)


# --- retention


def write_days(table: AnalyticsTable, days: dict[str, set[date]]) -> None:
    table.insert(
        "user_days",
        [
            {"day": day, "user_id": user, "partition": 0, "is_new": day == min(active)}
            for user, active in days.items()
            for day in active
        ],
    )


def monday(day: date) -> date:
    return day - timedelta(days=day.weekday())


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Auckland"])
async def test_retention_is_that_of_a_recount(api: Api, table: AnalyticsTable, zone: str) -> None:
    rng = random.Random(5)
    table.zone(zone, NOW - timedelta(days=60))
    today = date(2026, 10, 28) if zone == "UTC" else date(2026, 10, 29)
    days: dict[str, set[date]] = {}
    for number in range(120):
        first = today - timedelta(days=rng.randrange(62))
        span = (today - first).days + 1
        back = rng.sample(range(span), k=rng.randrange(span))[:6]
        days[f"u{number}"] = {first, *(first + timedelta(days=n) for n in back)}
    write_days(table, days)
    for weeks in (1, 4, 9):
        mondays = [monday(today) - timedelta(weeks=n) for n in reversed(range(weeks))]
        wanted = []
        for week in mondays:
            cohort = [active for active in days.values() if monday(min(active)) == week]
            for later in range((monday(today) - week).days // 7 + 1 if cohort else 0):
                then = week + timedelta(weeks=later)
                active = sum(any(monday(day) == then for day in each) for each in cohort)
                wanted.append(
                    {
                        "first_week": str(week),
                        "new_users": len(cohort),
                        "weeks_later": later,
                        "active_users": active,
                        "share": round(active / len(cohort), 4),
                        "complete": then + timedelta(weeks=1) <= today,
                    }
                )
        answer = await ok(api, f"/api/v1/retention?weeks={weeks}")
        assert (answer["items"], answer["tz"]) == (wanted, zone)
    assert (await api.call("/api/v1/retention?weeks=10")).status == 400


async def test_a_week_of_which_days_are_gone_has_no_row(api: Api, table: AnalyticsTable) -> None:
    write_days(table, {"ada": {date(2026, 10, 6)}, "bob": {date(2026, 10, 13)}})
    assert len((await ok(api, "/api/v1/retention"))["items"]) == 4 + 3
    table.insert(
        "retention_progress",
        [{"table_name": "user_days", "kept_from": datetime(2026, 10, 6, tzinfo=UTC)}],
    )
    kept = (await ok(api, "/api/v1/retention"))["items"]
    assert {row["first_week"] for row in kept} == {"2026-10-12"}


# --- SQL


async def test_who_may_read_aggregates_only_is_told_how_many(
    table: AnalyticsTable, visits: list[Seen], shared_database_url: str
) -> None:
    write_days(table, {"ada": {date(2026, 10, 26)}})
    query = "SELECT sessions FROM analytics.funnel(ARRAY['Cart', 'Checkout'], %s, %s)"
    since = NOW - timedelta(days=1)
    with psycopg.connect(shared_database_url) as db:
        db.execute("CREATE ROLE funnel_reader")
        db.execute("SAVEPOINT ungranted")
        db.execute("SET ROLE funnel_reader")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            db.execute(query, (since, NOW))
        db.execute("ROLLBACK TO ungranted")
        db.execute("SELECT grant_analytics('funnel_reader', false)")
        db.execute("SET ROLE funnel_reader")
        told = [sessions for (sessions,) in db.execute(query, (since, NOW)).fetchall()]
        retention = db.execute("SELECT share FROM analytics.retention()").fetchall()
        assert retention == [(1.0,)]
        db.rollback()
    began = [
        times
        for part in recount(visits, ["Cart", "Checkout"], since, NOW).values()
        for _, times in part
    ]
    assert told == [len(began), sum(len(times) > 1 for times in began)]
