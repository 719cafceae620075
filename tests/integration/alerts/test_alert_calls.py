"""Alerts made, tried, shown and ended by the API and by the command."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from typer.testing import CliRunner

from deploy.cli.command import app
from tests.rigs.api_harness import Answer, Api, api_settings, running_api, token
from tests.rigs.database_role import as_role

KEY = "the key under which the tests encrypt secrets"
MANAGER = token("admin", scope="presence:manage")
URL = "https://crm.example.com/rollcall"
SLACK = "https://hooks.slack.example.com/services/T0/B0/sesame"
RULE = {"name": "Few people", "of": "online", "is": "below", "value": 10, "for_minutes": 3}
#: Log time: what the wall clock says is no matter.
NOW = datetime(2026, 3, 30, 12, 0, 30, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture
async def api(database_url: str) -> AsyncIterator[Api]:
    async with running_api(api_settings(database_url, encryption_key=KEY)) as api:
        yield api


def history(database_url: str, low: tuple[int, ...]) -> None:
    """Two partitions, a sample of 20 users each minute of 200; of 2 in the minutes before NOW that
    are given."""
    with psycopg.connect(database_url) as db:
        db.execute(
            "INSERT INTO deployment (topic, topic_id, partitions) "
            "VALUES ('t', gen_random_uuid(), 2)"
        )
        for partition in (0, 1):
            db.execute(
                'INSERT INTO stream_offsets ("partition", next_offset, log_time, '
                "published_through) VALUES (%s, 9, %s, 9)",
                (partition, NOW + partition * MINUTE),
            )
            for minute in range(200):
                at = NOW.replace(second=0) - minute * MINUTE
                online = 1 if minute in low else 10
                db.execute(
                    'INSERT INTO concurrency_samples (at, "partition", foreground, background) '
                    "VALUES (%s, %s, %s, 0)",
                    (at, partition, online),
                )


async def call(api: Api, path: str, method: str = "GET", body: Any = None) -> Answer:
    data = b"" if body is None else json.dumps(body).encode()
    return await api.call(f"/api/v1/alerts{path}", method, bearer=MANAGER, data=data)


async def test_an_alert_is_made_shown_and_deleted(api: Api, database_url: str) -> None:
    made = await call(api, "", "POST", {"rule": RULE, "url": URL})
    assert made.status == 201, made.body
    told = json.loads(made.body)
    assert told["secret"].startswith("whsec_")
    slack = json.loads(
        (await call(api, "", "POST", {"rule": RULE, "target": "slack", "url": SLACK})).body
    )
    assert slack["secret"] is None
    with psycopg.connect(database_url) as db:
        stored = b"".join(row[0] for row in db.execute("SELECT secret FROM alerts").fetchall())
    assert told["secret"].encode() not in stored
    assert b"sesame" not in stored
    listed = await call(api, "")
    [shown, other] = json.loads(listed.body)["items"]
    assert (shown["id"], shown["firing_since"], shown["created_by"]) == (told["id"], None, "admin")
    assert RULE.items() <= shown["rule"].items()
    assert (other["target"], other["address"]) == ("slack", "https://hooks.slack.example.com/…")
    assert b"whsec_" not in listed.body
    assert b"sesame" not in listed.body
    one = f"/{told['id']}"
    turned = json.loads((await call(api, f"{one}/rotate", "POST", {"overlap_hours": 2})).body)
    assert turned["secret"] not in (None, told["secret"])
    again = json.loads((await call(api, "")).body)["items"][0]
    assert again["previous_secret_until"] == turned["previous_until"]
    assert (await call(api, f"{one}/rotate", "POST")).status == 200
    assert (await call(api, f"{one}/rotate", "POST", {"overlap_hours": 169})).status == 422
    # Slack's has none that signs.
    assert (await call(api, f"/{slack['id']}/rotate", "POST")).status == 404
    assert (await call(api, f"/{told['id']}", "DELETE")).status == 204
    assert (await call(api, f"/{told['id']}", "DELETE")).status == 404
    assert (await call(api, "/nothing", "DELETE")).status == 404
    assert (await call(api, "", "PUT")).status == 405


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"url": URL}, "rule"),
        ({"rule": {**RULE, "of": "users"}, "url": URL}, "rule.of"),
        ({"rule": RULE}, "url"),
        ({"rule": RULE, "url": "https://10.0.0.1/"}, "url"),
        ({"rule": RULE, "url": URL, "target": "pager"}, "target"),
        ({"rule": RULE, "url": URL, "secret": "mine"}, "secret"),
        ({"rule": RULE, "url": URL, "email": "ops@example.com"}, "email"),
        ({"rule": RULE, "target": "email", "url": URL}, "url"),
        ({"rule": RULE, "target": "email", "email": "ops"}, "email"),
        # Without ROLLCALL_SMTP_HOST.
        ({"rule": RULE, "target": "email", "email": "ops@example.com"}, "email"),
    ],
)
async def test_what_cannot_be_names_its_field(
    shared_database_url: str, body: Any, field: str
) -> None:
    async with running_api(api_settings(shared_database_url, encryption_key=KEY)) as api:
        answer = await call(api, "", "POST", body)
    assert answer.status == 422
    assert json.loads(answer.body)["errors"][0]["field"] == field


async def test_a_rule_is_tried_on_the_last_week(api: Api, database_url: str) -> None:
    nothing = await call(api, "/try", "POST", {"rule": RULE})
    assert nothing.status == 503
    await asyncio.to_thread(history, database_url, (150, 100, 99, 98, 97, 40, 39, 38))
    found = json.loads((await call(api, "/try", "POST", {"rule": RULE})).body)
    assert (found["fired"], found["notices"], found["still_firing"]) == (2, 4, False)
    assert found["fired_at"] == ["2026-03-30T10:22:00.000Z", "2026-03-30T11:22:00.000Z"]
    assert found["to"] == "2026-03-30T12:00:00.000Z"
    assert found["known_percent"] == round(100 * 200 / 10_080, 1)
    # Nothing is lower in an outage of ours.
    with psycopg.connect(database_url) as db:
        db.execute(
            'INSERT INTO outages ("partition", kind, started_at, ended_at) '
            "VALUES (0, 'jump', %s, %s)",
            (NOW - 102 * MINUTE, NOW - 90 * MINUTE),
        )
    found = json.loads((await call(api, "/try", "POST", {"rule": RULE})).body)
    assert found["fired_at"] == ["2026-03-30T11:22:00.000Z"]
    # Nothing else than what it says is made.
    assert json.loads((await call(api, "")).body) == {"items": []}
    environment = {"ROLLCALL_DATABASE_URL": database_url, "ROLLCALL_ENCRYPTION_KEY": KEY}
    arguments = ["alerts", "try", "--below", "10", "--for-minutes", "3"]
    tried = await asyncio.to_thread(CliRunner().invoke, app, arguments, env=environment)
    assert "would have fired once" in tried.output, tried.output
    assert "2026-03-30T11:22:00Z" in tried.output


async def test_every_measure_can_be_tried(api: Api, database_url: str) -> None:
    await asyncio.to_thread(history, database_url, ())
    quarter = NOW.replace(minute=0, second=0) - timedelta(hours=1)
    with psycopg.connect(database_url) as db:
        for start, end, many in (("(start)", "Home", 8), ("Home", "(end)", 5), ("A", "B", 9)):
            db.execute(
                'INSERT INTO screen_transitions (quarter, "partition", from_screen, to_screen, '
                "transitions) VALUES (%s, 1, %s, %s, %s)",
                (quarter, start, end, many),
            )
        for n in range(4):
            db.execute(
                'INSERT INTO sessions (shown_until, "partition", log_offset, event_index, ordinal, '
                "user_id, device, started_at, ended_at, ended_by, views, visits, foreground_ms, "
                "app_version) VALUES (%s, 0, %s, 0, 0, 'ada', 'd', %s, %s, 'logged_out', 1, 1, 1, "
                "%s)",
                (quarter + MINUTE, n, quarter, quarter + MINUTE, "2.0" if n else None),
            )
        db.execute(
            'INSERT INTO screen_samples (at, "partition", screen, foreground) '
            "VALUES (%s, 0, 'Cart', 7)",
            (quarter,),
        )
    one = {"name": "n", "is": "above", "for_minutes": 1}
    for rule, limit, fires in (
        ({"of": "arrivals"}, 7, True),
        ({"of": "arrivals"}, 8, False),
        ({"of": "arrivals", "screen": "Home"}, 7, True),
        ({"of": "exits", "screen": "Home"}, 4, True),
        ({"of": "exits", "screen": "Home"}, 5, False),
        ({"of": "exits", "screen": "Cart"}, 0, False),
        ({"of": "version_share", "app_version": "2.0"}, 74, True),
        ({"of": "version_share", "app_version": "2.0"}, 75, False),
        ({"of": "screen", "screen": "Cart"}, 6, True),
        ({"of": "screen", "screen": "Cart"}, 7, False),
        ({"of": "online", "than": "band", "days": 3}, 1, False),  # of no day before
        ({"of": "online", "than": "peak"}, None, False),  # there is no day of history
    ):
        said = {**one, **rule, **({} if limit is None else {"value": limit})}
        answer = await call(api, "/try", "POST", {"rule": said})
        assert answer.status == 200, answer.body
        found = json.loads(answer.body)
        assert bool(found["fired"]) is fires, (said, found)


async def test_the_command_makes_lists_and_ends_alerts(database_url: str) -> None:
    environment = {"ROLLCALL_DATABASE_URL": database_url, "ROLLCALL_ENCRYPTION_KEY": KEY}

    async def run(*arguments: str) -> Any:
        given = ["alerts", *arguments]
        return await asyncio.to_thread(CliRunner().invoke, app, given, env=environment)

    made = await run("create", "--peak", "--slack", SLACK)
    assert made.exit_code == 0, made.output
    alert = made.output.split()[-1]
    listed = (await run("list")).output
    assert "New all-time peak" in listed
    assert "sesame" not in listed
    signed = await run("create", "--below", "5", "--url", URL, "--quiet", "22:00-07:00")
    assert "whsec_" in signed.output
    assert (await run("delete", alert)).exit_code == 0
    turned = await run("rotate", next(w for w in signed.output.split() if w.startswith("al_")))
    assert turned.output.startswith("whsec_"), turned.output
    assert "there is no alert" in (await run("rotate", alert)).output
    mailed = ("create", "--below", "5", "--email", "ops@example.com")
    environment["ROLLCALL_SMTP_HOST"] = "mail.example.com"
    assert (await run(*mailed)).exit_code == 0
    assert "email ops@example.com" in " ".join((await run("list")).output.split())
    del environment["ROLLCALL_SMTP_HOST"]
    for wrong, said in (
        (mailed, "needs ROLLCALL_SMTP_HOST"),
        (("create", "--below", "5", "--email", "ops"), "--email must be one address"),
        (("create", "--below", "5"), "--url"),
        (("create", "--url", URL), "--above"),
        (("create", "--below", "5", "--url", "http://x/"), "--url"),
        (("create", "--below", "5", "--url", URL, "--quiet", "22-7"), "quiet_hours.from"),
        (("try", "--below", "5"), "Nothing can be tried yet"),
        (("delete", alert), "there is no alert"),
    ):
        refused = await run(*wrong)
        assert refused.exit_code == 2, (wrong, refused.output)
        assert said in refused.output


async def test_an_api_with_a_role_of_its_own_may_do_all_this(
    role: str,
    database_url: str,
) -> None:
    environment = {"ROLLCALL_DATABASE_URL": database_url}
    done = await asyncio.to_thread(
        CliRunner().invoke, app, ["migrate", "--api-role", role], env=environment
    )
    assert done.exit_code == 0, done.output
    await asyncio.to_thread(history, database_url, (50, 49, 48))
    settings = api_settings(as_role(database_url, role), encryption_key=KEY)
    async with running_api(settings) as api:
        made = await call(api, "", "POST", {"rule": RULE, "url": URL})
        assert made.status == 201, made.body
        tried = json.loads((await call(api, "/try", "POST", {"rule": RULE})).body)
        assert tried["fired"] == 1
        assert len(json.loads((await call(api, "")).body)["items"]) == 1
        one = f"/{json.loads(made.body)['id']}"
        assert (await call(api, f"{one}/rotate", "POST")).status == 200
        assert (await call(api, one, "DELETE")).status == 204
