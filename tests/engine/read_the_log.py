"""What a container runs that tries to read the log: ``refused`` if Kafka does not let it. A file of
its own, so that checks see what it imports."""

from __future__ import annotations

import asyncio

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import TopicAuthorizationFailedError

from schemas.log.client import client_options
from schemas.log.settings import KafkaSettings


async def read() -> None:
    consumer = AIOKafkaConsumer("presence.events", **client_options(KafkaSettings()))
    await consumer.start()
    try:
        await asyncio.wait_for(consumer.getone(), 20)
    except TopicAuthorizationFailedError:
        print("refused")  # noqa: T201
    finally:
        await consumer.stop()


if __name__ == "__main__":
    asyncio.run(read())
