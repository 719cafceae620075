"""Every SQL block of docs/analytics.md runs as an analyst would run it, and its answer is right."""

from __future__ import annotations

import re
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from math import ceil
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from schemas.database.migrate import grant_analytics
from schemas.measures.dwell import RELATIVE_ERROR
from tests.integration.processor.rollup_oracle import DAY, HOUR, MINUTE, QUARTER, floor
from tests.integration.processor.small_fleet import Fleet, Session, Visit, small_fleet, store
from tests.rigs.maintenance_rig import run

PAGE = Path(__file__).parents[3] / "docs/analytics.md"
ZONE = "Europe/Berlin"

Answer = list[tuple[Any, ...]]


def questions() -> dict[int, str]:
    """The SQL of each numbered question."""
    text = PAGE.read_text("utf-8")
    found = re.findall(r"^### (\d+)\.[^\n]*\n\n```sql\n(.*?)```", text, re.MULTILINE | re.DOTALL)
    assert text.count("```sql") == len(found) == 10
    return {int(number): query for number, query in found}


@dataclass
class Asked:
    """The fleet, PostgreSQL's present instant and day, and what the page's SQL answered."""

    fleet: Fleet
    now: datetime
    today: date
    answers: dict[int, Answer]

    @property
    def ready(self) -> datetime:
        return floor(self.fleet.as_of - 30 * MINUTE, QUARTER)

    def complete_days(self, days: int) -> set[date]:
        """Complete days from ``days`` before today on."""
        last = self.fleet.day(self.ready) - DAY
        return {self.today - n * DAY for n in range(days + 1) if self.today - n * DAY <= last}


@pytest.fixture
def asked(database_url: str) -> Iterator[Asked]:
    as_of = datetime.now(UTC)
    fleet = small_fleet(5, ZONE, as_of.replace(microsecond=as_of.microsecond // 1000 * 1000), 16)
    store(database_url, fleet)
    run(database_url)
    role = f"analyst_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(database_url) as db:
        name = sql.Identifier(role)
        db.execute(sql.SQL("CREATE ROLE {}").format(name))
        db.commit()
        grant_analytics(database_url, role, with_people=True)
        db.execute(sql.SQL("SET ROLE {}").format(name))
        db.execute(sql.SQL("SET timezone = {}").format(ZONE))
        # now() and current_date are those of the transaction.
        ((now, today),) = db.execute("SELECT now(), current_date").fetchall()
        answers = {n: db.execute(query.encode()).fetchall() for n, query in questions().items()}
        db.rollback()
        yield Asked(fleet, now, today, answers)
        db.execute(sql.SQL("DROP OWNED BY {}").format(name))
        db.execute(sql.SQL("DROP ROLE {}").format(name))


def exact_percentile(durations: list[int], fraction: float) -> int:
    return sorted(durations)[max(1, ceil(fraction * len(durations))) - 1]


def by_screen(
    pairs: list[tuple[Session, Visit]], at: Callable[[Visit], bool]
) -> dict[str, list[tuple[Session, Visit]]]:
    found: defaultdict[str, list[tuple[Session, Visit]]] = defaultdict(list)
    for session, visit in pairs:
        if at(visit):
            found[visit.screen].append((session, visit))
    return found


def test_the_ten_questions_have_the_answers_of_plain_python(asked: Asked) -> None:
    fleet, answers = asked.fleet, asked.answers
    week = asked.complete_days(7)
    visits = fleet.visits()
    viewed = by_screen(visits, lambda v: v.is_view and fleet.day(v.started) in week)
    ended = by_screen(visits, lambda v: fleet.day(v.ended) in week)
    exits = [s for s in fleet.sessions if fleet.day(s.ended) in week]

    # 1
    assert {row[0] for row in answers[1]} == set(ended)
    for screen, views, hours, median, p95, silent in answers[1]:
        dwells = [v.dwell_ms for _, v in ended[screen]]
        assert views == len(viewed[screen])
        assert float(hours) == pytest.approx(sum(dwells) / 3_600_000, abs=0.051)
        error = RELATIVE_ERROR + 0.001
        assert median == pytest.approx(exact_percentile(dwells, 0.5), rel=error)
        assert p95 == pytest.approx(exact_percentile(dwells, 0.95), rel=error)
        silent_ms = sum(v.dwell_ms for s, v in ended[screen] if s.is_silent(v))
        assert float(silent) == pytest.approx(silent_ms / sum(dwells), abs=0.0051)

    # 2
    assert answers[2]
    since = asked.now - DAY
    wanted: defaultdict[datetime, list[Any]] = defaultdict(lambda: [0, [], 0])
    for session, visit in visits:
        if visit.screen == "Checkout":
            wanted[floor(visit.started, HOUR)][0] += visit.is_view
            wanted[floor(visit.ended, HOUR)][1].append(visit.dwell_ms)
            is_exit = visit is session.visits[-1]
            wanted[floor(visit.ended, HOUR)][2] += is_exit
    assert [(hour, views, count, out) for hour, views, count, _, out, _ in answers[2]] == [
        (hour, views, len(dwells), out)
        for hour, (views, dwells, out) in sorted(wanted.items())
        if hour >= since
    ]
    for hour, _, _, mean, _, complete in answers[2]:
        dwells = wanted[hour][1]
        assert mean == (pytest.approx(sum(dwells) / len(dwells)) if dwells else None)
        assert complete == (hour + HOUR <= asked.ready)

    # 3
    yesterday = max(week)
    seen: defaultdict[str, set[str]] = defaultdict(set)
    for session, visit in visits:
        if fleet.day(visit.started) == yesterday:
            seen[visit.screen].add(session.user)
    for screen, users, views, _ in answers[3]:
        assert users == len(seen[screen])
        assert views == sum(fleet.day(v.started) == yesterday for _, v in viewed[screen])
    assert {row[0] for row in answers[3]} >= set(seen)

    # 4
    flows: Counter[str] = Counter()
    begun: Counter[str] = Counter()
    for session in fleet.sessions:
        begun[session.views[0].screen] += fleet.day(session.started) in week
        for view, following in zip(session.views, [*session.views[1:], None], strict=True):
            at = following.started if following else session.ended
            if view.screen == "Cart" and fleet.day(at) in week:
                flows[following.screen if following else "(end)"] += 1
    assert {(to, n) for to, n, _ in answers[4]} == set(flows.items())
    for _, n, share in answers[4]:
        assert float(share) == pytest.approx(int(n) / flows.total(), abs=0.00051)

    # 5
    bounced = Counter(s.views[0].screen for s in exits if len(s.views) == 1)
    assert {row[:3] for row in answers[5]} == {
        (screen, n, bounced[screen]) for screen, n in begun.items() if n
    }
    for _, n, bounces, rate in answers[5]:
        assert float(rate) == pytest.approx(int(bounces) / int(n), abs=0.00051)

    # 6
    left = Counter(s.views[-1].screen for s in exits)
    assert {row[:3] for row in answers[6]} == {
        (screen, len(pairs), left[screen]) for screen, pairs in viewed.items() if len(pairs) >= 20
    }
    rates = [float(row[3]) for row in answers[6]]
    assert rates == sorted(rates, reverse=True)

    # 7
    days: defaultdict[str, set[date]] = defaultdict(set)
    for session, visit in visits:
        days[session.user] |= {fleet.day(visit.started), fleet.day(visit.ended)}

    def active(day: date, length: int) -> int:
        return sum(any(day - length * DAY < d <= day for d in each) for each in days.values())

    fortnight = sorted(asked.complete_days(14))
    assert [row[:6] for row in answers[7]] == [
        (
            *(day, active(day, 1), new := sum(min(each) == day for each in days.values())),
            *(active(day, 1) - new, active(day, 7), active(day, 30)),
        )
        for day in fortnight
    ]
    for day, *_, stickiness in answers[7]:
        assert float(stickiness) == pytest.approx(active(day, 1) / active(day, 30), abs=0.00051)

    # 8
    online = fleet.online()
    peak = max(online.values())
    assert answers[8] == [(min(at for at, users in online.items() if users == peak), peak)]

    # 9
    hours_of_day: defaultdict[int, list[int]] = defaultdict(list)
    for at, users in online.items():
        if floor(at, QUARTER) < asked.ready:
            hours_of_day[at.astimezone(fleet.zone).hour].append(users)
    assert [(hour, peak) for hour, _, peak in answers[9]] == [
        (hour, max(users)) for hour, users in sorted(hours_of_day.items())
    ]
    for hour, mean, _ in answers[9]:
        users = hours_of_day[hour]
        assert float(mean) == pytest.approx(sum(users) / len(users), abs=0.0051)

    # 10
    def since_midnight(back: int) -> datetime:
        midnight = datetime.combine(asked.today - back * DAY, datetime.min.time(), fleet.zone)
        return midnight.astimezone(UTC)

    versions: defaultdict[str | None, list[Session]] = defaultdict(list)
    for session in fleet.sessions:
        if session.shown_until >= since_midnight(7) and not session.silent:
            versions[session.version].append(session)
    assert [row[0] for row in answers[10]] == [*sorted(filter(None, versions)), None]
    for version, sessions, users, median, longest in answers[10]:
        mine = versions[version]
        assert sessions == len(mine)
        assert users == len({s.user for s in mine})
        foreground = [sum(v.dwell_ms for v in s.visits) for s in mine]
        assert median == exact_percentile(foreground, 0.5)
        longest_ms = [max(v.dwell_ms for v in s.visits) for s in mine]
        assert float(longest) == pytest.approx(sum(longest_ms) / len(mine), abs=0.51)


def test_the_page_names_every_view(database_url: str) -> None:
    text = PAGE.read_text("utf-8")
    with psycopg.connect(database_url) as db:
        for (name,) in db.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'analytics'::regnamespace"
        ):
            assert f"| `{name}` |" in text
