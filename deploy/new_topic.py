"""Another topic under the same history: what `rollcall offsets accept-loss --new-topic` does.

Kafka lost `presence.events` for good, and a topic of its name was made anew. Then, in this order:

1. the flags of the table go to `presence.privacy`, and those of the topic into the table, so that
   each has what either knows; and what users asked for in records that are lost now is asked for
   again, in the new topic.
2. in one transaction the database comes to belong to the new topic, by a base that is above every
   position before it (``processor/core/log/positions.py``). What each partition had not processed
   is a lost range, as where retention was faster: presence takes it for an outage. Webhooks begin
   anew where `presence.changes` is another topic too.

Whoever is killed before the second step does it all again; the first one may be done twice.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from aiokafka import AIOKafkaConsumer
from psycopg import AsyncConnection

from deploy.erasing import Erasing, ProcessorsRunError
from processor.core.deployment import UnusableDeploymentError
from processor.core.log.positions import next_base
from processor.kafka.consumer_group import count_members
from processor.settings import ProcessorSettings
from processor.startup import partition_offsets
from schemas.database.named_queries import load_queries
from schemas.log.events import Erase, OptOut
from schemas.log.privacy_flags import Flag
from schemas.log.topic_ids import topic_id
from schemas.log.topics import CHANGES, EVENTS, topic_name

CONNECT_TIMEOUT_SECONDS: Final = 10


@dataclass(frozen=True, slots=True)
class Plan:
    """What accepting would do. Offsets that are stored are positions, by partition."""

    topic: str
    old_id: UUID
    new_id: UUID
    base: int
    stored: Mapping[int, int]
    log_times_ms: Mapping[int, int | None]
    #: What the new topic has, in Kafka's offsets.
    begins: Mapping[int, int]
    ends: Mapping[int, int]
    #: Begin and end of ``presence.changes`` where it is shorter than webhooks have read.
    changes: Mapping[int, tuple[int, int]]


class NewTopic:
    """One database and one log. Raises ``psycopg.Error``, ``KafkaError``, ``OSError`` and
    :class:`UnusableDeploymentError`. ``erasing`` is absent without a key."""

    def __init__(self, settings: ProcessorSettings, dsn: str, erasing: Erasing | None) -> None:
        self._settings = settings
        self._dsn = dsn
        self._erasing = erasing
        self._queries = load_queries("deploy", "new_topic.sql")
        self._accept_loss = load_queries("processor.store", "queries.sql")["accept_loss"]

    async def plan(self) -> Plan | None:
        """``None``: the database belongs to the topic that there is."""
        settings = self._settings
        topic = topic_name(settings, EVENTS)
        new_id = await topic_id(settings, topic)
        async with await self._connected() as connection:
            row = await (await connection.execute(self._queries["deployment"])).fetchone()
            if row is None:
                raise UnusableDeploymentError(
                    "the database has never had a processor: nothing of a log is lost to it"
                )
            known, old_id, partitions, old_base = row
            if old_id == new_id:
                return None
            self._check(known, topic, partitions)
            cursor = await connection.execute(self._queries["stored"])
            stored = await cursor.fetchall()
            cursor = await connection.execute(self._queries["highest_position"])
            [(highest,)] = await cursor.fetchall()
            cursor = await connection.execute(self._queries["has_flags"])
            if await cursor.fetchone() == (True,) and self._erasing is None:
                raise UnusableDeploymentError(
                    "the database knows who has opted out, by a key: set ROLLCALL_USER_HASH_KEY to "
                    "that of the services, and ROLLCALL_EVENT_VERSION=2"
                )
            cursor = await connection.execute(self._queries["told_offsets"])
            told = dict(await cursor.fetchall())
        if self._erasing is not None:
            flags = await self._erasing.flags_of_topic()
            # A restored database may know less than was told.
            highest = max([highest, old_base, *(flag.offset for flag in flags.values())])
        offsets = AIOKafkaConsumer
        return Plan(
            topic,
            old_id,
            new_id,
            next_base(highest),
            {number: at for number, at, _ in stored},
            {number: ms for number, _, ms in stored},
            await partition_offsets(settings, topic, offsets.beginning_offsets),
            await partition_offsets(settings, topic, offsets.end_offsets),
            await self._shorter(told),
        )

    async def require_stopped_processors(self) -> None:
        """Raises :class:`ProcessorsRunError`: those of the old Kafka would go on in the database,
        those of the new one wait for it."""
        group = self._settings.group
        if running := await count_members(self._settings, group):
            raise ProcessorsRunError(
                f"processes are in Kafka's consumer group {group} ({running}): stop all processors "
                "first (one that was killed counts for ROLLCALL_SESSION_TIMEOUT_SECONDS more)"
            )
        async with await self._connected() as connection:
            cursor = await connection.execute(self._queries["processor_sessions"])
            [(sessions,)] = await cursor.fetchall()
        if sessions:
            raise ProcessorsRunError(
                f"processors are connected to the database ({sessions} sessions named "
                "rollcall-processor in pg_stat_activity): stop all processors first"
            )

    async def accept(self, plan: Plan) -> int:
        """Do it; gives how many requests of users were lost and are made again. Raises
        :class:`UnusableDeploymentError` where something has changed since the plan was made."""
        again = 0
        if self._erasing is not None:
            flags = await self._erasing.flags_of_topic()
            await self._erasing.restore_topic()
            await self._erasing.restore_table(flags)
            again = await self._ask_again(self._erasing, flags, plan.stored)
        async with await self._connected() as connection:
            values = {"old_id": plan.old_id, "new_id": plan.new_id, "base": plan.base}
            cursor = await connection.execute(self._queries["move_to_new_topic"], values)
            moved = await cursor.fetchone()
            for number, position in plan.stored.items():
                lost = {
                    "partition": number,
                    "from_offset": position,
                    "to_offset": plan.base + plan.begins[number],
                }
                cursor = await connection.execute(self._accept_loss, lost)
                moved = moved and await cursor.fetchone()
            if not moved:
                await connection.rollback()
                raise UnusableDeploymentError(
                    "the database has changed meanwhile, and nothing was accepted: make sure that "
                    "no processor runs, and look again"
                )
            for number, (begins, ends) in plan.changes.items():
                place = {"partition": number, "begins": begins, "ends": ends}
                for name in ("forget_replays", "forget_dead_letters", "begin_cursors_anew"):
                    await connection.execute(self._queries[name], place)
        return again

    async def _ask_again(
        self, erasing: Erasing, flags: Mapping[bytes, Flag], stored: Mapping[int, int]
    ) -> int:
        """What users asked for and no processor has passed; how many. Of whoever is not known by id
        nothing is stored that could be erased; an opt-out of theirs holds all the same."""
        async with await self._connected() as connection:
            cursor = await connection.execute(self._queries["pending"])
            asked: dict[bytes, dict[str, str]] = {}
            for user_hash, kind, request in await cursor.fetchall():
                asked.setdefault(user_hash, {})[kind] = request
            pending = [request for kinds in asked.values() for request in kinds.values()]
            for user_hash, flag in flags.items():
                # The API has written it, once the event was in the log.
                if flag.opted_out and flag.offset >= stored.get(flag.partition, 0):
                    asked.setdefault(user_hash, {}).setdefault("opted_out", secrets.token_hex(16))
            users = await erasing.ids_of(asked.keys())
            events = [
                (OptOut if kind == "opted_out" else Erase)(user=user, request=request)
                for user_hash, user in users.items()
                for kind, request in asked[user_hash].items()
            ]
            await erasing.write(events)
            await connection.execute(self._queries["keep_out"], (pending,))
            written = {event.request for event in events}
            nothing = [request for request in pending if request not in written]
            await connection.execute(self._queries["nothing_to_erase"], (nothing,))
        return len(events)

    def _check(self, known: str, topic: str, partitions: int) -> None:
        if known != topic:
            raise UnusableDeploymentError(
                f"the database belongs to topic {known}, and ROLLCALL_TOPIC_PREFIX says {topic}: a "
                "new topic has the name of the old one"
            )
        if partitions != self._settings.partitions:
            raise UnusableDeploymentError(
                f"the database was created for {partitions} partitions, ROLLCALL_PARTITIONS says "
                f"{self._settings.partitions}: users would be in other partitions. Make the topic "
                f"with {partitions}"
            )

    async def _shorter(self, told: Mapping[int, int]) -> dict[int, tuple[int, int]]:
        """Where ``presence.changes`` ends before what webhooks have read it is another topic, in
        which nothing is so far: processors that write to it are those that wait for this."""
        if not told:
            return {}
        topic, settings = topic_name(self._settings, CHANGES), self._settings
        begins = await partition_offsets(settings, topic, AIOKafkaConsumer.beginning_offsets)
        ends = await partition_offsets(settings, topic, AIOKafkaConsumer.end_offsets)
        return {n: (begins[n], ends[n]) for n, at in told.items() if n in ends and at > ends[n]}

    async def _connected(self) -> AsyncConnection[Any]:
        return await AsyncConnection.connect(self._dsn, connect_timeout=CONNECT_TIMEOUT_SECONDS)
