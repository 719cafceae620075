"""Accept that records are lost: what `rollcall offsets accept-loss` does (design, section 6)."""

from __future__ import annotations

from collections.abc import Sequence

from aiokafka import AIOKafkaConsumer
from psycopg import AsyncConnection

from processor.core.deployment import UnusableDeploymentError, check_deployment
from processor.core.log.losses import LostRange, lost_ranges
from processor.core.log.positions import positions
from processor.settings import ProcessorSettings
from processor.startup import partition_offsets
from processor.store.store import CONNECT_TIMEOUT_SECONDS
from schemas.database.named_queries import load_queries
from schemas.log.topic_ids import topic_id
from schemas.log.topics import EVENTS, topic_name


async def find_losses(settings: ProcessorSettings, dsn: str) -> list[LostRange]:
    """What Kafka no longer has of what is to be processed next, by partition.

    Raises :class:`UnusableDeploymentError` where the database does not belong to the topic,
    ``KafkaError``, ``OSError`` or ``psycopg.Error``.
    """
    topic = topic_name(settings, EVENTS)
    identity = str(await topic_id(settings, topic))
    earliest = await partition_offsets(settings, topic, AIOKafkaConsumer.beginning_offsets)
    queries = load_queries("processor.store", "queries.sql")
    async with await AsyncConnection.connect(
        dsn, connect_timeout=CONNECT_TIMEOUT_SECONDS
    ) as connection:
        row = await (await connection.execute(queries["deployment"])).fetchone()
        if row is None:
            raise UnusableDeploymentError(
                "the database has never had a processor: nothing of the log is lost to it"
            )
        *known, log_base = row
        check_deployment(known, topic, identity, len(earliest))
        cursor = await connection.execute(queries["next_offsets"])
        return lost_ranges(dict(await cursor.fetchall()), positions(earliest, log_base))


async def accept(dsn: str, lost: Sequence[LostRange]) -> list[LostRange]:
    """Let the partitions go on after what is lost; those that were still where they were found.

    Raises ``psycopg.Error``: nothing was accepted then.
    """
    query = load_queries("processor.store", "queries.sql")["accept_loss"]
    accepted = []
    async with await AsyncConnection.connect(
        dsn, connect_timeout=CONNECT_TIMEOUT_SECONDS
    ) as connection:
        for one in lost:
            cursor = await connection.execute(
                query,
                {
                    "partition": one.partition,
                    "from_offset": one.from_offset,
                    "to_offset": one.to_offset,
                },
            )
            if await cursor.fetchone() is not None:
                accepted.append(one)
    return accepted
