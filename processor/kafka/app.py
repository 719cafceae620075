"""The Faust application: its settings, its agent, and where it starts."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Any, cast

import faust
import psycopg
from aiokafka.errors import KafkaError
from psycopg import AsyncConnection

from processor.kafka.agent import add_agent
from processor.kafka.assignor import LevelAssignor
from processor.kafka.offsets import stored_offsets_transport
from processor.pipeline import Pipeline
from processor.settings import ProcessorSettings
from processor.watch.metrics import Metrics
from schemas.database.named_queries import load_queries
from schemas.log.client import client_options
from schemas.log.topic_retention import events_retention_seconds
from schemas.log.topics import EVENTS, topic_name

log = logging.getLogger(__name__)

#: How long a rebalance may wait for PostgreSQL before the process gives up and starts again.
SEEK_DEADLINE_SECONDS = 30.0
#: Somebody may change it while we run.
RETENTION_EVERY_SECONDS = 60.0


class PresenceApp(faust.App):
    """Faust with our transport, and with the word of whether the group ever took us in, and
    where each partition was to go on then."""

    transport_class: Any
    assigned = False
    start_offsets: Mapping[int, int] = MappingProxyType({})
    #: Of the topic's positions (``processor/core/log/positions.py``).
    log_base = 0

    def _new_transport(self) -> Any:
        return self.transport_class(self.conf.broker_consumer, self)

    def _create_directories(self) -> None:
        """Faust's are for tables: nothing of ours belongs on this machine's disk."""


def create_app(
    settings: ProcessorSettings,
    pipeline: Pipeline,
    metrics: Metrics,
    may_go_on: Callable[[], Awaitable[None]],
    log_base: int,
) -> PresenceApp:
    """The application; it needs the deployment to be open: ``startup.open_deployment`` tells the
    ``log_base`` of its topic.

    Before each batch it waits until it ``may_go_on``.
    """
    topic = topic_name(settings, EVENTS)
    app = PresenceApp(
        settings.group,
        broker=[f"aiokafka://{server}" for server in settings.kafka_servers],
        broker_credentials=_credentials(settings),
        # What Rollcall has no use for: tables, changelogs, a leader, a web server.
        store="memory://",
        topic_allow_declare=False,
        topic_disable_leader=True,
        web_enabled=False,
        processing_guarantee="at_least_once",
        PartitionAssignor=LevelAssignor,
        stream_wait_empty=False,
        stream_recovery_delay=0,
        # A small buffer that fills makes Faust sleep for a whole second.
        stream_buffer_maxsize=4096,
        broker_max_poll_records=500,
        consumer_max_fetch_size=4 * 1024 * 1024,
        consumer_auto_offset_reset="earliest",
        broker_session_timeout=settings.session_timeout_seconds,
        broker_heartbeat_interval=settings.session_timeout_seconds / 6,
        broker_commit_interval=1.0,
        value_serializer="raw",
        key_serializer="raw",
    )

    app.log_base = log_base

    async def read_offsets() -> Mapping[int, int]:
        stored = await _start_offsets(settings.session_dsn)
        app.start_offsets = {partition: following for partition, following, _ in stored}
        app.assigned = True
        return {partition: read_from for partition, _, read_from in stored}

    @app.on_rebalance_complete.connect
    async def joined(*_: Any, **__: Any) -> None:
        # One more process than Faust's assignor has partitions for is a spare, and ready.
        if not app.consumer.assignment():
            app.assigned = True

    app.transport_class = stored_offsets_transport(read_offsets, topic)
    # A record without a value is ours to reject: Faust would drop it, and leave a gap.
    events = app.topic(topic, value_type=bytes, value_serializer="raw", allow_empty=True)
    add_agent(app, events, pipeline, settings, metrics, may_go_on)

    async def count_rebalance(*_: Any, **_named: Any) -> None:
        metrics.rebalances.inc()

    app.on_partitions_assigned.connect(cast(Any, count_rebalance))

    @app.task  # type: ignore[untyped-decorator]
    async def follow_retention(app: Any) -> None:
        # Not for ever: once Faust stops its sleeps end at once, and a cancellation that meets
        # aiokafka's close() is swallowed there.
        while not app.should_stop:
            try:
                metrics.retention_seconds.set(await events_retention_seconds(settings))
            except (KafkaError, OSError) as error:
                log.info("cannot ask Kafka for the retention of %s: %s", topic, error)
            await app.sleep(RETENTION_EVERY_SECONDS)

    return app


def _credentials(settings: ProcessorSettings) -> Any:
    """What Faust hands to its Kafka clients; ``None`` for plain text without a user."""
    options = client_options(settings)
    context = options["ssl_context"]
    if "sasl_mechanism" in options:
        return faust.SASLCredentials(
            username=options["sasl_plain_username"],
            password=options["sasl_plain_password"],
            mechanism=options["sasl_mechanism"],
            ssl_context=context,
        )
    return faust.SSLCredentials(context) if context is not None else None


async def _start_offsets(dsn: str) -> list[tuple[int, int, int]]:
    """Partition, the position to be processed next, and Kafka's offset to read from: the record
    before that, where it is known, comes once more and must be the same
    (``processor/core/log/last_read.py``).

    On a connection of its own: a rebalance may come in the middle of the agent's transaction."""
    query = load_queries("processor.store", "queries.sql")["start_offsets"]
    said = False
    async with asyncio.timeout(SEEK_DEADLINE_SECONDS):
        while True:
            try:
                connection = await AsyncConnection.connect(dsn, connect_timeout=5)
                async with connection:
                    cursor = await connection.execute(query)
                    return await cursor.fetchall()
            except psycopg.OperationalError as error:
                if not said:
                    log.warning("PostgreSQL is away during a rebalance (%s): trying again", error)
                said = True
                await asyncio.sleep(0.5)
