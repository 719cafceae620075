"""Webhooks made, shown and ended by the API and by the command."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
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


@pytest.fixture
async def api(shared_database_url: str) -> AsyncIterator[Api]:
    async with running_api(api_settings(shared_database_url, encryption_key=KEY)) as api:
        yield api


async def call(api: Api, path: str, method: str = "GET", body: Any = None) -> Answer:
    data = b"" if body is None else json.dumps(body).encode()
    return await api.call(f"/api/v1/webhooks{path}", method, bearer=MANAGER, data=data)


async def test_a_webhook_is_made_shown_rotated_and_deleted(
    api: Api, shared_database_url: str
) -> None:
    wanted = {"url": URL, "filter": {"of": "user", "states": ["offline"]}}
    made = await call(api, "", "POST", wanted)
    assert made.status == 201
    told = json.loads(made.body)
    assert told["secret"].startswith("whsec_")
    assert told["filter"] == wanted["filter"]
    with psycopg.connect(shared_database_url) as db:
        [(stored,)] = db.execute("SELECT secret FROM webhooks").fetchall()
    assert told["secret"].encode() not in stored
    listed = await call(api, "")
    [shown] = json.loads(listed.body)["items"]
    assert (shown["id"], shown["state"], shown["created_by"]) == (told["id"], "active", "admin")
    assert b"whsec_" not in listed.body
    one = f"/{told['id']}"
    rotated = json.loads((await call(api, f"{one}/rotate", "POST", {"overlap_hours": 2})).body)
    assert rotated["secret"] != told["secret"]
    assert (await call(api, f"{one}/rotate", "POST")).status == 200
    assert json.loads((await call(api, f"{one}/dead-letters")).body) == {"items": []}
    replayed = await call(api, f"{one}/replay", "POST")
    assert (replayed.status, json.loads(replayed.body)) == (202, {"dead_letters": 0})
    assert (await call(api, f"{one}/enable", "POST")).status == 204
    assert (await call(api, one, "DELETE")).status == 204
    for path, method in (
        *(("", "DELETE"), ("/rotate", "POST"), ("/replay", "POST")),
        *(("/enable", "POST"), ("/dead-letters", "GET")),
    ):
        assert (await call(api, one + path, method)).status == 404
        assert (await call(api, "/nothing" + path, method)).status == 404
    assert (await call(api, one, "PUT")).status == 405


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "url"),
        ({"url": "http://crm.example.com/"}, "url"),
        ({"url": "https://10.0.0.1/"}, "url"),
        ({"url": URL, "filter": {"states": ["asleep"]}}, "filter.states[0]"),
        ({"url": URL, "filter": None}, "filter"),
        ({"url": URL, "filter": {"timer": {"while": "offline"}}}, "filter.timer.seconds"),
        ({"url": URL, "secret": "mine"}, "secret"),
    ],
)
async def test_what_cannot_be_names_its_field(api: Api, body: Any, field: str) -> None:
    answer = await call(api, "", "POST", body)
    assert answer.status == 422
    assert json.loads(answer.body)["errors"][0]["field"] == field


async def test_the_scope_the_key_and_our_own_page_are_needed(
    api: Api, shared_database_url: str
) -> None:
    reader = token("reader", scope="presence:read presence:export")
    assert (await api.call("/api/v1/webhooks", bearer=reader)).status == 403
    async with running_api(api_settings(shared_database_url)) as without:
        answer = await call(without, "", "POST", {"url": URL})
        assert answer.status == 503
        assert b"ROLLCALL_ENCRYPTION_KEY" in answer.body
        assert (await call(without, "")).status == 200


async def test_an_api_with_a_role_of_its_own_may_do_all_this(
    shared_database_url: str,
    role: str,
    database_url: str,
) -> None:
    environment = {"ROLLCALL_DATABASE_URL": database_url}
    done = await asyncio.to_thread(
        CliRunner().invoke, app, ["migrate", "--api-role", role], env=environment
    )
    assert done.exit_code == 0, done.output
    with psycopg.connect(database_url, autocommit=True) as db:
        settings = api_settings(as_role(database_url, role), encryption_key=KEY)
        async with running_api(settings) as api:
            made = json.loads((await call(api, "", "POST", {"url": URL})).body)
            db.execute(
                'INSERT INTO webhook_dead_letters (webhook, "partition", from_offset, '
                "next_offset, changes, why) VALUES (%s, 0, 5, 9, 2, 'retries')",
                (made["id"],),
            )
            one = f"/{made['id']}"
            assert len(json.loads((await call(api, f"{one}/dead-letters")).body)["items"]) == 1
            replayed = await call(api, f"{one}/replay", "POST")
            assert json.loads(replayed.body) == {"dead_letters": 1}, replayed.body
            assert (await call(api, f"{one}/rotate", "POST")).status == 200
            assert (await call(api, one, "DELETE")).status == 204


def test_the_command_does_the_same(database_url: str) -> None:
    environment = {"ROLLCALL_DATABASE_URL": database_url, "ROLLCALL_ENCRYPTION_KEY": KEY}

    def run(*arguments: str) -> Any:
        return CliRunner().invoke(app, ["webhooks", *arguments], env=environment)

    made = run("create", "--url", URL, "--state", "offline", "--of", "user")
    assert made.exit_code == 0, made.output
    webhook, secret = made.stdout.split()
    shown = run("list").stdout
    assert all(part in shown for part in (webhook, URL, "active", "offline"))
    assert secret not in shown
    assert run("rotate", webhook).stdout.startswith("whsec_")
    assert run("replay", webhook).stdout == "no dead letters to replay\n"
    assert run("replay", webhook, "--show").stdout == ""
    assert run("delete", webhook).stdout == f"deleted {webhook}\n"
    gone = run("delete", webhook)
    assert (gone.exit_code, gone.stderr) == (
        2,
        f"rollcall: there is no webhook {webhook}: rollcall webhooks list has all\n",
    )
    refused = run("create", "--url", "http://crm.example.com/")
    assert refused.exit_code == 2
    assert "ROLLCALL_PLAIN_HTTP_HOSTS" in refused.stderr
    run("create", "--url", URL, "--offline-for", "10m")
    run("create", "--url", URL, "--on-screen", "Checkout", "--for", "300s")
    shown = run("list").stdout
    assert '{"timer": {"while": "offline", "seconds": 600}}' in shown
    run("create", "--url", URL, "--offline-for", "1m", "--platform", "ios", "--version", ">=1.10")
    of_app = '"platform": "ios", "app_version": {"op": ">=", "version": "1.10"}}}'
    assert of_app in run("list").stdout
    assert '{"timer": {"while": "on_screen", "screen": "Checkout", "seconds": 300}}' in shown
    for options, problem in (
        (["--offline-for", "10"], "--offline-for 10: write 30s, 10m or 2h"),
        (["--offline-for", "25h"], "up to 24h"),
        (["--offline-for", "1m", "--for", "1m"], "leave out --on-screen and --for"),
        (["--on-screen", "Cart"], "--on-screen and --for go together"),
        (["--offline-for", "1m", "--state", "offline"], "--offline-for stands alone"),
        (["--platform", "ios"], "go with --offline-for or --on-screen"),
        (["--offline-for", "1m", "--version", ">="], "--version is empty"),
        (["--on-screen", "", "--for", "1m"], "--on-screen is empty: it must have 1 to 128"),
    ):
        refused = run("create", "--url", URL, *options)
        assert (refused.exit_code, problem in refused.stderr) == (2, True), refused.stderr
    refused = run("create", "--url", URL, "--state", "asleep")
    assert refused.stderr == "rollcall: --state must be foreground or background or offline\n"
