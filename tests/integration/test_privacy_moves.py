"""Partitions that move between processors while opt-outs and erasures are in flight (promise 8)."""

from __future__ import annotations

import asyncio
import itertools
import signal
from contextlib import AsyncExitStack
from pathlib import Path

import psycopg
import pytest

from processor.kafka.consumer_group import count_members
from schemas.log.events import Heartbeat, partition_of
from schemas.log.privacy_flags import Flag, decode_flag, flag_key, user_of_key
from schemas.log.settings import KafkaSettings
from schemas.log.topics import EVENTS, PRIVACY
from schemas.service.user_hash import HASH_BYTES, UserHash
from tests.rigs.privacy_rig import (
    KEY,
    OPT_OUT,
    Person,
    online,
    private_api,
    private_ingest,
    processor_of,
    traces,
    waiting_briefly,
)
from tests.rigs.rig import (
    DEADLINE_SECONDS,
    ProcessorProcess,
    batch,
    produce,
    published_changes,
    read_all,
    rows,
    stored_through,
    wait_for,
)

HASHED = UserHash(KEY)
IN_THE_MIDDLE = (
    "SELECT count(*)::int FROM pg_stat_activity WHERE wait_event_type = 'Lock' "
    "AND application_name = 'rollcall-processor' AND datname = current_database()"
)


def a_user_a_partition(kafka: KafkaSettings, who: str) -> list[str]:
    """Found nowhere by chance."""
    found: dict[int, str] = {}
    for number in itertools.count():
        user = f"{who}-4d1c07e9-{number}"
        found.setdefault(partition_of(user, kafka.partitions), user)
        if len(found) == kafka.partitions:
            return [found[partition] for partition in sorted(found)]
    raise AssertionError


async def say(kafka: KafkaSettings, *users: str) -> None:
    """A heartbeat of each, straight into the log."""
    beats = [Heartbeat(user=user, token=f"sid:{user}", screen="Home") for user in users]
    await produce(kafka, [(partition_of(b.user, kafka.partitions), batch(b)) for b in beats])


async def until_members(kafka: KafkaSettings, members: int) -> None:
    """Until so many processors are in the consumer group."""
    group = f"{kafka.topic_prefix}rollcall-processor"
    async with asyncio.timeout(DEADLINE_SECONDS):
        while await count_members(kafka, group) != members:
            await asyncio.sleep(0.1)


async def until(what: str, condition: object) -> None:
    await asyncio.to_thread(wait_for, what, condition)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "how",
    [
        "one joins",
        "one freezes",
        # Less of the same: its partitions are given back, or it does not come back.
        *(pytest.param(how, marks=pytest.mark.long) for how in ("one leaves", "one is killed")),
    ],
)
async def test_opt_outs_and_erasures_hold_when_their_partitions_move_in_the_middle(
    kafka_settings: KafkaSettings, database_url: str, tmp_path: Path, how: str
) -> None:
    kafka = kafka_settings
    leaving, erased, staying = (a_user_a_partition(kafka, who) for who in ("out", "gone", "stay"))
    # The log goes on by ingest's ticks.
    async with private_ingest(kafka), AsyncExitStack() as running:

        def start(name: str) -> ProcessorProcess:
            one = processor_of(kafka, database_url, tmp_path / f"{name}.log")
            running.callback(one.kill)
            return one

        start("first")
        await until_members(kafka, 1)
        moved = None
        if how != "one joins":
            moved = start("second")
            await until_members(kafka, 2)
        await say(kafka, *leaving, *erased, *staying)
        await until("all are online", lambda: online(database_url) == 3 * kafka.partitions)
        async with private_api(kafka, database_url) as api:
            with waiting_briefly(), psycopg.connect(database_url) as holder:
                # Nobody's rows can be removed: no transaction that removes somebody can end.
                holder.execute("SELECT FROM user_days FOR UPDATE")
                asked = [Person(api, user).set_tracking(OPT_OUT) for user in leaving]
                asked += [Person(api, user).erase() for user in erased]
                answers = asyncio.gather(*asked)
                processors = 1 if moved is None else 2
                await until(
                    "each is in the middle",
                    lambda: rows(database_url, IN_THE_MIDDLE)[0][0] >= processors,
                )
                if how == "one joins":
                    start("second")
                    await until_members(kafka, 2)
                elif how == "one leaves":
                    assert moved is not None
                    moved.send(signal.SIGTERM)
                    await until_members(kafka, 1)
                elif how == "one is killed":
                    assert moved is not None
                    moved.kill()
                    await until_members(kafka, 1)
                elif how == "one freezes":
                    assert moved is not None
                    moved.send(signal.SIGSTOP)
                    await until_members(kafka, 1)
                assert {status for status, _ in await answers} == {202}
        if how == "one freezes":
            assert moved is not None
            # It goes on with the transaction that it was in, and finds that it has no partition.
            moved.send(signal.SIGCONT)
        await until("nothing is left", lambda: not traces(database_url, *leaving, *erased))
        await until("the others stay", lambda: online(database_url) == len(staying))
        # Whoever has the partitions now knows who is out.
        await say(kafka, *leaving)
        read = {record.partition: record.offset for record in await read_all(kafka, EVENTS)}
        await until(
            "what comes late is read",
            lambda: all(stored_through(database_url)[p] > offset for p, offset in read.items()),
        )
        assert traces(database_url, *leaving, *erased) == []
        assert online(database_url) == len(staying)
        gone = [*leaving, *erased]
        await until("all of it is told", lambda: len(last_changes(kafka)) >= len(gone))
        await until("ingest is told", lambda: len(flags_of_processors(kafka)) >= len(gone))
    wanted = [(user, "opted_out") for user in leaving] + [(user, "erased") for user in erased]
    last = await asyncio.to_thread(last_changes, kafka)
    assert sorted(last.values()) == sorted(wanted)
    flags = await asyncio.to_thread(flags_of_processors, kafka)
    assert {user_hash for user_hash, flag in flags.items() if flag.opted_out} == {
        HASHED(user) for user in leaving
    }
    assert flags.keys() == {HASHED(user) for user in gone}
    assert all(flag.erased_ms is not None for flag in flags.values())


def last_changes(kafka: KafkaSettings) -> dict[str, tuple[str, str]]:
    """User and reason by id, of those of whole users."""
    told = published_changes(kafka)
    return {c["id"]: (c["user_id"], c["reason"]) for c in told if not c["device"]}


def flags_of_processors(kafka: KafkaSettings) -> dict[bytes, Flag]:
    """The last of each user that is not the API's."""
    return {
        record.key[:HASH_BYTES]: decode_flag(record.value)
        for record in asyncio.run(read_all(kafka, PRIVACY))
        if user_of_key(record.key) is not None
        and record.key == flag_key(record.key[:HASH_BYTES], "log")
    }
