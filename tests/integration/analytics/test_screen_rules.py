"""What rules would make of names that have arrived: `rollcall screens preview` and the API."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from deploy.cli.command import app
from schemas.log.screen_rules import READY_RULES, parse_screen_rules
from tests.integration.analytics.analytics_rows import AnalyticsTable
from tests.rigs.api_harness import api_settings, running_api

NOW = datetime(2026, 10, 28, 12, tzinfo=UTC)
RULES = "digits\nChat with {name}\n"
CALL = "/api/v1/screen-rules"


@pytest.fixture
def table(shared_database_url: str) -> Iterator[AnalyticsTable]:
    opened = AnalyticsTable(shared_database_url)
    opened.clear()
    opened.run("DELETE FROM spans")
    opened.log_time(NOW)
    yield opened
    opened.close()


def span(number: int, user: str, screen: str | None, **values: Any) -> dict[str, Any]:
    """A visit that was over ``number`` seconds before now."""
    over = NOW - timedelta(seconds=number)
    return {
        "shown_until": over,
        "partition": 0,
        "log_offset": number,
        "event_index": 0,
        "ordinal": 0,
        "user_id": user,
        "device": "phone",
        "state": "foreground",
        "screen": screen,
        "started_at": over,
        "changed_at": over,
        "ended_at": over,
        "ended_by": "navigated",
        "is_view": True,
        "session_start": over,
        "online_since": over,
        **values,
    }


def visits() -> list[tuple[str, str]]:
    rng = random.Random(17)
    names = ["Home", "/product/{id}", *(f"/product/{n}" for n in range(40))]
    names += [f"Chat with {name}" for name in ("Bob", "Ann Smith", "Łukasz/2")]
    return [(f"u{rng.randrange(25)}", rng.choice(names)) for _ in range(300)]


def store(table: AnalyticsTable, seen: list[tuple[str, str]]) -> None:
    table.insert("spans", [span(n, *visit) for n, visit in enumerate(seen)])


def recounted(seen: list[tuple[str, str]], rules: str) -> dict[str, tuple[int, int, int]]:
    """Names, visits and users of each screen as it would be, one visit at a time."""
    fold = parse_screen_rules(rules).folder()
    names, users = defaultdict(set), defaultdict(set)
    count: Counter[str] = Counter()
    for user, name in seen:
        screen = fold(name)
        count[screen] += 1
        names[screen].add(name)
        users[screen].add(user)
    return {each: (len(names[each]), count[each], len(users[each])) for each in count}


def preview(database_url: str, *options: str, **environment: str) -> Result:
    return CliRunner().invoke(
        app,
        ["screens", "preview", *options],
        env={"ROLLCALL_DATABASE_URL": database_url, **environment},
    )


def lines_of(told: str) -> list[list[str]]:
    rows = (line.split("  ") for line in told.split("\n"))
    return [[cell.strip() for cell in row if cell.strip()] for row in rows]


def test_the_command_shows_what_each_name_would_become_and_which_stay(
    table: AnalyticsTable, shared_database_url: str, tmp_path: Path
) -> None:
    seen = visits()
    store(table, seen)
    table.insert(
        "spans",
        [
            span(900, "u1", "/hidden/1", state="background"),
            span(901, "u1", None),
        ],
    )
    rules = tmp_path / "rules"
    rules.write_text(RULES)
    done = preview(shared_database_url, "--rules", str(rules))
    assert done.exit_code == 0, done.output
    told = lines_of(done.output)
    assert told[0] == ["rules: digits, Chat with {name}"]
    names = len({name for _, name in seen})
    assert told[1] == [f"300 visits to {names} names since 2026-10-28T11:55:01Z"]
    expected = recounted(seen, RULES)
    rows = {line[0]: line for line in told if len(line) > 2}
    for screen in ("/product/{id}", "Chat with {name}"):
        assert rows[screen][1:4] == [str(number) for number in expected[screen]], screen
    assert rows["Home"][1:] == [str(number) for number in expected["Home"][1:]]
    assert "hidden" not in done.output
    # As ingest is given them.
    assert preview(shared_database_url, ROLLCALL_SCREEN_RULES=str(rules)).output == done.output


def test_without_a_file_the_ready_rules_are_shown(
    table: AnalyticsTable, shared_database_url: str
) -> None:
    done = preview(shared_database_url)
    assert lines_of(done.output)[:2] == [
        [f"rules: {', '.join(READY_RULES.lines)}"],
        ["no visit to a screen with a name is over yet"],
    ]
    store(table, visits())
    assert "10 visits to" in preview(shared_database_url, "--visits", "10").output
    assert "… 2 more: --limit 3" in preview(shared_database_url, "--limit", "1").output


def test_a_wrong_file_is_one_line_with_the_remedy(shared_database_url: str, tmp_path: Path) -> None:
    rules = tmp_path / "rules"
    rules.write_text("digits\n/product/id\n")
    done = preview(shared_database_url, "--rules", str(rules))
    assert done.exit_code == 2
    assert done.stdout == ""
    assert f"--rules {rules}: line 2: /product/id: " in done.stderr
    assert "such as /product/{id}" in done.stderr


async def test_the_api_shows_the_rules_in_force_else_the_ready_ones(
    table: AnalyticsTable, shared_database_url: str, tmp_path: Path
) -> None:
    seen = visits()
    store(table, seen)
    path = tmp_path / "rules"
    path.write_text(RULES)
    async with running_api(api_settings(shared_database_url, screen_rules=path)) as api:
        told = (await api.call(CALL)).json
        assert (await api.call(CALL, bearer=None)).status == 401
        few = (await api.get(CALL, limit="1")).json
    assert told["in_force"] is True
    assert told["rules"] == ["digits", "Chat with {name}"]
    assert told["since"] == "2026-10-28T11:55:01.000Z"
    assert told["visits"] == 300
    expected = recounted(seen, RULES)
    assert {e["screen"]: (e["names"], e["visits"], e["users"]) for e in told["items"]} == expected
    assert [e["screen"] for e in told["items"]] == ["/product/{id}", "Chat with {name}", "Home"]
    assert [e["folded"] for e in told["items"]] == [True, True, False]
    assert told["items"][2]["examples"] == ["Home"]
    assert told["folded_names"] == expected["/product/{id}"][0] + expected["Chat with {name}"][0]
    assert told["screens"] == 3
    assert few["items"] == told["items"][:1]
    async with running_api(api_settings(shared_database_url)) as api:
        told = (await api.call(CALL)).json
    assert told["in_force"] is False
    assert told["rules"] == READY_RULES.lines
