"""Kafka under faults: one broker or three, and at each a listener for each client, so that each
client has a line of its own to each broker."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from deploy.local.child import Child, RunningChild
from deploy.local.kafka import LocalKafka
from tests.faults.names import CLIENTS, KAFKA

#: With so many each record has as many copies, and two brokers must have it.
THREE: Final = 3
_CLUSTER_ID: Final = "rollcallFaultsCluster0"


class Brokers:
    """``names`` are ``kafka``, or ``kafka-1`` and so on: by these all else is found."""

    def __init__(self, directory: Path, count: int, port: Callable[[], int]) -> None:
        self.names = (KAFKA,) if count == 1 else tuple(f"{KAFKA}-{n + 1}" for n in range(count))
        #: Of a broker and a client: where the broker listens, and where it says that it does.
        self.listeners = {(name, client): port() for name in self.names for client in CLIENTS}
        self.advertised = {both: port() for both in self.listeners}
        ports = {name: (port(), port()) for name in self.names}
        voters = [f"{n}@127.0.0.1:{ports[name][1]}" for n, name in enumerate(self.names, 1)]
        together = {"controller.quorum.voters": ",".join(voters)} if count > 1 else {}
        if count >= THREE:
            together |= {
                "offsets.topic.replication.factor": f"{THREE}",
                "transaction.state.log.replication.factor": f"{THREE}",
                "transaction.state.log.min.isr": "2",
            }
        self._nodes = {
            name: LocalKafka(
                directory / name,
                ports=ports[name],
                cluster_id=_CLUSTER_ID if count > 1 else None,
                properties={
                    "node.id": str(n),
                    **together,
                    **self._listening(name, *ports[name]),
                },
            )
            for n, name in enumerate(self.names, 1)
        }

    def _listening(self, name: str, broker: int, controller: int) -> dict[str, str]:
        own = {f"L{n}": client for n, client in enumerate(CLIENTS)}

        def all_of(ports: Mapping[tuple[str, str], int]) -> str:
            each = [f"{one}://127.0.0.1:{ports[name, client]}" for one, client in own.items()]
            return ",".join([f"PLAINTEXT://127.0.0.1:{broker}", *each])

        protocols = [f"{one}:PLAINTEXT" for one in ("PLAINTEXT", "CONTROLLER", *own)]
        return {
            "listeners": f"{all_of(self.listeners)},CONTROLLER://127.0.0.1:{controller}",
            "advertised.listeners": all_of(self.advertised),
            "listener.security.protocol.map": ",".join(protocols),
        }

    def prepare(self) -> None:
        for node in self._nodes.values():
            node.prepare()

    @property
    def bootstrap(self) -> str:
        """By lines that no fault is on."""
        return ",".join(node.bootstrap for node in self._nodes.values())

    def bootstrap_of(self, client: str) -> str:
        """By this client's own lines."""
        return ",".join(f"127.0.0.1:{self.advertised[name, client]}" for name in self.names)

    def child(self, name: str, environment: Mapping[str, str]) -> Child:
        child = self._nodes[name].child()
        return dataclasses.replace(child, name=name, environment=environment)

    def wait_ready(self, seconds: float, running: Mapping[str, RunningChild] | None = None) -> None:
        """Until all answer."""
        for name, node in self._nodes.items():
            asyncio.run(node.wait_ready(seconds, running[name] if running else None))

    def segments(self, topic: str, partitions: int) -> list[Path]:
        """The directory of the only broker's segments, by partition."""
        [node] = self._nodes.values()
        return [node.data_dir / "storage" / f"{topic}-{number}" for number in range(partitions)]
