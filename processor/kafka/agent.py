"""The agent over ``presence.events``: Faust's events to the pipeline's records, then the ack."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

from processor.core.pacing import PacePolicy
from processor.kafka.gathering import Gathered, Gathering
from processor.pipeline import Pipeline
from processor.settings import ProcessorSettings
from processor.watch.metrics import Metrics

log = logging.getLogger(__name__)

#: Between two looks for partitions that are not loaded.
LOOK_AHEAD_SECONDS = 0.5


def add_agent(
    app: Any,
    topic: Any,
    pipeline: Pipeline,
    settings: ProcessorSettings,
    metrics: Metrics,
    may_go_on: Callable[[], Awaitable[None]],
) -> None:
    """Register the one agent, which waits before each batch until it may go on, and the task that
    loads partitions before their records come.

    An exception in it is fatal: Faust would restart the agent without the batch that it had taken,
    so the process ends and its supervisor starts another.
    """

    pace = PacePolicy(settings.batch_wait_seconds, settings.batch_records)

    @app.agent(topic, name="presence")  # type: ignore[untyped-decorator]
    async def presence(stream: Any) -> None:
        gathering = Gathering(app, stream.channel.queue, pipeline, pace, metrics)
        while True:
            try:
                gathered = await gathering.batch()
                await may_go_on()
                await process(app, pipeline, gathered)
            except StopAsyncIteration:  # Faust's word to an agent that is to stop
                return
            except Exception as error:
                log.critical("cannot go on: %s", error, exc_info=error)
                await app.crash(error)
                raise
            now = time.monotonic()
            for event in gathered.events:
                event.ack()
                # Else Faust takes the agent for stuck, and says so.
                app.monitor.stream_inbound_time[event.message.tp] = now

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


async def process(app: Any, pipeline: Pipeline, gathered: Gathered) -> None:
    """Store what the records do, once; those of another generation, or of a partition that is
    another processor's by now, are left to it."""
    generation = app.consumer_generation_id
    records = gathered.of(generation)
    if records:
        await pipeline.process(records, generation, _owner(app, generation))
