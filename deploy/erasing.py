"""Erasures and opt-outs by hand: events into the log, and flags from topic to table and back.

What `rollcall erase` and `rollcall opt-outs` do.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence, Set
from contextlib import asynccontextmanager
from typing import Any, Final
from uuid import UUID

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from psycopg import AsyncConnection

from deploy.erase_settings import EraseSettings
from processor.kafka.consumer_group import count_members
from schemas.database.named_queries import load_queries
from schemas.log.client import client_options
from schemas.log.events import MAX_USER_ID, Erase, OptOut, encode_batch, partition_of
from schemas.log.privacy_flags import Flag, decode_flag, encode_flag, flag_key, user_of_key
from schemas.log.topic_ids import topic_id
from schemas.log.topics import EVENTS, PRIVACY, topic_name
from schemas.service.user_hash import UserHash, check_fingerprint
from schemas.untrusted.text import clean_text

#: One transaction of the processor's takes the erasures of a few records: short enough for others.
EVENTS_PER_RECORD: Final = 20
USERS_AT_ONCE: Final = 400
PASSED_SECONDS: Final = 60.0
_ASK_EVERY_SECONDS: Final = 0.1
_FETCHED: Final = 10_000


class ProcessorsRunError(RuntimeError):
    """Flags are not to be written into the table now: whoever runs holds those of before."""


class NotPassedError(RuntimeError):
    """The events are in the log, and no processor has passed them in time."""


def is_user_id(text: str) -> bool:
    """Whether a token could name such a user."""
    return 0 < len(text) <= MAX_USER_ID and clean_text(text) == text


def usable_ids(lines: Iterable[str]) -> list[str]:
    """User ids, one a line, each once. Raises ``ValueError`` that names the line."""
    users: dict[str, None] = {}
    for number, line in enumerate(lines, start=1):
        user = line.rstrip("\r\n")
        if not user:
            continue
        if not is_user_id(user):
            raise ValueError(f"line {number} is no user id")
        users[user] = None
    return list(users)


class Erasing:
    """One database and one log. Raises ``psycopg.Error``, ``KafkaError``, ``OSError``."""

    def __init__(self, settings: EraseSettings, dsn: str, hashed: UserHash) -> None:
        self._settings = settings
        self._dsn = dsn
        self._hashed = hashed
        self._queries = load_queries("deploy", "erasing.sql")

    async def check(self) -> None:
        """Raises ``schemas.service.user_hash.UserHashKeyError`` if the database knows users by
        another key."""
        async with await AsyncConnection.connect(self._dsn) as connection:
            row = await (await connection.execute(self._queries["fingerprint"])).fetchone()
        if row is not None:
            check_fingerprint(self._hashed, row[0], "the database")

    async def require_stopped_processors(self) -> None:
        """Raises :class:`ProcessorsRunError`."""
        group = self._settings.group
        if running := await count_members(self._settings, group):
            verb = "is a processor" if running == 1 else f"are {running} processors"
            raise ProcessorsRunError(
                f"there {verb} in Kafka's consumer group {group}, which would go on without these "
                "opt-outs and store what comes of the users: stop the processors first (one that "
                "was killed counts for ROLLCALL_SESSION_TIMEOUT_SECONDS more). Where they cannot "
                "be stopped by themselves, as with rollcall up, say --despite-processors and "
                "start them again right after it"
            )

    async def erase(self, users: Mapping[str, int | None], *, wait: bool = True) -> dict[str, str]:
        """Erase these users, each with the log time before which, or ``None`` for everything;
        gives the id of each erasure. Raises :class:`NotPassedError`."""
        ids = {user: secrets.token_hex(16) for user in users}
        names = list(users)
        async with self._producer() as producer:
            for start in range(0, len(names), USERS_AT_ONCE):
                some = names[start : start + USERS_AT_ONCE]
                ends = await self._write(producer, {user: users[user] for user in some}, ids)
                if wait:
                    await self._until_passed(ends)
        return ids

    async def rows_removed(self, ids: Iterable[str]) -> dict[str, int]:
        """Of each erasure that processors have passed."""
        async with await AsyncConnection.connect(self._dsn) as connection:
            cursor = await connection.execute(self._queries["removed"], (list(ids),))
            return dict(await cursor.fetchall())

    async def flags_of_topic(self) -> dict[bytes, Flag]:
        """Of each user on ``presence.privacy`` the flag that holds, with the latest erasure. Raises
        ``schemas.service.user_hash.UserHashKeyError``."""
        flags: dict[bytes, Flag] = {}
        async for user_hash, flag in self._records():
            check_fingerprint(self._hashed, flag.fingerprint, "the topic presence.privacy")
            known = flags.get(user_hash)
            if known is not None:
                last = flag if flag.offset >= known.offset else known
                erased_ms = max(flag.erased_ms or 0, known.erased_ms or 0) or None
                flag = msgspec.structs.replace(last, erased_ms=erased_ms)
            flags[user_hash] = flag
        return flags

    async def restore_table(self, flags: Mapping[bytes, Flag]) -> int:
        """Write the flags into the table where it knows nothing later; how many it lacked."""
        restored = 0
        async with await AsyncConnection.connect(self._dsn) as connection:
            await connection.execute(self._queries["claim"], (self._hashed.fingerprint,))
            for user_hash, flag in flags.items():
                values = (user_hash, flag.partition, flag.opted_out, flag.offset, flag.erased_ms)
                cursor = await connection.execute(self._queries["restore_flag"], values)
                restored += cursor.rowcount
        return restored

    async def restore_topic(self) -> int:
        """Publish every flag of the table; how many."""
        published = 0
        async with (
            await AsyncConnection.connect(self._dsn) as connection,
            connection.cursor("flags") as cursor,
            self._producer() as producer,
        ):
            topic = topic_name(self._settings, PRIVACY)
            await cursor.execute(self._queries["all_flags"])
            while rows := await cursor.fetchmany(_FETCHED):
                sent = []
                for user_hash, partition, opted_out, offset, erased_ms in rows:
                    flag = Flag(opted_out, partition, offset, self._hashed.fingerprint, erased_ms)
                    key, value = flag_key(user_hash, "log"), encode_flag(flag)
                    sent.append(await producer.send(topic, value, key=key, partition=partition))
                await asyncio.gather(*sent)
                published += len(rows)
        return published

    async def known_again(self, flags: Mapping[bytes, Flag]) -> dict[str, int]:
        """Users of whom the database holds something that an erasure had taken, and until when."""
        found: dict[str, int] = {}
        async for user_hash, user in self._known():
            flag = flags.get(user_hash)
            if flag is not None and flag.erased_ms is not None:
                # What was stored in the very millisecond went, too.
                found[user] = flag.erased_ms + 1
        return found

    async def ids_of(self, user_hashes: Set[bytes]) -> dict[bytes, str]:
        """Of these users those of whom something is stored."""
        if not user_hashes:
            return {}
        return {known: user async for known, user in self._known() if known in user_hashes}

    async def _known(self) -> AsyncIterator[tuple[bytes, str]]:
        async with (
            await AsyncConnection.connect(self._dsn) as connection,
            connection.cursor("users") as cursor,
        ):
            await cursor.execute(self._queries["known_users"])
            while rows := await cursor.fetchmany(_FETCHED):
                for (user,) in rows:
                    yield self._hashed(user), user

    async def write(self, events: Sequence[OptOut | Erase]) -> None:
        """Into the log; nobody is waited for."""
        async with self._producer() as producer:
            await self._append(producer, events)

    async def _write(
        self, producer: AIOKafkaProducer, users: Mapping[str, int | None], ids: Mapping[str, str]
    ) -> dict[int, int]:
        events = [
            Erase(user=user, request=ids[user], before_ms=before_ms)
            for user, before_ms in users.items()
        ]
        return await self._append(producer, events)

    async def _append(
        self, producer: AIOKafkaProducer, events: Sequence[OptOut | Erase]
    ) -> dict[int, int]:
        """Each to its user's partition; the last offset by partition."""
        by_partition: dict[int, list[OptOut | Erase]] = {}
        for event in events:
            partition = partition_of(event.user, self._settings.partitions)
            by_partition.setdefault(partition, []).append(event)
        topic = topic_name(self._settings, EVENTS)
        ends: dict[int, int] = {}
        for partition, some in by_partition.items():
            for start in range(0, len(some), EVENTS_PER_RECORD):
                value = encode_batch(some[start : start + EVENTS_PER_RECORD])
                sent = await producer.send_and_wait(topic, value, partition=partition)
                ends[partition] = sent.offset
        return ends

    async def _until_passed(self, ends: Mapping[int, int]) -> None:
        written_to = await topic_id(self._settings, topic_name(self._settings, EVENTS))
        async with await AsyncConnection.connect(self._dsn, autocommit=True) as connection:
            try:
                async with asyncio.timeout(PASSED_SECONDS):
                    while not await self._passed(connection, written_to, ends):
                        await asyncio.sleep(_ASK_EVERY_SECONDS)
            except TimeoutError:
                raise NotPassedError(
                    f"the erasures are in the log, and no processor has passed them in "
                    f"{PASSED_SECONDS:g} s: they will be done once one runs"
                ) from None

    async def _passed(
        self,
        connection: AsyncConnection[tuple[Any, ...]],
        written_to: UUID,
        ends: Mapping[int, int],
    ) -> bool:
        cursor = await connection.execute(self._queries["next_offsets"], (written_to,))
        following = dict(await cursor.fetchall())
        return all(following.get(partition, 0) > offset for partition, offset in ends.items())

    @asynccontextmanager
    async def _producer(self) -> AsyncIterator[AIOKafkaProducer]:
        producer = AIOKafkaProducer(
            **client_options(self._settings),
            client_id="rollcall-erase",
            acks="all",
            enable_idempotence=True,
        )
        try:
            await producer.start()
            yield producer
        finally:
            await producer.stop()

    async def _records(self) -> AsyncIterator[tuple[bytes, Flag]]:
        consumer = AIOKafkaConsumer(
            **client_options(self._settings),
            client_id="rollcall-erase",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
        )
        try:
            await consumer.start()
            topic = topic_name(self._settings, PRIVACY)
            partitions = [TopicPartition(topic, p) for p in range(self._settings.partitions)]
            consumer.assign(partitions)
            await consumer.seek_to_beginning(*partitions)
            ends = await consumer.end_offsets(partitions)
            while any([await consumer.position(p) < ends[p] for p in partitions]):
                for records in (await consumer.getmany(timeout_ms=500)).values():
                    for record in records:
                        user_hash = user_of_key(record.key)
                        if user_hash is not None and record.value is not None:
                            yield user_hash, decode_flag(record.value)
        finally:
            await consumer.stop()
