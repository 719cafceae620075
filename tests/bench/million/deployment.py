"""Everything that is measured, as processes of this machine, and what each takes."""

from __future__ import annotations

import secrets
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import psycopg

from tests.bench.cpu import cpu_seconds
from tests.bench.servers import Servers, answers, kafka_environment, servers, service
from tests.bench.sockets import Ingest
from tests.rigs.rig import free_port, wait_for

PARTITIONS = 12
#: Who is shown as online, and how many seconds the least of what is shown is old.
SHOWN = """
SELECT coalesce(sum(foreground + background), 0)::bigint,
    coalesce(extract(epoch FROM clock_timestamp() - min(log_time)), 'inf')::float8
FROM stream_offsets
"""
#: Nobody is silent here, so nobody may be taken for it.
FALSELY_OFFLINE = "SELECT count(*) FROM changes WHERE reason IN ('timed_out', 'disconnected')"
ONLINE = "SELECT user_id FROM presence WHERE state IN ('foreground', 'background')"


@dataclass
class Deployment:
    """``parts`` are the pids of guards, by name; those of processors come and go."""

    directory: Path
    run: Servers
    secret: str
    ingest: Ingest
    environment: dict[str, str]
    database: psycopg.Connection[Any]
    parts: dict[str, list[int]]
    _processors: ExitStack = field(default_factory=ExitStack)

    def start_processors(self, count: int) -> None:
        ports = [free_port() for _ in range(count)]
        self.parts["processor"] = [
            self._processors.enter_context(
                service(
                    self.directory,
                    f"processor-{number}",
                    ["-m", "processor"],
                    **self.environment,
                    ROLLCALL_PROCESSOR_ADMIN_PORT=str(port),
                )
            )
            for number, port in enumerate(ports)
        ]
        self._ports = ports

    def wait_ready(self) -> None:
        for port in self._ports:
            url = f"http://127.0.0.1:{port}/readyz"
            wait_for("the processor is ready", lambda url=url: answers(url))  # type: ignore[misc]

    def stop_processors(self) -> None:
        self._processors.close()
        self.parts["processor"] = []

    def shown(self) -> tuple[int, float]:
        """How many are shown as online, and how old that is, in seconds."""
        [row] = self.database.execute(SHOWN.encode()).fetchall()
        people, seconds = row
        return int(people), float(seconds)

    @property
    def falsely_offline(self) -> int:
        [(number,)] = self.database.execute(FALSELY_OFFLINE.encode()).fetchall()
        return int(number)

    @property
    def online(self) -> set[str]:
        return {str(user) for (user,) in self.database.execute(ONLINE.encode())}

    @property
    def signs_of_life(self) -> int:
        """That Kafka has, by what ingest says of itself."""
        return int(sum(self.ingest.events(kind) for kind in ("heartbeat", "connect", "renew")))

    def cpu(self) -> dict[str, float]:
        """Seconds so far, by part."""
        return {part: sum(map(cpu_seconds, pids)) for part, pids in self.parts.items()}

    def memory_mb(self) -> dict[str, float]:
        """Proportional, so that what a part's processes share is counted once."""
        return {
            part: sum(map(_proportional_bytes, pids)) / 1e6 for part, pids in self.parts.items()
        }


def _proportional_bytes(pid: int) -> int:
    total = 0
    root = psutil.Process(pid)
    for process in [root, *root.children(recursive=True)]:
        try:
            total += process.memory_full_info().pss
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return total


@contextmanager
def deployment(
    users: int, seconds_between: float, processors: int, workers: int, *, quick_start: bool
) -> Iterator[Deployment]:
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rollcall-bench-")))
        # PostgreSQL may run as another user, who must get in.
        directory.chmod(0o755)
        run = stack.enter_context(
            servers(directory, quick_start=quick_start, partitions=PARTITIONS)
        )
        port, admin_port, secret = free_port(), free_port(), secrets.token_hex(32)
        environment = {
            **kafka_environment(run.kafka_settings),
            "ROLLCALL_DATABASE_URL": run.database_url,
            "ROLLCALL_JWT_SECRET": secret,
            "ROLLCALL_INGEST_PORT": str(port),
            "ROLLCALL_INGEST_WORKERS": str(workers),
            "ROLLCALL_INGEST_ADMIN_PORT": str(admin_port),
            "ROLLCALL_HEARTBEAT_INTERVAL_SECONDS": str(seconds_between),
            # One process has all users. Who beat one after the other push each other out of a
            # cache that is smaller: every token would be verified anew.
            "ROLLCALL_TOKEN_CACHE_SIZE": str(users),
            "ROLLCALL_MAX_CONNECTIONS": str(users),
        }
        guard = stack.enter_context(service(directory, "ingest", ["-m", "ingest"], **environment))
        wait_for("ingest is ready", lambda: answers(f"http://127.0.0.1:{admin_port}/readyz"))
        database = stack.enter_context(psycopg.connect(run.database_url, autocommit=True))
        parts = {"ingest": [guard], "postgres": [run.postgres_pid], "kafka": [run.kafka_pid]}
        found = Deployment(
            directory,
            run,
            secret,
            Ingest(guard, port, admin_port, run.kafka_pid),
            environment,
            database,
            parts,
        )
        stack.callback(found.stop_processors)
        found.start_processors(processors)
        found.wait_ready()
        yield found


def wait_online(deployment: Deployment, users: int, within_seconds: float) -> float:
    """Seconds until so many are shown; what is shown by then, right or wrong, is looked at next."""
    began = time.monotonic()
    while deployment.shown()[0] != users and time.monotonic() - began < within_seconds:
        time.sleep(0.05)
    return time.monotonic() - began
