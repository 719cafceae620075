"""docs/api.md: every example has exactly the fields of a real answer."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import pytest_asyncio
from psycopg.types.json import Jsonb

from tests.integration.analytics.analytics_rows import AnalyticsTable, ScreenMinute, write_screens
from tests.rigs.api_harness import Api, api_settings, running_api, token

PAGE = (Path(__file__).parents[3] / "docs/api.md").read_text("utf-8")
#: Method, path, the body where the page shows one, and the answer.
EXAMPLES = re.findall(
    r"```http\n(\w+) (\S+)\n(?:\n(.*?)\n)?```\n+```json\n(.*?)```", PAGE, re.DOTALL
)
SCOPES = "presence:read presence:export presence:audit"
NOON = datetime(2026, 3, 30, 12, tzinfo=UTC)
ELEVEN = NOON - timedelta(hours=1)


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def api(shared_database_url: str) -> AsyncIterator[Api]:
    table = AnalyticsTable(shared_database_url)
    table.log_time(NOON)
    fill(table)
    table.close()
    async with running_api(api_settings(shared_database_url)) as running:
        yield running


def fill(table: AnalyticsTable) -> None:
    """Something for every part of every answer."""
    ids = {"partition": 0, "log_offset": 1, "event_index": 0, "ordinal": 0, "user_id": "ada"}
    about = {"app_version": "1.10.0", "device_info": "Pixel 9", "platform": "android"}
    for user in ("ada", "ben"):
        table.user(
            user,
            name="Ada",
            screen="Cart",
            changed_at=ELEVEN,
            online_since=ELEVEN,
            device="phone-1",
            last_active=ELEVEN,
            stay=Jsonb({"since_ms": round(ELEVEN.timestamp() * 1000)}),
            **about,
        )
    times = {"shown_until": ELEVEN, "started_at": ELEVEN, "ended_at": ELEVEN}
    span = {"state": "foreground", "changed_at": ELEVEN, "is_view": True, "screen": "Home"}
    since = {"session_start": ELEVEN, "online_since": ELEVEN}
    table.insert(
        "spans", [{**ids, **times, **span, **since, "device": "d", "ended_by": "navigated"}]
    )
    # A session that got from Cart to Checkout, of a user who was new that week.
    half_past_nine = ELEVEN - timedelta(minutes=90)
    way = {**ids, **span, **since, **dict.fromkeys(times, half_past_nine), "user_id": "cy"}
    table.insert(
        "spans",
        [
            {**way, "device": "d", "ended_by": "navigated", "screen": screen, "event_index": n}
            for n, screen in enumerate(("Cart", "Checkout"))
        ],
    )
    table.insert(
        "user_days",
        [{"day": date(2026, 3, 30), "user_id": "cy", "partition": 0, "is_new": True}],
    )
    counts = {"views": 1, "visits": 1, "foreground_ms": 1}
    table.insert("sessions", [{**ids, **times, **counts, "device": "d", "ended_by": "timed_out"}])
    states = {"previous_state": "offline", "state": "foreground", "user_state": "foreground"}
    table.insert("changes", [{**ids, **states, "at": ELEVEN, "device": "d", "reason": "started"}])
    # Ben began on the phone that Ada is on, too.
    began = {**states, "at": ELEVEN, "device": "phone-1", "reason": "started"}
    table.insert("changes", [{**ids, **began, "user_id": "ben", "log_offset": 2}])
    windows = [
        ScreenMinute(
            datetime(2026, 3, 30, 9, 30, tzinfo=UTC), 0, screen, 1, (900,), 0, 1, 1, frozenset("a")
        )
        for screen in ("Home", "Cart")
    ]
    through = datetime(2026, 3, 30, 11, tzinfo=UTC)
    days = datetime(2026, 3, 29, 22, tzinfo=UTC)
    berlin = ZoneInfo("Europe/Berlin")
    write_screens(table, windows, quarters=through, hours=through, days=days, zone=berlin)
    quarter = windows[0].minute
    table.insert(
        "transition_quarters",
        (
            {"quarter": quarter, "from_screen": source, "to_screen": target, "transitions": 1}
            for source, target in (("Home", "Cart"), ("Cart", "(end)"))
        ),
    )
    table.insert(
        "concurrency_samples",
        (
            {"at": at, "partition": partition, "foreground": 3, "background": 1}
            for partition in range(2)
            for at in (ELEVEN, ELEVEN + timedelta(minutes=1))
        ),
    )
    table.insert(
        "outages",
        [{"partition": 0, "kind": "jump", "started_at": ELEVEN, "ended_at": NOON}],
    )
    table.insert(
        "active_user_days",
        [
            {
                "day": date(2026, 3, 29),
                "active": 9,
                "new": 1,
                "weekly_active": 20,
                "monthly_active": 40,
            }
        ],
    )

    table.run(
        "INSERT INTO audience_exports (id, who, format, filter) VALUES (gen_random_uuid(), "
        "'marketing', 'csv', '{\"online\": true, \"exclude_user_ids\": {\"count\": 3}}')"
    )
    [shared] = re.findall(r"/api/v1/shared/([\w-]{43})", PAGE)
    table.run(
        "INSERT INTO share_links (id, token_hash, name, created_by, expires_at) VALUES "
        f"('sl_0123456789abcdef', sha256('{shared}'), 'Lobby', 'ada', now() + interval '1 h')"
    )
    table.run(
        "INSERT INTO reads_audit VALUES ('2026-03-30T12:00:00Z', 'token', 'support', 'user', "
        "sha256('a user'), 2, 2)"
    )


def shape(value: Any) -> Any:
    """Keys all the way down; of a list all the shapes that its items have."""
    if isinstance(value, dict):
        return {name: shape(each) for name, each in value.items()}
    if isinstance(value, list):
        shapes = {json.dumps(shape(item), sort_keys=True) for item in value}
        assert shapes, "an empty list shows nothing"
        return sorted(shapes)
    return "scalar"


@pytest.mark.parametrize(
    ("method", "path", "given", "example"), EXAMPLES, ids=[e[1] for e in EXAMPLES]
)
async def test_an_example_has_the_fields_of_the_answer(
    api: Api, method: str, path: str, given: str, example: str
) -> None:
    lookup = {"user_ids": ["ada", "bob"]} if method == "POST" else None
    body = json.loads(given) if given else lookup
    answer = await api.call(path, method, json=body, bearer=token(scope=SCOPES))
    assert answer.status == 200, answer.body
    assert shape(answer.json) == shape(json.loads(example))
    assert list(answer.json) == list(json.loads(example))
