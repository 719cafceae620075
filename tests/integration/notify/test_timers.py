"""Timers of notify as a process: log time that passes in PostgreSQL, changes on a real Kafka."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest
from typer.testing import CliRunner

from deploy.cli.command import app
from deploy.webhooks import WebhookTable
from processor.notify.stays import rfc3339
from schemas.log.changes import Change
from schemas.log.events import partition_of
from schemas.log.settings import KafkaSettings
from schemas.webhooks.secret_box import SecretBox
from tests.integration.notify.test_deliveries import KEY, USERS, Notify, Topic, asked, change, make
from tests.rigs.api_harness import wait_until
from tests.rigs.database_role import as_role
from tests.rigs.webhook_receiver import BY, Hook, Receiver, running_receiver

START_MS = 1_774_260_000_000
GRACE_MS = 200_000


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
    process = Notify(kafka_settings, as_role(database_url, role), tmp_path)
    yield process
    process.kill()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with running_receiver() as running:
        yield running


@pytest.fixture
async def log(kafka_settings: KafkaSettings, database_url: str) -> AsyncIterator[Log]:
    found = Log(kafka_settings, database_url)
    ticking = asyncio.create_task(found.keep_ticking())
    yield found
    ticking.cancel()
    await asyncio.wait({ticking})


class Log:
    """What the processor would have written: changes, and how far it is."""

    def __init__(self, kafka: KafkaSettings, database_url: str) -> None:
        self._topic = Topic(kafka)
        self._partitions = kafka.partitions
        self._database_url = database_url
        #: The next one of ``presence.events``, of all partitions.
        self._offset = 0
        self._now = 0.0
        self._shown: dict[str, Any] = {}
        self._one_at_a_time = asyncio.Lock()

    async def say(self, seconds: float, users: Sequence[str], state: Any, **fields: Any) -> None:
        """These users are in that state from then on."""
        async with self._one_at_a_time:
            found: list[Change] = []
            for user in users:
                place = f"{partition_of(user, self._partitions)}:{self._offset}:0:0"
                before = {"previous_user_state": self._shown.get(user, "offline"), **fields}
                found.append(
                    msgspec.structs.replace(change(place, user, state), at=at(seconds), **before)
                )
                self._shown[user] = state
                self._offset += 1
            await self._topic.publish(found)

    async def pass_to(self, seconds: float) -> None:
        """Log time of all partitions; further batches tell that what was before is published."""
        self._now = seconds
        await self._batch()

    async def keep_ticking(self) -> None:
        """Batches as ticks bring them, at the same log time."""
        while True:
            await self._batch()
            await asyncio.sleep(0.2)

    async def _batch(self) -> None:
        async with self._one_at_a_time:
            published, self._offset = self._offset, self._offset + 1
            await asyncio.to_thread(self._store, published + 1, published)

    def _store(self, next_offset: int, published_through: int) -> None:
        policy = json.dumps({"reconnect_grace_ms": GRACE_MS})
        with psycopg.connect(self._database_url) as db:
            for partition in range(self._partitions):
                db.execute(
                    'INSERT INTO stream_offsets ("partition", next_offset, published_through, '
                    "log_time, policy) VALUES (%s, %s, %s, from_ms(%s), %s) "
                    'ON CONFLICT ("partition") DO UPDATE SET next_offset = EXCLUDED.next_offset, '
                    "published_through = EXCLUDED.published_through, log_time = EXCLUDED.log_time",
                    (
                        *(partition, next_offset, published_through),
                        *(START_MS + round(self._now * 1000), policy),
                    ),
                )

    def outage(self, begins: float, ends: float | None) -> None:
        with psycopg.connect(self._database_url) as db:
            for partition in range(self._partitions):
                db.execute(
                    'INSERT INTO outages ("partition", kind, started_at, ended_at) '
                    "VALUES (%s, 'ticks_only', from_ms(%s), from_ms(%s)) "
                    'ON CONFLICT ("partition", started_at, kind) '
                    "DO UPDATE SET ended_at = EXCLUDED.ended_at",
                    (
                        *(partition, START_MS + round(begins * 1000)),
                        None if ends is None else START_MS + round(ends * 1000),
                    ),
                )


def at(seconds: float) -> str:
    return rfc3339(START_MS + round(seconds * 1000))


def timers(hook: Hook) -> dict[str, dict[str, Any]]:
    """By id, repeats left out as a receiver does."""
    data = [json.loads(body)["data"] for _, body in hook.accepted]
    return {timer["id"]: timer for each in data for timer in each.get("timers", ())}


def told(hook: Hook) -> list[str]:
    return sorted(timer["user_id"] for timer in timers(hook).values())


async def test_timers_are_right_to_the_millisecond_of_log_time_through_kills_and_an_outage(
    notify: Notify, receiver: Receiver, log: Log, database_url: str
) -> None:
    away, cart = Hook(), Hook()
    make(database_url, receiver, "away", away, {"timer": {"while": "offline", "seconds": 600}})
    on_cart = {"while": "on_screen", "screen": "Cart", "seconds": 300}
    make(database_url, receiver, "cart", cart, {"timer": on_cart})
    back, erased, gone, buying, *rest = USERS
    notify.start()
    await log.say(0, USERS, "foreground", user_screen="Home")
    await log.say(10, [back, erased, gone, *rest], "offline", user_screen=None)
    await log.say(20, [buying], "foreground", user_screen="Cart", previous_user_screen="Home")
    # One comes back in time, one a millisecond after; one is erased.
    await log.say(609.999, [back], "foreground")
    await log.pass_to(609.9)
    await wait_until(lambda: _true(told(cart) == [buying]))
    assert [(t["since"], t["at"]) for t in timers(cart).values()] == [(at(20), at(320))]
    assert away.attempts == []
    notify.kill()
    await log.say(609.999, [erased], "offline", reason="erased", device="")
    late = rest.pop()
    await log.say(610.001, [late], "foreground")
    # Nobody can be delivered to while it is killed again.
    away.answers = lambda _: 503
    notify.start()
    await log.pass_to(610)
    await wait_until(lambda: _true(len(away.attempts) >= 2))
    notify.kill()
    seen = {message_id: body for message_id, _, body in away.attempts}
    away.answers = lambda _: 204
    notify.start()
    await wait_until(lambda: _true(told(away) == sorted([gone, late, *rest])))
    for message_id, body in seen.items():
        assert dict(away.accepted)[message_id] == body
    assert {(t["since"], t["at"]) for t in timers(away).values()} == {(at(10), at(610))}
    await wait_until(lambda: _true([c["user_id"] for c in changes(away)] == [erased]))
    # Phones cannot reach us: what would be due meanwhile waits until they had time to come back.
    await log.say(700, [back, buying], "offline", user_screen=None)
    await asyncio.to_thread(log.outage, 1200, None)
    await log.pass_to(1400)
    await asyncio.to_thread(log.outage, 1200, 1500)
    await log.say(1699, [back], "foreground")
    await log.pass_to(1699.9)
    before = len(timers(away))
    await log.pass_to(1700)
    await wait_until(lambda: _true(len(timers(away)) == before + 1))
    last = list(timers(away).values())[-1]
    assert (last["user_id"], last["at"]) == (buying, at(1700))
    assert told(cart) == [buying]
    assert len(timers(away)) == len({t["user_id"] for t in timers(away).values()})
    assert notify.stop() == 0


async def test_timers_that_could_not_be_delivered_are_replayed_by_a_role_of_notifys_own(
    limited: Notify,
    receiver: Receiver,
    log: Log,
    database_url: str,
    role: str,
) -> None:
    environment = {"ROLLCALL_DATABASE_URL": database_url}
    migrated = await asyncio.to_thread(
        CliRunner().invoke, app, ["migrate", "--notify-role", role], env=environment
    )
    assert migrated.stdout.endswith(f"{role} may do what notify does\n")
    hook = Hook(answers=lambda _: 500)
    webhook = make(
        *(database_url, receiver, "away", hook),
        {"timer": {"while": "offline", "seconds": 60}},
    )
    limited.start(NOTIFY_RETRY_SECONDS="6")
    await log.say(0, USERS, "foreground")
    await log.say(10, USERS, "offline")
    await log.pass_to(70)

    async def given_up() -> bool:
        query = "SELECT coalesce(sum(changes), 0) FROM webhook_dead_letters"
        return await asked(database_url, query) == [(len(USERS),)]

    await wait_until(given_up)
    hook.answers = lambda _: 204
    assert hook.accepted == []
    assert WebhookTable(database_url, SecretBox(KEY), BY).replay(webhook) >= 1
    await wait_until(lambda: _true(told(hook) == sorted(USERS)))

    async def nothing_is_left() -> bool:
        return await asked(database_url, "SELECT * FROM webhook_dead_letters") == []

    await wait_until(nothing_is_left)
    # Somebody who is gone is disabled.
    hook.answers = lambda _: 410
    await log.say(80, USERS, "foreground")
    await log.say(90, USERS, "offline")
    await log.pass_to(150)

    async def is_disabled() -> bool:
        return await asked(database_url, "SELECT disabled_why FROM webhooks") == [("gone",)]

    await wait_until(is_disabled)
    assert limited.stop() == 0
    with psycopg.connect(as_role(database_url, role), autocommit=True) as db:
        for query in (
            *("SELECT * FROM presence", "SELECT * FROM changes", "DELETE FROM webhooks"),
            *("SELECT * FROM privacy_flags", "UPDATE stream_offsets SET next_offset = 0"),
            "UPDATE webhooks SET url = 'https://example.com/'",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                db.execute(query)


def changes(hook: Hook) -> list[dict[str, Any]]:
    data = [json.loads(body)["data"] for _, body in hook.accepted]
    found = {c["id"]: c for each in data for c in each.get("changes", ())}
    return list(found.values())


async def _true(value: bool) -> bool:
    return value
