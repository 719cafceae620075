"""Kafka lost the log for good, and history goes on in a new topic (design, section 6)."""

from __future__ import annotations

import asyncio
import os
import signal
import time
import uuid
from pathlib import Path
from typing import Any

import psycopg
import pytest
from aiokafka import AIOKafkaProducer
from typer.testing import CliRunner, Result

from deploy.cli.command import app
from processor.core.log.positions import SPACING
from schemas.database.named_queries import load_queries
from schemas.log.events import Erase, Heartbeat, OptOut, partition_of
from schemas.log.privacy_flags import Flag, encode_flag, flag_key
from schemas.log.settings import KafkaSettings
from schemas.log.topics import (
    CHANGES,
    EVENTS,
    PRIVACY,
    REJECTS,
    SIGN_OUTS,
    create_topics,
    kafka_admin,
    topic_name,
)
from schemas.service.user_hash import UserHash
from tests.rigs.audit_rig import (
    Deployment,
    Writer,
    append,
    create_time_topics,
    ends_of,
    process,
)
from tests.rigs.privacy_rig import KEY, traces
from tests.rigs.rig import (
    ProcessorProcess,
    batch,
    processor_environment,
    produce,
    published_changes,
    read_all,
    rows,
    stored_through,
    wait_for,
)
from tests.suite.forks import start_python

ALL_TOPICS = (EVENTS, CHANGES, SIGN_OUTS, PRIVACY, REJECTS)
HASHED = UserHash(KEY)
#: Who asked for something in records that were lost before they were processed.
LOST_OPT_OUT, LOST_ERASURE = "user-05", "user-06"
#: Who had opted out before.
OPTED_OUT = "user-01"


def now_ms() -> int:
    return int(time.time() * 1000)


def deleted_and_made_anew(kafka: KafkaSettings, *topics: str) -> None:
    async def replace() -> None:
        async with kafka_admin(kafka) as admin:
            names = [topic_name(kafka, topic) for topic in topics]
            await admin.delete_topics(names)
            while {*names} & {*await admin.list_topics()}:
                await asyncio.sleep(0.05)
        await create_topics(kafka)

    asyncio.run(replace())


def flag_of_an_api(kafka: KafkaSettings, user: str, offset: int) -> None:
    """As the API writes it once an opt-out is in the log."""

    async def write() -> None:
        producer = AIOKafkaProducer(bootstrap_servers=kafka.kafka_bootstrap)
        await producer.start()
        try:
            partition = partition_of(user, kafka.partitions)
            flag = Flag(True, partition, offset, HASHED.fingerprint)
            key = flag_key(HASHED(user), "api")
            topic = topic_name(kafka, PRIVACY)
            await producer.send_and_wait(topic, encode_flag(flag), key=key, partition=partition)
        finally:
            await producer.stop()

    asyncio.run(write())


@pytest.fixture
def deployment(kafka_bootstrap: str, postgres_url: str, database_url: str) -> Deployment:
    name = database_url.partition("?")[0].rpartition("/")[2]
    return Deployment(create_time_topics(kafka_bootstrap), name, postgres_url)


def environment_of(kafka: KafkaSettings, url: str) -> dict[str, str]:
    return processor_environment(
        kafka, url, USER_HASH_KEY=KEY, EVENT_VERSION="2", ALLOW_CREATE_TIME="true"
    )


def accept(kafka: KafkaSettings, url: str, *options: str) -> Result:
    """`rollcall offsets accept-loss --new-topic`."""
    arguments = ["offsets", "accept-loss", "--new-topic", *options]
    return CliRunner().invoke(app, arguments, env=environment_of(kafka, url))


def history(url: str) -> list[tuple[Any, ...]]:
    return rows(
        url,
        'SELECT "partition", log_offset, event_index, ordinal, user_id, reason::text FROM changes '
        "WHERE user_id <> ALL (%s) ORDER BY 1, 2, 3, 4",
        [LOST_OPT_OUT, LOST_ERASURE],
    )


def test_history_and_opt_outs_outlive_the_topic_twice(
    deployment: Deployment, database_url: str, tmp_path: Path
) -> None:
    kafka, url, state = deployment.kafka, database_url, tmp_path / "audit"
    # What is asked for again has the time of this machine: nobody is to be hours away by then.
    writer, users = Writer(5, now_ms() - 901_000), range(24)
    first = writer.records(900, users) + writer.of(OptOut(user=OPTED_OUT, request="out-1"))
    asyncio.run(append(kafka, first))
    ends = ends_of(first)
    process(kafka, url, tmp_path / "1.log", ends)
    assert deployment.audit(url, state).difference_count == 0
    before, told = history(url), len(in_order(kafka))
    shown = rows(url, "SELECT count(*) FROM presence WHERE state <> 'offline'")
    assert shown[0][0] > 5

    # What comes now nobody processes: an opt-out of which the API has told ingest, an erasure.
    lost = writer.of(OptOut(user=LOST_OPT_OUT, request="out-5"))
    lost += writer.of(Erase(user=LOST_ERASURE, request="erase-6"))
    asyncio.run(append(kafka, lost))
    opted_out_in = partition_of(LOST_OPT_OUT, kafka.partitions)
    flag_of_an_api(kafka, LOST_OPT_OUT, ends[opted_out_in])
    with psycopg.connect(url) as connection:
        connection.execute(
            'INSERT INTO erasures (erasure_id, user_hash, kind, "partition") '
            "VALUES (%s, %s, %s, %s)",
            ("erase-6", HASHED(LOST_ERASURE), "erased", partition_of(LOST_ERASURE, 2)),
        )
    assert {*traces(url, LOST_OPT_OUT)} >= {"presence", "changes"}

    deleted_and_made_anew(kafka, EVENTS)
    processor = ProcessorProcess(environment_of(kafka, url), tmp_path / "refused.log")
    wait_for("it refuses", lambda: processor.exit_status)
    refused = (tmp_path / "refused.log").read_text()
    assert "rollcall offsets accept-loss --new-topic keep history and opt-outs" in refused

    # It shows what it will do, and does nothing yet.
    said = accept(kafka, url)
    assert said.exit_code == 0, said.output
    assert f"partition 0: processed up to {ends[0]}, " in said.stdout
    assert f"the new topic (empty) is stored from {SPACING} on" in said.stdout
    assert "nothing was accepted; to accept" in said.stderr
    # Not while a processor runs, of whatever Kafka.
    with psycopg.connect(url, application_name="rollcall-processor"):
        said = accept(kafka, url, "--yes")
        assert said.exit_code == 1
        assert "stop all processors first" in said.stderr
    # Killed in the middle it leaves the database to the old topic, and is done again.
    with psycopg.connect(url) as connection:
        connection.execute("SELECT FROM deployment FOR UPDATE")
        killed = start_python(
            ["-P", "-m", "deploy.cli", "offsets", "accept-loss", "--new-topic", "--yes"],
            cwd=tmp_path,
            env={**os.environ, **environment_of(kafka, url)},
        )
        waits = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = %s"
        wait_for("it waits", lambda: rows(url, waits, deployment.database))
        killed.send_signal(signal.SIGKILL)
        killed.wait()
    assert rows(url, "SELECT log_base FROM deployment") == [(0,)]
    said = accept(kafka, url, "--yes")
    assert said.exit_code == 0, said.output
    assert "2 opt-outs and erasures that were lost are asked for again" in said.stdout
    assert accept(kafka, url, "--yes").stdout.startswith("nothing is lost")

    # It goes on above what is stored; nobody goes offline by it, and each row is what the logs say.
    written = asyncio.run(read_all(kafka, EVENTS))
    asked_again = {p: sum(record.partition == p for record in written) for p in range(2)}
    writer.now = now_ms() + 30_000
    second = writer.records(600, users)
    asyncio.run(append(kafka, second))
    ends = {p: SPACING + asked_again[p] + n for p, n in ends_of(second).items()}
    process(kafka, url, tmp_path / "2.log", ends)
    audited = deployment.audit(url, state)
    assert audited.differences == []
    assert (audited.percent_in_full, audited.in_part) == (100.0, [])
    after = history(url)
    assert {*before} < {*after}
    by_time = [row for row in after if row[1] >= SPACING and row[2] == -1]
    for partition in range(2):
        firsts = [row[1] for row in by_time if row[0] == partition]
        assert not firsts or min(firsts) > SPACING + asked_again[partition]
    lost_ranges = rows(url, "SELECT count(*), min(to_offset) FROM lost_ranges")
    assert lost_ranges == [(2, SPACING)]
    kinds = rows(url, "SELECT DISTINCT kind FROM outages WHERE kind = 'lost_range'")
    assert kinds == [("lost_range",)]
    of_before = "SELECT count(*) FROM changes WHERE user_id = %s AND log_offset < %s"
    assert rows(url, of_before, LOST_ERASURE, SPACING) == [(0,)]
    assert not traces(url, LOST_OPT_OUT, OPTED_OUT)
    assert len({*in_order(kafka)}) > told

    # The whole Kafka, once more; and a webhook that is in the middle of something.
    webhook(url)
    deleted_and_made_anew(kafka, *ALL_TOPICS)
    said = accept(kafka, url, "--yes")
    assert said.exit_code == 0, said.output
    assert "webhooks begin anew" in said.stdout
    assert webhook_cursors(url) == [(0, b"body", 0)]
    letters = "SELECT why, replaying_since FROM webhook_dead_letters ORDER BY id"
    assert rows(url, letters) == [("lost", None)]
    # The message can be given up still, and nobody will look for it in the new topic.
    given_up = load_queries("processor.notify", "queries.sql")["given_up"]
    place = {"webhook": "wh", "partition": 0, "dead_letter": 0, "message_id": "msg"}
    with psycopg.connect(url) as connection:
        connection.execute(given_up, place)
    assert rows(url, letters) == [("lost", None), ("lost", None)]
    assert webhook_cursors(url) == [(0, None, None)]
    flags = {record.key for record in asyncio.run(read_all(kafka, PRIVACY))}
    assert flags >= {flag_key(HASHED(user), "log") for user in (OPTED_OUT, LOST_OPT_OUT)}
    writer.now += 60_000
    third = writer.records(300, users)
    asyncio.run(append(kafka, third))
    process(kafka, url, tmp_path / "3.log", {p: 2 * SPACING + n for p, n in ends_of(third).items()})
    audited = deployment.audit(url, state)
    assert audited.differences == []
    assert (audited.percent_in_full, audited.in_part) == (100.0, [])
    assert {*after} <= {*history(url)}
    assert not traces(url, LOST_OPT_OUT, OPTED_OUT)
    assert in_order(kafka)[-1][1] >= 2 * SPACING


def in_order(kafka: KafkaSettings) -> list[tuple[int, ...]]:
    """The ids on ``presence.changes``, each once, as a reader sees them who drops what it knows; by
    partition they must ascend."""
    ids = [tuple(map(int, change["id"].split(":"))) for change in published_changes(kafka)]
    once = list(dict.fromkeys(ids))
    for number in range(kafka.partitions):
        of_partition = [each for each in once if each[0] == number]
        assert of_partition == sorted(of_partition)
    return once


def webhook(url: str) -> None:
    """One with a message on its way, and a dead letter that is being replayed."""
    with psycopg.connect(url) as connection:
        connection.execute(
            "INSERT INTO webhooks (id, url, filter, created_by, secret) "
            "VALUES ('wh', 'https://x.example', '{}', 'ops', 'x')"
        )
        [(letter,)] = connection.execute(
            'INSERT INTO webhook_dead_letters (webhook, "partition", from_offset, next_offset, '
            "changes, why, replaying_since) VALUES ('wh', 0, 100000, 100010, 4, 'retries', now()) "
            "RETURNING id"
        ).fetchall()
        connection.execute(
            'INSERT INTO webhook_cursors (webhook, "partition", dead_letter, next_offset, '
            "until_offset, message_id, body, changes, message_next_offset, oldest_at, fixed_at) "
            "VALUES ('wh', 0, 0, 100200, NULL, 'msg', 'body', 1, 100201, now(), now()), "
            "('wh', 0, %s, 100000, 100010, NULL, NULL, NULL, NULL, NULL, NULL)",
            (letter,),
        )


def webhook_cursors(url: str) -> list[tuple[Any, ...]]:
    return rows(url, "SELECT next_offset, body, message_next_offset FROM webhook_cursors")


def test_what_is_no_new_topic_of_this_database_is_refused(
    deployment: Deployment, database_url: str, tmp_path: Path
) -> None:
    kafka, url = deployment.kafka, database_url
    assert "never had a processor" in accept(kafka, url).stderr
    with psycopg.connect(url) as connection:
        insert = "INSERT INTO deployment (topic, topic_id, partitions) VALUES (%s, %s, %s)"
        connection.execute(insert, ("another.presence.events", uuid.uuid4(), 2))
    assert "a new topic has the name of the old one" in accept(kafka, url, "--yes").stderr
    with psycopg.connect(url) as connection:
        update = "UPDATE deployment SET topic = %s, partitions = 3"
        connection.execute(update, (topic_name(kafka, EVENTS),))
    assert "Make the topic with 3" in accept(kafka, url, "--yes").stderr
    runner, env = CliRunner(), environment_of(kafka, url)
    for options in (["--yes"], ["--new-topic", "--partition", "1"]):
        said = runner.invoke(app, ["offsets", "accept-loss", *options], env=env)
        assert said.exit_code == 2


def test_a_processor_that_still_reads_the_old_topic_ends_and_says_why(
    kafka_settings: KafkaSettings, database_url: str, tmp_path: Path
) -> None:
    """The old Kafka was not lost after all, and somebody has accepted it all the same."""
    beat = batch(Heartbeat(user="ann", token="t", screen="Home"))
    ann = partition_of("ann", kafka_settings.partitions)
    asyncio.run(produce(kafka_settings, [(ann, beat)]))
    processor = ProcessorProcess(
        processor_environment(kafka_settings, database_url), tmp_path / "processor.log"
    )
    try:
        wait_for("it is stored", lambda: stored_through(database_url).get(ann) == 1)
        with psycopg.connect(database_url) as connection:
            connection.execute("UPDATE deployment SET log_base = %s", (SPACING,))
            connection.execute("UPDATE stream_offsets SET next_offset = %s", (SPACING,))
        asyncio.run(produce(kafka_settings, [(ann, beat)]))
        assert wait_for("it ends", lambda: processor.exit_status) == 1
    finally:
        processor.kill()
    said = (tmp_path / "processor.log").read_text()
    assert "the database belongs to another topic since somebody accepted that" in said
    assert stored_through(database_url)[ann] == SPACING
