"""Kafka that loses the end of its log, its beginning, all of it, or what it knows of the group; and
records that are no events."""

from __future__ import annotations

import asyncio
import random
import shutil
import signal
import time
from typing import Final

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.protocol.admin import DeleteGroupsRequest

from schemas.log.events import Tick, encode_batch
from schemas.log.topics import EVENTS, create_topics, kafka_admin, topic_name
from tests.faults.judge import Loss
from tests.faults.kinds import NothingHappenedError, Round, told
from tests.faults.names import CLIENTS, GROUP, INGESTS, KAFKA, PARTITIONS, PROCESSORS
from tests.faults.segments import tear
from tests.faults.stack import Stack
from tests.faults.truth import Id
from tests.rigs.rig import wait_for

#: How long what was torn may still be found by a running processor: it looks back every 30 s.
NOTICED_SECONDS: Final = 90.0
#: What a processor says of a log that lost what it had read.
TORN: Final = ("Kafka has another record", "Kafka has lost records", "is next, Kafka gave")


def torn_tail(round_: Round) -> Loss:
    """Kafka is killed and its disk has lost the last records of each partition, of which no
    processor had read one: they are gone, and nothing else."""
    stack = round_.stack
    for name in PROCESSORS:
        stack.managed[name].send(signal.SIGSTOP)
    try:
        time.sleep(round_.chance.uniform(1.5, 2.5))  # so that there is something unread
        read = stack.next_offsets()
        events = _tear(round_, read)
    finally:
        for name in PROCESSORS:
            stack.managed[name].send(signal.SIGCONT)
    _start_ingests_that_refuse(stack)
    return Loss(events=events)


def torn_tail_that_was_read(round_: Round) -> Loss:
    """The same, of records that were processed: processors must refuse to go on, and begin anew
    with an empty database."""
    stack = round_.stack
    logged = _logged(stack)
    events = _tear(round_, None)
    _start_ingests_that_refuse(stack)
    wait_for("a processor refuses", lambda: _said_since(stack, logged, *TORN), NOTICED_SECONDS)
    _begin_anew(round_)
    # It may have read what was torn; that the log is another one shows in no offset.
    shutil.rmtree(stack.directory / "audit", ignore_errors=True)
    return Loss(events=events, presence=True)


def _tear(round_: Round, unread_from: dict[int, int] | None) -> set[Id]:
    """Kafka loses the end of its log; gives the events that were there."""
    stack = round_.stack
    round_.recount.go_on()
    stack.managed[KAFKA].kill(stays_away=True)
    acknowledged = round_.fleet.truth.acknowledged_now()
    ends: dict[int, int] = {}
    for number, path in enumerate(stack.segments):
        end = tear(path, round_.chance.randint(1, 4))
        if end is not None and unread_from is not None and end < unread_from[number]:
            raise NothingHappenedError(f"partition {number}: records were torn that were read")
        if end is not None:
            ends[number] = end
    if not ends:
        raise NothingHappenedError("no record was torn")
    stack.managed[KAFKA].start()
    stack.wait_for_kafka()
    torn = {event for number, end in ends.items() for event in round_.recount.tear(number, end)}
    # What came between the last look at the log and its end, and is not there any more.
    after = round_.recount.go_on()
    if lost := [n for n, end in ends.items() if after[n] < end]:
        raise AssertionError(f"Kafka lost more than was torn, of partitions {lost}")
    counts = round_.recount.counts()
    return torn | {event for event in acknowledged if event not in counts}


def _logged(stack: Stack) -> dict[str, int]:
    """How long the logs of the processors are."""
    return {name: len(stack.managed[name].log) for name in PROCESSORS}


def _said_since(stack: Stack, logged: dict[str, int], *words: str) -> bool:
    """Whether a processor has said one of these since then."""
    return any(
        word in stack.managed[name].log[at:] for name, at in logged.items() for word in words
    )


def _start_ingests_that_refuse(stack: Stack) -> None:
    """An ingest whose log lost its end, or is another one, refuses until it is started again."""
    for name in INGESTS:
        stack.managed[name].restart()


def _begin_anew(round_: Round) -> None:
    round_.stack.empty_database()
    round_.stack.start_services()


def group_offsets_deleted(round_: Round) -> None:
    """The consumer group is deleted with all that it had committed, while no processor runs."""
    stack = round_.stack
    for name in PROCESSORS:
        stack.managed[name].stop()
    try:
        asyncio.run(_delete_group(stack))
    finally:
        for name in PROCESSORS:
            stack.managed[name].start()


async def _delete_group(stack: Stack) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=stack.kafka_settings.kafka_bootstrap)
    await admin.start()
    try:
        node = await admin.find_coordinator(GROUP)
        async with asyncio.timeout(30):
            while True:
                answer = await admin._send_request(DeleteGroupsRequest([GROUP]), node)
                [(_, code)] = answer.results
                if code == 0:
                    return
                # It may still have members that ended without a word.
                await asyncio.sleep(0.2)
    finally:
        await admin.close()


def topic_made_again(round_: Round) -> Loss:
    """The topic is deleted and made again while all run. What was acknowledged until then is gone;
    afterwards as the runbook says: all services stop, and an empty database."""
    stack = round_.stack
    began = time.time()
    round_.recount.go_on()
    asyncio.run(_replace(stack))
    wait_for("a processor is not ready", lambda: not all(map(stack.is_ready, PROCESSORS)))
    for name in CLIENTS:
        stack.managed[name].stop()
    # What was acknowledged while it was replaced is in neither, or in the one that is gone.
    until = time.time()
    round_.recount.another_log()
    round_.recount.go_on()
    _begin_anew(round_)
    return Loss(between=(began - 1, until), presence=True)


def topic_lost(round_: Round) -> Loss:
    """The topic is lost with records that no processor had read, and made again; history goes on in
    it after `rollcall offsets accept-loss --new-topic`. Lost is what was in those records."""
    stack = round_.stack
    for name in PROCESSORS:
        stack.managed[name].stop()
    # So that the audit knows all that was before.
    stack.command("audit", "--state", str(stack.directory / "audit"))
    began = time.time()
    round_.recount.go_on()
    round_.last(2, 5)
    asyncio.run(_replace(stack))
    logged = _logged(stack)
    stack.managed[PROCESSORS[0]].start()
    wait_for("a processor refuses", lambda: _said_since(stack, logged, "accept-loss --new-topic"))
    for name in CLIENTS:
        stack.managed[name].stop()
    round_.recount.another_log()
    done = stack.command("offsets", "accept-loss", "--new-topic", "--yes")
    if "accepted: " not in done.stdout:
        raise NothingHappenedError(f"it was not accepted: {done.stdout} {done.stderr}")
    # No ingest has run for a while: every answer of the old log has come to its phone.
    until = time.time()
    stack.start_services()
    return Loss(between=(began - 1, until))


async def _replace(stack: Stack) -> None:
    topic = topic_name(stack.kafka_settings, EVENTS)
    async with kafka_admin(stack.kafka_settings) as admin:
        await admin.delete_topics([topic])
        async with asyncio.timeout(30):
            while topic in await admin.list_topics():
                await asyncio.sleep(0.05)
    await create_topics(stack.kafka_settings)


def records_gone(round_: Round) -> Loss:
    """Retention takes records that no processor has read; processors refuse, and go on after
    `rollcall offsets accept-loss`. Their effects are gone."""
    stack = round_.stack
    for name in PROCESSORS:
        stack.managed[name].stop()
    # So that the audit knows all that was before.
    stack.command("audit", "--state", str(stack.directory / "audit"))
    round_.last(3, 6)
    ends = round_.recount.go_on()
    asyncio.run(_delete_records(stack, ends))
    logged = _logged(stack)
    for name in PROCESSORS:
        stack.managed[name].start()
    wait_for("processors refuse", lambda: _said_since(stack, logged, "accept-loss"))
    options = [text for p in range(PARTITIONS) for text in ("--partition", str(p))]
    done = stack.command("offsets", "accept-loss", *options)
    if "accepted as lost" not in done.stdout:
        raise NothingHappenedError(f"nothing was accepted as lost: {done.stdout} {done.stderr}")
    return Loss()


async def _delete_records(stack: Stack, before: dict[int, int]) -> None:
    topic = topic_name(stack.kafka_settings, EVENTS)
    async with kafka_admin(stack.kafka_settings) as admin:
        await admin.delete_records(
            {TopicPartition(topic, p): RecordsToDelete(end) for p, end in before.items()}
        )


def poison(round_: Round) -> None:
    """Records that are no batch of events, and batches with events that are none, by hand."""
    asyncio.run(_produce(round_.stack, _poisons(round_.chance)))


def _poisons(chance: random.Random) -> list[bytes | None]:
    batch = encode_batch([Tick(), Tick()])
    return [
        None,
        b"",
        b"\x00",
        chance.randbytes(300),
        batch[: len(batch) // 2],
        b"\x91" * 3_000,
        b'{"user": "ann"}',
        b"\x92\x01\x92\x91\xa4nope\x92\xa9heartbeat\x07",
        b"\x92\x01\x91\x93\xa9heartbeat\xa0\xa1t",
    ]


async def _produce(stack: Stack, values: list[bytes | None]) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=stack.kafka_settings.kafka_bootstrap)
    await producer.start()
    try:
        topic = topic_name(stack.kafka_settings, EVENTS)
        for value in values:
            for partition in range(PARTITIONS):
                key = None if value is not None else b""
                await producer.send_and_wait(topic, value, key=key, partition=partition)
    finally:
        await producer.stop()


KINDS: Final = [
    told("torn-tail", torn_tail, brokers=1),
    told("torn-tail-read", torn_tail_that_was_read, brokers=1),
    told("group-deleted", group_offsets_deleted),
    told("topic-made-again", topic_made_again),
    told("topic-lost", topic_lost),
    told("records-gone", records_gone),
    told("poison", poison),
]
