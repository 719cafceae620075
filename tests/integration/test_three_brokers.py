"""Three brokers and three copies: one that is killed takes no accepted event along.

Three Kafkas take a gigabyte and a while to start, so only ``make test-long`` runs this.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from deploy.local.child import RunningChild
from deploy.local.kafka import LocalKafka
from deploy.local.ports import free_port
from schemas.log.events import Heartbeat
from schemas.log.settings import KafkaSettings
from schemas.log.topics import create_topics
from tests.rigs.harness import client_events
from tests.rigs.ingest_process import Process
from tests.rigs.rig import ProcessorProcess, processor_environment, rows, wait_for

BROKERS = 3
USERS = 60
READY_SECONDS = 180.0
CLUSTER_ID = "rollcallTestCluster000"
#: Longer than Kafka takes to elect other leaders, as in life.
OFFLINE_AFTER_SECONDS = 40


@dataclass
class Cluster:
    nodes: list[LocalKafka]
    children: list[RunningChild]

    @property
    def settings(self) -> KafkaSettings:
        return KafkaSettings(
            kafka_bootstrap=",".join(node.bootstrap for node in self.nodes),
            partitions=6,
            replication_factor=3,
        )

    def kill(self, number: int) -> None:
        """SIGKILL, to Kafka itself and not to its guard."""
        for process in psutil.Process(self.children[number].pid).children(recursive=True):
            os.kill(process.pid, signal.SIGKILL)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    ports: list[int] = []
    while len(ports) < 2 * BROKERS:
        ports.append(free_port(not_in=frozenset(ports)))
    pairs = list(zip(ports[::2], ports[1::2], strict=True))
    voters = ",".join(f"{n}@127.0.0.1:{pair[1]}" for n, pair in enumerate(pairs, 1))
    nodes = [
        LocalKafka(
            tmp_path / f"kafka-{number}",
            ports=pair,
            cluster_id=CLUSTER_ID,
            properties={
                "node.id": str(number),
                "controller.quorum.voters": voters,
                "offsets.topic.replication.factor": "3",
                "transaction.state.log.replication.factor": "3",
                "transaction.state.log.min.isr": "2",
            },
        )
        for number, pair in enumerate(pairs, 1)
    ]
    with ExitStack() as stack:
        children = []
        for node in nodes:
            node.prepare()
            children.append(RunningChild(node.child()))
            stack.callback(children[-1].stop)
        for node, child in zip(nodes, children, strict=True):
            asyncio.run(node.wait_ready(READY_SECONDS, child))
        yield Cluster(nodes, children)


@pytest.mark.long
def test_a_killed_broker_of_three_loses_nothing_and_shows_nobody_offline(
    cluster: Cluster, database_url: str, tmp_path: Path
) -> None:
    settings = cluster.settings
    asyncio.run(create_topics(settings))
    timing = {
        "OFFLINE_AFTER_SECONDS": str(OFFLINE_AFTER_SECONDS),
        "HEARTBEAT_INTERVAL_SECONDS": "5",
    }
    variables = {f"ROLLCALL_{name}": value for name, value in timing.items()}
    limits = {"ROLLCALL_ALLOW_SHORT_TIMING": "true", "ROLLCALL_USER_EVENTS_BURST": "100000"}
    ingest = Process(settings, tmp_path / "ingest.log", **variables, **limits)
    environment = processor_environment(settings, database_url, **timing)
    processor = ProcessorProcess(environment, tmp_path / "processor.log")
    accepted: set[str] = set()

    async def phone(number: int, until: float) -> None:
        count = 0
        while time.monotonic() < until:
            screen = f"{number}-{time.monotonic():.3f}-{count}"
            count += 1
            try:
                if (await ingest.heartbeat(screen, user=f"u{number}")).status == 200:
                    accepted.add(screen)
            except (OSError, EOFError, TimeoutError):
                pass  # not accepted
            await asyncio.sleep(1)

    async def beat_for(seconds: float) -> None:
        until = time.monotonic() + seconds
        await asyncio.gather(*(phone(number, until) for number in range(USERS)))

    async def story() -> None:
        await ingest.until_status("/readyz", 200)
        await beat_for(10)
        before = len(accepted)
        cluster.kill(1)
        await beat_for(30)
        assert len(accepted) > before + USERS * 5, "calls go on without the broker"

    try:
        asyncio.run(story())
        left = settings.model_copy(
            update={"kafka_bootstrap": f"{cluster.nodes[0].bootstrap},{cluster.nodes[2].bootstrap}"}
        )
        logged = asyncio.run(client_events(left))
        assert accepted <= {event.screen for event in logged if isinstance(event, Heartbeat)}
        online = "SELECT count(*) FROM presence WHERE state = 'foreground'"
        wait_for("everyone is online", lambda: rows(database_url, online) == [(USERS,)])
        offline = "SELECT count(*) FROM changes WHERE state = 'offline'"
        assert rows(database_url, offline) == [(0,)]
        assert processor.stop() == 0
    finally:
        processor.kill()
        ingest.end()
