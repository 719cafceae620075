"""What a processor looks at before its first record."""

from __future__ import annotations

import asyncio

import psycopg

from processor.settings import ProcessorSettings
from processor.startup import open_deployment
from processor.store.store import Store
from schemas.log.events import Tick
from schemas.log.settings import KafkaSettings
from tests.rigs.rig import batch, produce


class BusyStore(Store):
    """While it is asked where partitions stand, another processor stores a new record of each."""

    def __init__(self, kafka: KafkaSettings, database_url: str) -> None:
        super().__init__(database_url)
        self._kafka = kafka
        self._url = database_url

    async def next_offsets(self) -> dict[int, int]:
        await produce(self._kafka, [(p, batch(Tick())) for p in range(self._kafka.partitions)])
        async with await psycopg.AsyncConnection.connect(self._url) as connection:
            await connection.execute("UPDATE stream_offsets SET next_offset = next_offset + 1")
        return await super().next_offsets()


async def test_a_processor_that_joins_busy_ones_does_not_think_that_records_are_lost(
    kafka_settings: KafkaSettings, database_url: str
) -> None:
    settings = ProcessorSettings(**{**kafka_settings.model_dump(), "database_url": database_url})
    store = BusyStore(kafka_settings, database_url)
    try:
        for _ in range(2):
            await asyncio.wait_for(open_deployment(settings, store), 30)
    finally:
        await store.close()
