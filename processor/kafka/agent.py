"""The agent over ``presence.events``: Faust's events to the pipeline's records, then the ack."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from processor.pipeline import Pipeline
from processor.settings import ProcessorSettings
from processor.work import RawRecord

log = logging.getLogger(__name__)

#: Between two looks for partitions that are not loaded.
LOOK_AHEAD_SECONDS = 0.5


def add_agent(
    app: Any,
    topic: Any,
    pipeline: Pipeline,
    settings: ProcessorSettings,
    may_go_on: Callable[[], Awaitable[None]],
) -> None:
    """Register the one agent, which waits before each batch until it may go on, and the task that
    loads partitions before their records come.

    An exception in it is fatal: Faust would restart the agent without the batch that it had taken,
    so the process ends and its supervisor starts another.
    """

    @app.agent(topic, name="presence")  # type: ignore[untyped-decorator]
    async def presence(stream: Any) -> None:
        # noack_take is the only batch that is not acknowledged when its body raises.
        async for events in stream.noack_take(settings.batch_records, settings.batch_seconds):
            try:
                await may_go_on()
                await process_events(app, pipeline, events)
            except Exception as error:
                log.critical("cannot go on: %s", error, exc_info=error)
                await app.crash(error)
                raise
            for event in events:
                await stream.ack(event)

    @app.task  # type: ignore[untyped-decorator]
    async def load_ahead(app: Any) -> None:
        # Ready means loaded, also where nothing is written to a partition.
        while not app.should_stop:
            if app.assigned and not app.rebalancing:
                await may_go_on()
                generation = app.consumer_generation_id
                partitions = sorted(tp.partition for tp in app.consumer.assignment())
                await pipeline.load_ahead(partitions, generation, _owner(app, generation))
            await app.sleep(LOOK_AHEAD_SECONDS)


def _owner(app: Any, generation: int) -> Callable[[int], bool]:
    """Whether a partition is this process's, in that generation of the consumer group."""

    def owned(partition: int) -> bool:
        return bool(
            app.consumer_generation_id == generation
            and any(tp.partition == partition for tp in app.consumer.assignment())
        )

    return owned


async def process_events(app: Any, pipeline: Pipeline, events: Sequence[Any]) -> None:
    """Store what they do, once; those of another generation, or of a partition that is another
    processor's by now, are left to it."""
    generation = app.consumer_generation_id
    records = [
        RawRecord(
            message.partition,
            app.log_base + message.offset,
            # Faust divides the broker's milliseconds by 1000: this gives them back exactly.
            int(message.timestamp * 1000 + 0.5),
            message.value,
        )
        for message in (event.message for event in events)
        # Of another generation: the partition's owner now reads it again.
        if message.generation_id == generation
    ]
    if records:
        await pipeline.process(records, generation, _owner(app, generation))
