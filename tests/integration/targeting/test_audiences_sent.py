"""Audiences sent by notify as a process, to receivers that misbehave, through kills."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from typer.testing import CliRunner

from deploy.cli.command import app
from schemas.log.settings import KafkaSettings
from schemas.service.user_hash import UserHash
from tests.integration.notify.test_deliveries import KEY, Notify, asked, make
from tests.rigs.api_harness import Api, Table, api_settings, running_api, token
from tests.rigs.database_role import as_role
from tests.rigs.onesignal import API_KEY, APP_ID, OneSignal, running_onesignal
from tests.rigs.webhook_receiver import HANG, Hook, Receiver, running_receiver

PATH = "/api/v1/audiences/deliveries"
EXPORTER = token("marketing", scope="presence:export")
USERS = [f"member-{n:02}" for n in range(24)]
PUSH = {"title": "Your cart", "text": "It waits for you"}


@pytest.fixture
def notify(kafka_settings: KafkaSettings, database_url: str, tmp_path: Path) -> Iterator[Notify]:
    process = Notify(kafka_settings, database_url, tmp_path)
    yield process
    process.kill()


@pytest.fixture
def limited(
    kafka_settings: KafkaSettings,
    database_url: str,
    role: str,
    tmp_path: Path,
) -> Iterator[Notify]:
    """With a role of its own."""
    migrated = CliRunner().invoke(
        app, ["migrate", "--notify-role", role], env={"ROLLCALL_DATABASE_URL": database_url}
    )
    assert migrated.exit_code == 0, migrated.output
    process = Notify(kafka_settings, as_role(database_url, role), tmp_path)
    yield process
    process.kill()


@pytest.fixture
def another(kafka_settings: KafkaSettings, database_url: str, tmp_path: Path) -> Iterator[Notify]:
    (tmp_path / "another").mkdir()
    process = Notify(kafka_settings, database_url, tmp_path / "another")
    yield process
    process.kill()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with running_receiver() as running:
        yield running


@pytest.fixture
async def onesignal() -> AsyncIterator[OneSignal]:
    async with running_onesignal() as running:
        yield running


@pytest.fixture
async def api(database_url: str) -> AsyncIterator[Api]:
    table = Table(database_url)
    table.deployment(1)
    table.offsets(0)
    for user in USERS:
        table.user(user, platform="ios")
    table.user("somebody else", platform="android")
    table.close()
    settings = api_settings(database_url, encryption_key=KEY, onesignal_app_id=APP_ID)
    async with running_api(settings) as running:
        yield running


def told_to(onesignal: OneSignal) -> dict[str, str]:
    return {
        "ONESIGNAL_APP_ID": APP_ID,
        "ONESIGNAL_API_KEY": API_KEY,
        "ONESIGNAL_URL": onesignal.url,
        "ONESIGNAL_CALLS_PER_SECOND": "100",
    }


async def send(api: Api, to: str, status: int = 202, **wish: Any) -> dict[str, Any]:
    said = {"filter": {"platform": "ios"}, "to": to, "name": "Carts", "push": PUSH, **wish}
    answer = await api.call(PATH, "POST", bearer=EXPORTER, data=json.dumps(said).encode())
    assert answer.status == status, answer.body
    return dict(answer.json)


async def shown(api: Api, delivery: str) -> dict[str, Any]:
    return dict((await api.call(f"{PATH}/{delivery}", bearer=EXPORTER)).json)


async def ended(api: Api, delivery: str) -> dict[str, Any]:
    async def has_ended() -> bool:
        return (await shown(api, delivery))["ended_at"] is not None

    await until(has_ended)
    return await shown(api, delivery)


def pages(hook: Hook) -> dict[str, list[str]]:
    """By message id, repeats left out as a receiver does."""
    return {message_id: json.loads(body)["data"]["user_ids"] for message_id, body in hook.accepted}


def members(hook: Hook) -> list[str]:
    return sorted(user for page in pages(hook).values() for user in page)


def opt_out(database_url: str, user: str) -> None:
    """As the processor stores it."""
    key = UserHash(os.environ["ROLLCALL_USER_HASH_KEY"])
    with psycopg.connect(database_url) as db:
        db.execute(
            "INSERT INTO user_hash_key (fingerprint) VALUES (%s) ON CONFLICT DO NOTHING",
            (key.fingerprint,),
        )
        db.execute(
            'INSERT INTO privacy_flags (user_hash, "partition", opted_out, log_offset, at) '
            "VALUES (%s, 0, true, 1, now())",
            (key(user),),
        )


def ask_for_erasure(database_url: str, user: str) -> None:
    """As the API writes it, before the processor has done it."""
    key = UserHash(os.environ["ROLLCALL_USER_HASH_KEY"])
    with psycopg.connect(database_url) as db:
        db.execute(
            'INSERT INTO erasures (erasure_id, user_hash, kind, "partition") '
            "VALUES (%s, %s, 'erased', 0)",
            (user, key(user)),
        )


async def test_a_webhook_gets_each_member_through_failures_kills_and_two_processes(
    notify: Notify, another: Notify, receiver: Receiver, api: Api, database_url: str
) -> None:
    hook = Hook(answers=lambda before: (500, HANG, 429, 204)[min(before, 3)])
    webhook = make(database_url, receiver, "crm", hook, {"of": "audience"})
    made = await send(api, webhook, users_per_call=5, calls_per_second=50)
    assert (made["state"], made["users"], made["sent"]) == ("running", 24, 0)
    notify.start()
    another.start()
    await until(lambda: _true(len(hook.attempts) >= 2))
    # Whichever of them is at it.
    notify.kill()
    another.kill()
    first = hook.attempts[0]
    assert hook.accepted == []
    # One on the page that was tried opts out, and one on a later page asks to be erased.
    tried = json.loads(first[2])["data"]["user_ids"]
    late = sorted(set(USERS) - set(tried))
    await asyncio.to_thread(opt_out, database_url, tried[0])
    await asyncio.to_thread(ask_for_erasure, database_url, late[-1])
    notify.start()
    another.start()
    done = await ended(api, made["id"])
    assert (done["state"], done["sent"], done["left_out"]) == ("completed", 22, 2)
    assert members(hook) == sorted(set(USERS) - {tried[0], late[-1]})
    # The same id and bytes, but for whoever has opted out since.
    assert hook.accepted[0][0] == first[0]
    before, after = json.loads(first[2]), json.loads(hook.accepted[0][1])
    before["data"]["user_ids"].remove(tried[0])
    assert before == after
    assert (after["type"], after["data"]["push"]) == ("presence.audience", PUSH)
    assert sorted(json.loads(body)["data"]["page"] for _, body in hook.accepted) == [1, 2, 3, 4, 5]
    assert Counter(len(page) for page in pages(hook).values())[5] >= 2
    assert await asked(database_url, "SELECT * FROM audience_pages") == []
    audit = await asked(
        database_url, "SELECT who, format, destination, outcome, rows FROM audience_exports"
    )
    assert audit == [("marketing", "push", webhook, "completed", 22)]
    assert another.stop() == 0


async def test_onesignal_gets_each_member_once_at_the_pace_that_it_wants(
    limited: Notify,
    onesignal: OneSignal,
    api: Api,
) -> None:
    onesignal.answers = lambda before: (HANG, 429, 503, 200)[min(before, 3)]
    onesignal.headers = {"Retry-After": "1"}
    made = await send(api, "onesignal", users_per_call=10, calls_per_second=4)
    limited.start(**told_to(onesignal), NOTIFY_TIMEOUT_SECONDS="4")
    started = time.monotonic()
    done = await ended(api, made["id"])
    assert (done["state"], done["sent"]) == ("completed", 24)
    # The one that hung was taken, and is not sent again under its key.
    assert onesignal.pushed == USERS
    assert onesignal.calls[0] == onesignal.calls[1] == onesignal.calls[3]
    assert len(onesignal.calls) == 6
    assert onesignal.calls[0]["contents"] == {"en": PUSH["text"]}
    assert onesignal.calls[0]["headings"] == {"en": PUSH["title"]}
    assert time.monotonic() - started > 2 + 2 / 4
    # What is wrong is not tried again.
    onesignal.answers = lambda _: 400
    calls = len(onesignal.calls)
    refused = await ended(api, (await send(api, "onesignal"))["id"])
    assert (refused["state"], refused["sent"]) == ("failed", 0)
    assert refused["problem"] == "OneSignal refuses it: status 400"
    assert len(onesignal.calls) == calls + 1
    assert limited.stop() == 0


async def test_one_that_failed_goes_on_where_it_stood_without_who_left_meanwhile(
    limited: Notify, onesignal: OneSignal, api: Api, database_url: str
) -> None:
    # The key is revoked after the second call.
    onesignal.answers = lambda before: 200 if before < 2 else 401
    limited.start(**told_to(onesignal))
    made = await send(api, "onesignal", users_per_call=6, calls_per_second=50)
    failed = await ended(api, made["id"])
    assert (failed["state"], failed["sent"]) == ("failed", 12)
    assert failed["resumable_until"] > failed["ended_at"]
    pushed = set(onesignal.pushed)
    opted_out, erased, *_ = left = sorted(set(USERS) - pushed)
    await asyncio.to_thread(opt_out, database_url, opted_out)
    await asyncio.to_thread(ask_for_erasure, database_url, erased)
    onesignal.answers = lambda _: 200
    support = token("support", scope="presence:export")
    resumed = f"{PATH}/{made['id']}/resume"
    # Two managers at once: it goes on once.
    both = await asyncio.gather(*(api.call(resumed, "POST", bearer=support) for _ in range(2)))
    assert [each.status for each in both] == [202, 202], [each.body for each in both]
    await until(lambda: _true(len(onesignal.calls) >= 4))
    limited.kill()
    limited.start()
    done = await ended(api, made["id"])
    assert (done["state"], done["sent"], done["left_out"]) == ("completed", 22, 2)
    assert done["who"] == "marketing"
    assert onesignal.pushed == sorted({*pushed, *left} - {opted_out, erased})
    assert await asked(database_url, "SELECT * FROM audience_pages") == []
    audit = await asked(
        database_url,
        "SELECT who, outcome, rows, resumes::text FROM audience_exports ORDER BY started_at",
    )
    assert audit == [
        ("marketing", "failed", 12, None),
        ("support", "completed", 10, made["id"]),
    ]
    noted = await asked(database_url, "SELECT who, action, managed, details FROM managed_audit")
    assert noted == [("support", "resumed", made["id"], {"to": "onesignal", "sent": 12})]
    over = await api.call(resumed, "POST", bearer=support)
    assert (over.status, over.json["errors"][0]["field"]) == (400, "delivery_id")


def test_a_command_resumes_what_failed_less_than_a_day_ago(database_url: str) -> None:
    ids = [f"00000000-0000-4000-8000-{number:012}" for number in range(4)]
    with psycopg.connect(database_url) as db:
        ended = (("failed", 1, 47), ("failed", 25, 26), ("completed", 1, 2), ("failed", 1, 49))
        for delivery, (outcome, hours, made) in zip(ids, ended, strict=True):
            db.execute(
                "INSERT INTO audience_exports (id, who, who_kind, format, filter, destination, "
                "outcome, ended_at) VALUES (%s, 'lead', 'token', 'push', '{}', 'onesignal', %s, "
                "now())",
                (delivery, outcome),
            )
            db.execute(
                "INSERT INTO audience_deliveries (id, destination, name, calls_per_second, as_of, "
                "users, pages, sent, ended_at, created_at) "
                "VALUES (%s, 'onesignal', 'Sale', 5, now(), 9, 3, 3, "
                "now() - %s * interval '1 hour', now() - %s * interval '1 hour')",
                (delivery, hours, made),
            )

    def run(*arguments: str) -> Any:
        environment = {"ROLLCALL_DATABASE_URL": database_url}
        return CliRunner().invoke(app, ["deliveries", *arguments], env=environment)

    first = run("resume", ids[0])
    assert first.stdout == f"resumed {ids[0]}: 6 users are still to be sent\n", first.output
    for other in (*ids, "00000000-0000-4000-8000-000000000009"):
        refused = run("resume", other)
        assert (refused.exit_code, refused.stdout) == (2, ""), refused.output
    listed = run("list").stdout
    assert listed.count("failed") == 2
    assert "running" in listed
    assert run("cancel", ids[0]).exit_code == 0
    assert "cancelling" in run("list").stdout
    with psycopg.connect(database_url) as db:
        noted = db.execute("SELECT action, who_kind FROM managed_audit ORDER BY id").fetchall()
    assert noted == [("resumed", "command"), ("cancelled", "command")]


async def test_a_delivery_is_cancelled_and_one_of_a_receiver_that_is_gone_fails(
    notify: Notify, receiver: Receiver, api: Api, database_url: str
) -> None:
    slow, gone = Hook(), Hook(answers=lambda _: 410)
    webhook = make(database_url, receiver, "slow", slow, {"of": "audience"})
    of_gone = make(database_url, receiver, "gone", gone, {"of": "audience"})
    made = await send(api, webhook, users_per_call=4, calls_per_second=1)
    behind = await send(api, webhook, users_per_call=24)
    failing = await send(api, of_gone)
    again = await send(api, webhook, id=made["id"])
    assert again["id"] == made["id"]
    notify.start()
    await until(lambda: _true(len(slow.accepted) >= 1))
    cancelled = await api.call(f"{PATH}/{made['id']}/cancel", "POST", bearer=EXPORTER)
    assert (cancelled.status, cancelled.json["state"]) == (202, "cancelling")
    done = await ended(api, made["id"])
    assert done["state"] == "cancelled"
    assert done["sent"] == 4 * sum(len(users) == 4 for users in pages(slow).values()) < 24
    # The next one for the same receiver goes on after it.
    assert (await ended(api, behind["id"]))["sent"] == 24
    failed = await ended(api, failing["id"])
    assert (failed["state"], failed["problem"]) == (
        "failed",
        "the webhook answered 410: it is disabled",
    )
    # Of those who were cancelled or completed nobody stays.
    kept = await asked(database_url, "SELECT DISTINCT delivery::text FROM audience_pages")
    assert kept == [(failing["id"],)]
    refused = await api.call(f"{PATH}/{failing['id']}/resume", "POST", bearer=EXPORTER)
    assert (refused.status, b"webhooks enable" in refused.body) == (400, True), refused.body
    problem = await send(api, of_gone, status=422)
    assert problem["errors"][0]["field"] == "to"
    notify.kill()


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Processes are started meanwhile, on a machine that may be busy."""
    async with asyncio.timeout(120):
        while not await condition():
            await asyncio.sleep(0.05)


async def _true(value: bool) -> bool:
    return value
