"""Alerts looked at and told, on a real PostgreSQL, with receivers that misbehave."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry

from deploy.alerts import AlertTable
from processor.alerts.mail import Mailer
from processor.alerts.metrics import AlertMetrics
from processor.alerts.store import AlertStore
from processor.alerts.watcher import Watcher
from processor.notify.sender import Sender
from processor.notify.settings import NotifySettings
from schemas.alerts.rule import PEAK_RULE, parse_rule
from schemas.database.migrate import grant_notify
from schemas.log.settings import KafkaSettings
from schemas.webhooks.addresses import PrivateHosts
from schemas.webhooks.secret_box import SecretBox
from tests.rigs.api_harness import wait_until
from tests.rigs.database_role import as_role
from tests.rigs.rig import ProcessorProcess, free_port, processor_environment
from tests.rigs.webhook_receiver import BY, HANG, Hook, Receiver, running_receiver

KEY = "the key under which the tests encrypt secrets"
NOTIFY = "from processor.notify.__main__ import main; main()"
#: Log time: nothing here reads the wall clock to look.
START = datetime(2026, 3, 30, 12, 0, tzinfo=UTC)
RULE: dict[str, Any] = {
    "name": "Few people",
    "of": "online",
    "is": "below",
    "value": 10,
    "for_minutes": 2,
}
PARTITIONS = 2


class Log:
    """What the processor stores, minute by minute."""

    def __init__(self, database_url: str) -> None:
        self._db = psycopg.connect(database_url, autocommit=True)
        self.minute = 0
        self._db.execute(
            "INSERT INTO deployment (topic, topic_id, partitions) "
            "VALUES ('t', gen_random_uuid(), %s)",
            (PARTITIONS,),
        )
        for partition in range(PARTITIONS):
            self._db.execute(
                'INSERT INTO stream_offsets ("partition", next_offset, log_time, '
                "published_through) VALUES (%s, 9, %s, 9)",
                (partition, START),
            )

    def pass_minutes(self, *online: int | None) -> None:
        """So many users, at each; ``None``: nothing was sampled."""
        with self._db.transaction():
            for users in online:
                self.minute += 1
                at = START + timedelta(minutes=self.minute)
                for partition in range(PARTITIONS if users is not None else 0):
                    self._db.execute(
                        'INSERT INTO concurrency_samples (at, "partition", foreground, background)'
                        " VALUES (%s, %s, %s, 0)",
                        (at, partition, users if partition == 0 else 0),
                    )
            self._db.execute(
                "UPDATE stream_offsets SET log_time = %s",
                (START + timedelta(minutes=self.minute, seconds=5),),
            )

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        return self._db.execute(query).fetchall()

    def run(self, statement: str) -> None:
        self._db.execute(statement)

    def close(self) -> None:
        self._db.close()


@pytest.fixture
async def log(database_url: str) -> AsyncIterator[Log]:
    log = Log(database_url)
    yield log
    log.close()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with running_receiver() as running:
        yield running


async def watcher(database_url: str) -> tuple[Watcher, AlertStore, Sender, CollectorRegistry]:
    settings = NotifySettings(database_url=database_url, encryption_key=KEY)
    store, sender = AlertStore(settings), Sender(PrivateHosts(["127.0.0.0/8"]), 5.0)
    await store.open()
    registry = CollectorRegistry()
    found = Watcher(
        *(store, sender, Mailer(settings), SecretBox(KEY), AlertMetrics(registry)),
        timeout_seconds=5.0,
        retry_seconds=86_400,
    )
    return found, store, sender, registry


@pytest.fixture
async def watching(
    database_url: str,
    role: str,
) -> AsyncIterator[tuple[Watcher, CollectorRegistry]]:
    """By a role that may do what notify does, and no more."""
    grant_notify(database_url, role)
    found, store, sender, registry = await watcher(as_role(database_url, role))
    yield found, registry
    await sender.close()
    await store.close()


def made(database_url: str, receiver: Receiver, path: str, **rule: Any) -> Hook:
    """An alert that tells ``path``."""
    table = AlertTable(database_url, SecretBox(KEY), BY)
    new = table.create(parse_rule({**RULE, **rule}), "webhook", receiver.url + path)
    hook = receiver.hooks[f"/{path}"] = Hook(new.secret or "")
    return hook


def told(hook: Hook) -> list[tuple[str, str]]:
    """Kinds and minutes, repeats of an id left out."""
    bodies = {message: json.loads(body)["data"] for message, body in hook.accepted}
    return [(each["kind"], each["at"][11:16]) for each in bodies.values()]


async def settle(found: Watcher) -> None:
    """Until nothing is due, and nothing is to be told now."""
    while await found.look() or await found.deliver():
        continue


async def test_it_tells_that_it_fires_and_that_it_is_over(
    log: Log,
    database_url: str,
    receiver: Receiver,
    watching: tuple[Watcher, CollectorRegistry],
) -> None:
    found, registry = watching
    hook = made(database_url, receiver, "hook")
    await settle(found)
    log.pass_minutes(20, 5, 5, 5)
    await settle(found)
    assert told(hook) == [("fired", "12:03")]
    log.pass_minutes(None, 20)
    await settle(found)
    assert registry.get_sample_value("rollcall_alerts_firing") == 1
    log.pass_minutes(20)
    await settle(found)
    assert told(hook) == [("fired", "12:03"), ("recovered", "12:07")]
    data = json.loads(hook.accepted[0][1])
    assert data["type"] == "presence.alert"
    assert (data["data"]["value"], data["data"]["limit"]) == (5, 10)
    assert "users online 5, below 10" in data["data"]["text"]
    # Charts mark it, once.
    [(kind, text, at)] = log.rows("SELECT kind, text, at FROM annotations")
    assert (kind, text, at) == (
        "alert",
        "Few people: users online 5, below 10",
        START + timedelta(minutes=3),
    )


async def test_an_outage_of_ours_is_a_gap(
    log: Log,
    database_url: str,
    receiver: Receiver,
    watching: tuple[Watcher, CollectorRegistry],
) -> None:
    hook = made(database_url, receiver, "hook")
    await settle(watching[0])
    log.run(
        'INSERT INTO outages ("partition", kind, started_at) '
        f"VALUES (1, 'ticks_only', '{START.isoformat()}')"
    )
    log.pass_minutes(0, 0, 0, 0)
    await settle(watching[0])
    log.run(f"UPDATE outages SET ended_at = '{(START + timedelta(minutes=4.5)).isoformat()}'")
    log.pass_minutes(0)
    await settle(watching[0])
    assert told(hook) == []
    log.pass_minutes(0)
    await settle(watching[0])
    assert told(hook) == [("fired", "12:06")]


async def test_a_receiver_that_fails_gets_the_same_bytes_again_and_holds_up_nobody(
    log: Log,
    database_url: str,
    receiver: Receiver,
    watching: tuple[Watcher, CollectorRegistry],
) -> None:
    failing, gone = made(database_url, receiver, "failing"), made(database_url, receiver, "gone")
    fine = made(database_url, receiver, "fine")
    failing.answers = lambda before: 503 if before < 1 else 204
    gone.answers = lambda _: 410
    await settle(watching[0])
    log.pass_minutes(5, 5)
    await settle(watching[0])
    assert told(fine) == [("fired", "12:02")]
    assert told(failing) == []
    log.run("UPDATE alert_notices SET next_at = now()")  # its pause is over
    await settle(watching[0])
    assert told(failing) == [("fired", "12:02")]
    [first, second] = failing.attempts
    assert (first[0], first[2]) == (second[0], second[2])
    assert len(gone.attempts) == 1
    [(given_up,)] = log.rows("SELECT count(given_up_at) FROM alert_notices")
    assert given_up == 1


async def test_slack_gets_a_text(
    log: Log, database_url: str, watching: tuple[Watcher, CollectorRegistry]
) -> None:
    texts: list[Any] = []

    async def take(request: web.Request) -> web.Response:
        texts.append(await request.json())
        return web.Response(text="ok")

    app = web.Application()
    app.router.add_post("/services/T0/sesame", take)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/services/T0/sesame"
    rule = parse_rule({**RULE, "name": "Few <people> & more"})
    AlertTable(database_url, SecretBox(KEY), BY).create(rule, "slack", url)
    await settle(watching[0])
    log.pass_minutes(5, 5)
    await settle(watching[0])
    await runner.cleanup()
    since = "since 2026-03-30 12:02 UTC"
    assert texts == [{"text": f"Few &lt;people&gt; &amp; more: users online 5, below 10; {since}"}]


async def test_a_new_peak_is_told_once_there_is_a_day_of_history(
    log: Log,
    database_url: str,
    receiver: Receiver,
    watching: tuple[Watcher, CollectorRegistry],
) -> None:
    log.run(
        "INSERT INTO concurrency_quarters (quarter, samples, foreground_sum, background_sum, "
        "peak_online, peak_online_at, peak_foreground, peak_foreground_at) "
        "VALUES ('2026-03-20 10:00Z', 90, 900, 0, 30, '2026-03-20 10:01Z', 30, "
        "'2026-03-20 10:01Z')"
    )
    hook = receiver.hooks["/peak"] = Hook()
    new = AlertTable(database_url, SecretBox(KEY), BY).create(
        parse_rule(dict(PEAK_RULE)), "webhook", receiver.url + "peak"
    )
    hook.secret = new.secret or ""
    await settle(watching[0])
    log.pass_minutes(30, 31, 32, 33)
    await settle(watching[0])
    assert told(hook) == [("fired", "12:02")]


async def test_two_that_look_at_once_tell_once(
    log: Log, database_url: str, receiver: Receiver
) -> None:
    hook = made(database_url, receiver, "hook")
    several = [await watcher(database_url) for _ in range(2)]

    async def look(found: Watcher) -> None:
        for _ in range(10):
            try:
                await found.look()
            except psycopg.errors.SerializationFailure:
                continue
            await found.deliver()

    try:
        await several[0][0].look()
        for online in (5, 5, 5, 20, 20, 20):
            log.pass_minutes(online)
            await asyncio.gather(*(look(found) for found, *_ in several))
        await settle(several[0][0])
    finally:
        for _, store, sender, _ in several:
            await sender.close()
            await store.close()
    assert told(hook) == [("fired", "12:02"), ("recovered", "12:05")]
    assert len(hook.attempts) == 2


async def test_both_secrets_sign_while_one_is_turned_over(
    log: Log,
    database_url: str,
    receiver: Receiver,
    watching: tuple[Watcher, CollectorRegistry],
) -> None:
    hook = made(database_url, receiver, "hook", for_minutes=1)
    before = hook.secret
    [(alert,)] = log.rows("SELECT id FROM alerts")
    after, _ = AlertTable(database_url, SecretBox(KEY), BY).rotate(alert, 1)
    await settle(watching[0])
    log.pass_minutes(5)
    await settle(watching[0])
    hook.secret = after
    log.pass_minutes(20)
    await settle(watching[0])
    log.run("UPDATE alerts SET previous_until = now()")
    log.pass_minutes(5)
    await settle(watching[0])
    assert [kind for kind, _ in told(hook)] == ["fired", "recovered", "fired"]
    hook.secret = before  # signs no more: the receiver's check fails
    log.pass_minutes(20)
    await settle(watching[0])
    assert len(hook.accepted) == 3


async def test_a_process_that_is_killed_in_an_attempt_loses_nothing(
    log: Log,
    database_url: str,
    receiver: Receiver,
    kafka_settings: KafkaSettings,
    tmp_path: Path,
) -> None:
    hook = made(database_url, receiver, "hook", for_minutes=1)
    hook.answers = lambda before: HANG if before == 0 else 204
    settings = {
        "ENCRYPTION_KEY": KEY,
        "WEBHOOK_PRIVATE_HOSTS": "127.0.0.0/8",
        "NOTIFY_TIMEOUT_SECONDS": "30",
    }

    def started() -> ProcessorProcess:
        environment = processor_environment(
            kafka_settings, database_url, **settings, NOTIFY_ADMIN_PORT=str(free_port())
        )
        return ProcessorProcess(environment, tmp_path / "notify.log", script=NOTIFY)

    async def looked() -> bool:
        return log.rows("SELECT state IS NOT NULL FROM alerts") == [(True,)]

    async def tried() -> bool:
        return len(hook.attempts) == 1

    async def accepted() -> bool:
        return len(hook.accepted) >= 3

    process = started()
    try:
        await wait_until(looked)
        log.pass_minutes(5)
        await wait_until(tried)
        process.kill()
        log.pass_minutes(5, 20, 5)
        # The attempt of the one that was killed may take no longer.
        log.run("UPDATE alert_notices SET next_at = now()")
        process = started()
        await wait_until(accepted)
    finally:
        process.kill()
    assert told(hook) == [("fired", "12:01"), ("recovered", "12:03"), ("fired", "12:04")]
    first, second = hook.attempts[0], hook.attempts[1]
    assert (first[0], first[2]) == (second[0], second[2])
    assert log.rows("SELECT count(*) FROM alert_notices") == [(3,)]
