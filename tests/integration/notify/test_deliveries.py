"""Notify as a process, on a real Kafka and a real PostgreSQL, with receivers that misbehave."""

from __future__ import annotations

import asyncio
import os
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import RecordsToDelete

from deploy.webhooks import WebhookTable
from schemas.log.changes import Change
from schemas.log.events import partition_of
from schemas.log.settings import KafkaSettings
from schemas.log.topics import CHANGES, kafka_admin, topic_name
from schemas.service.user_hash import UserHash
from schemas.webhooks.filter import parse_filter
from schemas.webhooks.secret_box import SecretBox
from tests.rigs.api_harness import wait_until
from tests.rigs.rig import ProcessorProcess, free_port, processor_environment, rows
from tests.rigs.webhook_receiver import BY, HANG, Hook, Receiver, running_receiver

KEY = "the key under which the tests encrypt secrets"
NOTIFY = "from processor.notify.__main__ import main; main()"
USERS = [f"user-{n}" for n in range(12)]


class Notify:
    """The process, which may be killed and started again."""

    def __init__(self, kafka: KafkaSettings, database_url: str, folder: Path) -> None:
        self._settings = {
            "ENCRYPTION_KEY": KEY,
            "WEBHOOK_PRIVATE_HOSTS": "127.0.0.0/8",
            "NOTIFY_TIMEOUT_SECONDS": "0.5",
            # For so long after it was killed its partitions are nobody's.
            "NOTIFY_SESSION_TIMEOUT_SECONDS": "2",
        }
        self._kafka, self._database_url, self._folder = kafka, database_url, folder
        self._process: ProcessorProcess | None = None

    def start(self, **settings: str) -> None:
        self._settings |= {"NOTIFY_ADMIN_PORT": str(free_port()), **settings}
        environment = processor_environment(self._kafka, self._database_url, **self._settings)
        self._process = ProcessorProcess(environment, self._folder / "notify.log", script=NOTIFY)

    def kill(self) -> None:
        if self._process is not None and self._process.exit_status is None:
            self._process.kill()

    def stop(self) -> int:
        assert self._process is not None
        return self._process.stop()


@pytest.fixture
def notify(kafka_settings: KafkaSettings, database_url: str, tmp_path: Path) -> Iterator[Notify]:
    process = Notify(kafka_settings, database_url, tmp_path)
    yield process
    process.kill()


@pytest.fixture
def another(kafka_settings: KafkaSettings, database_url: str, tmp_path: Path) -> Iterator[Notify]:
    """A second process, with which the first shares the partitions."""
    process = Notify(kafka_settings, database_url, tmp_path)
    yield process
    process.kill()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with running_receiver() as running:
        yield running


class Topic:
    """``presence.changes``, written as the processor does."""

    def __init__(self, kafka: KafkaSettings) -> None:
        self._kafka = kafka
        self._offsets: dict[int, int] = defaultdict(int)
        self.changes: list[Change] = []

    def made(self, states: Sequence[str]) -> list[Change]:
        """A change of every user to each of these states, in order."""
        found = []
        for state in states:
            for user in USERS:
                partition = partition_of(user, self._kafka.partitions)
                self._offsets[partition] += 1
                found.append(change(f"{partition}:{self._offsets[partition]}:0:0", user, state))
        return found

    async def publish(self, changes: Sequence[Change]) -> None:
        producer = AIOKafkaProducer(bootstrap_servers=self._kafka.kafka_bootstrap, acks="all")
        await producer.start()
        try:
            topic = topic_name(self._kafka, CHANGES)
            sent = [
                await producer.send(
                    topic,
                    msgspec.json.encode(each),
                    key=each.user_id.encode(),
                    partition=partition_of(each.user_id, self._kafka.partitions),
                )
                for each in changes
            ]
            await asyncio.gather(*sent)
        finally:
            await producer.stop()
        self.changes.extend(changes)


def change(change_id: str, user: str, state: Any) -> Change:
    reason: Any = {"offline": "timed_out", "foreground": "started"}.get(state, "backgrounded")
    return Change(
        *(change_id, "2026-03-23T10:00:00.000Z", user, "phone", reason),
        previous_state="background",
        state=state,
        previous_screen=None,
        screen=None,
        user_state=state,
        user_screen=None,
        app_version="1.0",
        platform="ios",
        connections=[],
    )


def in_order_per_user(found: Sequence[str], wanted: Sequence[Change]) -> bool:
    """Whether these ids, repeats left out, are just the wanted ones, in order for each user."""
    users = {each.id: each.user_id for each in wanted}
    if sorted(found) != sorted(users):
        return False
    of_user: dict[str, list[str]] = defaultdict(list)
    for change_id in found:
        of_user[users[change_id]].append(change_id)
    return all(
        ids == [each.id for each in wanted if each.user_id == user] for user, ids in of_user.items()
    )


def make(
    database_url: str, receiver: Receiver, path: str, hook: Hook, filter_: dict[str, Any]
) -> str:
    """A webhook for a path of the receiver; its id."""
    table = WebhookTable(database_url, SecretBox(KEY), BY)
    made = table.create(f"{receiver.url}{path}", parse_filter(filter_))
    hook.secret = made.secret
    receiver.hooks[f"/{path}"] = hook
    return made.id


def erase(database_url: str, user: str) -> None:
    """As the processor stores it."""
    user_hash = UserHash(os.environ["ROLLCALL_USER_HASH_KEY"])(user)
    with psycopg.connect(database_url) as db:
        db.execute(
            'INSERT INTO privacy_flags (user_hash, "partition", opted_out, log_offset, at, '
            "erased_until) VALUES (%s, 0, false, 1, now(), now())",
            (user_hash,),
        )


async def asked(url: str, query: str) -> list[tuple[Any, ...]]:
    return await asyncio.to_thread(rows, url, query)


async def test_every_change_arrives_in_order_through_failures_a_kill_and_a_rebalance(
    notify: Notify,
    another: Notify,
    receiver: Receiver,
    kafka_settings: KafkaSettings,
    database_url: str,
) -> None:
    """One receiver fails, hangs and redirects; one works; one is gone; notify is killed, and then
    there are two."""
    topic = Topic(kafka_settings)
    troubled = Hook(answers=lambda before: (500, HANG, 302, 503)[before % 4])
    steady = Hook()
    gone = Hook(answers=lambda _: 410)
    make(database_url, receiver, "troubled", troubled, {})
    make(database_url, receiver, "steady", steady, {"states": ["offline"]})
    make(database_url, receiver, "gone", gone, {})
    # Made before notify runs, and told of what comes meanwhile.
    await topic.publish(topic.made(["foreground", "offline"]))
    notify.start()
    offline = [each for each in topic.changes if each.state == "offline"]
    await wait_until(lambda: _true(in_order_per_user(steady.ids, offline)))
    await wait_until(lambda: _true(len(troubled.attempts) >= 8))
    notify.kill()
    before = len(troubled.attempts)
    seen = {message_id: body for message_id, _, body in troubled.attempts}
    assert troubled.accepted == []
    await topic.publish(topic.made(["background", "offline"]))
    troubled.answers = lambda _: 204
    notify.start()
    another.start()
    await wait_until(lambda: _true(in_order_per_user(troubled.ids, topic.changes)))
    # What was fixed is sent as it was, by another process, with a timestamp of the attempt.
    for message_id, body in seen.items():
        assert dict(troubled.accepted)[message_id] == body
    stamps = [at for message_id, at, _ in troubled.attempts[: before + 1] if message_id in seen]
    assert max(stamps) > min(stamps)
    offline = [each for each in topic.changes if each.state == "offline"]
    await wait_until(lambda: _true(in_order_per_user(steady.ids, offline)))
    # Whoever is gone is told nothing more, and no message of theirs is kept.
    [(why, bodies)] = await asked(
        database_url,
        "SELECT disabled_why, (SELECT count(body) FROM webhook_cursors c WHERE c.webhook = w.id) "
        "FROM webhooks w WHERE url ~ '/gone$'",
    )
    assert (why, bodies) == ("gone", 0)
    # One that was heard after its time is made again.
    assert len({message_id for message_id, _, _ in gone.attempts}) <= kafka_settings.partitions
    assert receiver.strays == []  # a redirect is not followed
    assert notify.stop() == 0


async def test_what_cannot_be_delivered_is_replayed_while_later_changes_go_on(
    notify: Notify, receiver: Receiver, kafka_settings: KafkaSettings, database_url: str
) -> None:
    topic = Topic(kafka_settings)
    away = Hook(answers=lambda _: 500)
    webhook = make(database_url, receiver, "away", away, {})
    notify.start(NOTIFY_RETRY_SECONDS="6")
    await topic.publish(topic.made(["foreground", "offline"]))
    given_up = "SELECT coalesce(sum(changes), 0) FROM webhook_dead_letters"

    async def all_given_up() -> bool:
        return await asked(database_url, given_up) == [(24,)]

    await wait_until(all_given_up)
    letters = "SELECT * FROM webhook_dead_letters"
    # Offsets, and nobody.
    assert not any("user-" in str(row) for row in await asked(database_url, letters))
    away.answers = lambda _: 204
    later = topic.made(["background"])
    await topic.publish(later)
    await wait_until(lambda: _true(in_order_per_user(away.ids, later)))
    away.accepted.clear()
    # One of them was erased meanwhile: of what they did before nobody is told any more.
    erased = USERS[3]
    await asyncio.to_thread(erase, database_url, erased)
    kept = [each for each in topic.changes[:24] if each.user_id != erased]
    table = WebhookTable(database_url, SecretBox(KEY), BY)
    assert table.replay(webhook) >= 1
    await wait_until(lambda: _true(in_order_per_user(away.ids, kept)))

    async def nothing_is_left() -> bool:
        return await asked(database_url, letters) == []

    await wait_until(nothing_is_left)
    assert table.replay(webhook) == 0


async def test_what_kafka_has_deleted_is_told_and_the_rest_is_delivered(
    notify: Notify, receiver: Receiver, kafka_settings: KafkaSettings, database_url: str
) -> None:
    topic, hook = Topic(kafka_settings), Hook()
    webhook = make(database_url, receiver, "hook", hook, {})
    await topic.publish(topic.made(["foreground", "offline", "background"]))
    name = topic_name(kafka_settings, CHANGES)
    partition = partition_of(USERS[0], kafka_settings.partitions)
    with psycopg.connect(database_url) as db:
        db.execute(
            'INSERT INTO webhook_cursors (webhook, "partition", dead_letter, next_offset) '
            "VALUES (%s, %s, 0, 0)",
            (webhook, partition),
        )
    async with kafka_admin(kafka_settings) as admin:
        await admin.delete_records(
            {TopicPartition(name, partition): RecordsToDelete(before_offset=2)}
        )
    notify.start()
    of_partition = [
        each
        for each in topic.changes
        if partition_of(each.user_id, kafka_settings.partitions) == partition
    ]
    lost = {each.id for each in of_partition[:2]}
    kept = [each for each in topic.changes if each.id not in lost]
    await wait_until(lambda: _true(in_order_per_user(hook.ids, kept)))
    assert await asked(
        database_url, "SELECT from_offset, next_offset, why FROM webhook_dead_letters"
    ) == [(0, 2, "lost")]


async def _true(value: bool) -> bool:
    return value
