"""What is under faults: Kafka with one broker or three, PostgreSQL, two ingests, two processors and
the API, and between each client and each server a line of its own."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final
from urllib.error import HTTPError
from urllib.request import urlopen

import psycopg
from psycopg import sql

from deploy.local.child import Child
from deploy.local.ports import free_port
from deploy.local.postgres import LocalPostgres
from schemas.database.migrate import migrate
from schemas.log.settings import KafkaSettings
from schemas.log.topics import create_topics
from tests.faults.brokers import Brokers
from tests.faults.clock import Clocks
from tests.faults.links import Background, Link
from tests.faults.managed import Keeper, Managed
from tests.faults.names import API, CLIENTS, INGESTS, PARTITIONS, POSTGRES, SERVICES, TIMING
from tests.rigs.rig import wait_for
from tests.suite.forks import run_python

START_SECONDS: Final = 120.0


class Stack:
    """Started by its constructor; ``stop`` leaves no process. Its files are in ``directory``."""

    def __init__(self, directory: Path, background: Background, brokers: int = 1) -> None:
        self.directory = directory
        # PostgreSQL may run as another user, who must get in.
        directory.chmod(0o755)
        self.secret = secrets.token_hex(32)
        self.clocks = Clocks(directory)
        self.links: dict[str, Link] = {}
        self._background = background
        self._databases = 0
        self._taken: set[int] = set()
        self._keeper: Keeper | None = None
        self.managed: dict[str, Managed] = {}
        self.ports = {name: self._port() for name in (*INGESTS, API)}
        self.admin_ports = {name: self._port() for name in CLIENTS}
        self._disk = _small_disk(directory / "postgres")
        self._brokers = Brokers(directory, brokers, self._port)
        try:
            self._prepare()
            self._start()
        except BaseException:
            self.stop()
            raise
        self._keeper = Keeper(list(self.managed.values()))

    def _port(self) -> int:
        """One that nobody else here has been given."""
        port = free_port(not_in=frozenset(self._taken))
        self._taken.add(port)
        return port

    def _prepare(self) -> None:
        self._postgres = LocalPostgres(self.directory / "postgres", port=self._port())
        self._brokers.prepare()
        self._postgres.prepare()
        self.database_url = self._postgres.dsn
        self.kafka_settings = KafkaSettings(
            kafka_bootstrap=self._brokers.bootstrap,
            partitions=PARTITIONS,
            replication_factor=len(self.brokers),
        )
        for (broker, client), port in self._brokers.listeners.items():
            line = self._brokers.advertised[broker, client]
            self._link(f"{client} to {broker}", port, line)
        postgres_port = int(self._postgres.address.rpartition(":")[2])
        for name in CLIENTS:
            if name not in INGESTS:
                self._link(f"{name} to postgres", postgres_port)
        for name in INGESTS:
            self._link(f"phones to {name}", self.ports[name])

    def _link(self, name: str, target_port: int, port: int | None = None) -> None:
        self.links[name] = Link(name, self._background, port or self._port(), target_port)

    def _start(self) -> None:
        for name in self.brokers:
            self.managed[name] = Managed(self._brokers.child(name, self.clocks.environment(name)))
        postgres = dataclasses.replace(self._postgres.child(), name=POSTGRES)
        self.managed[POSTGRES] = Managed(postgres, self._postgres.end_leftover)
        running = {name: self.managed[name].start() for name in (*self.brokers, POSTGRES)}
        self._brokers.wait_ready(START_SECONDS, running)
        asyncio.run(self._postgres.wait_ready(START_SECONDS, running[POSTGRES]))
        asyncio.run(create_topics(self.kafka_settings))
        migrate(self.database_url)
        self._managed_services()
        for name in SERVICES:
            self.managed[name].start()
        wait_for("all are ready", lambda: not self.not_ready(), START_SECONDS)

    def _managed_services(self) -> None:
        for name in CLIENTS:
            child = Child(
                name,
                [sys.executable, "-P", "-m", name.partition("-")[0]],
                self.directory / "logs" / f"{name}.log",
                self.environment(name),
                stop_seconds=20.0,
            )
            known = self.managed.get(name)
            if known is None:
                self.managed[name] = Managed(child)
            else:
                known.child = child

    def environment(self, name: str | None) -> dict[str, str]:
        """That of a service; without a name that of a command, which no fault is between."""
        kafka, database = self.kafka_settings.kafka_bootstrap, self.database_url
        settings = {**TIMING, "JWT_SECRET": self.secret, "USER_HASH_KEY": self.secret}
        settings |= {"PARTITIONS": str(PARTITIONS), "REPLICATION_FACTOR": str(len(self.brokers))}
        more: dict[str, str] = {}
        if name is not None:
            service = name.partition("-")[0].upper()
            kafka = self._brokers.bootstrap_of(name)
            settings[f"{service}_ADMIN_PORT"] = str(self.admin_ports[name])
            if name in self.ports:
                settings[f"{service}_PORT"] = str(self.ports[name])
            if name in INGESTS:
                more = self.clocks.environment(name)
            else:
                port = self.links[f"{name} to postgres"].port
                database = database.replace(self._postgres.address, f"127.0.0.1:{port}")
        settings |= {"KAFKA_BOOTSTRAP": kafka, "DATABASE_URL": database}
        return {**{f"ROLLCALL_{key}": value for key, value in settings.items()}, **more}

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """``rollcall …`` in a process of its own."""
        return run_python(
            ["-P", "-m", "deploy.cli", *arguments],
            env={**os.environ, **self.environment(None)},
            cwd=self.directory,
            timeout=120,
        )

    def not_ready(self) -> list[str]:
        """What is not ready, or too far behind, and why; nothing if all is well."""
        found = [
            f"{name}: {why}"
            for name in CLIENTS
            if self.managed[name].wanted and (why := self._why_not_ready(name))
        ]
        if not found:
            lag = self.lag_seconds()
            if lag is None or lag > LAG_SECONDS:
                found.append(f"lag {lag} s")
        return found

    def is_ready(self, name: str) -> bool:
        """Whether this service says that it is."""
        return self._why_not_ready(name) is None

    def _why_not_ready(self, name: str) -> str | None:
        url = f"http://127.0.0.1:{self.admin_ports[name]}/readyz"
        try:
            with urlopen(url, timeout=2):
                return None
        except HTTPError as error:
            return error.read().decode(errors="replace")[:300]
        except OSError as error:
            return type(error).__name__

    def lag_seconds(self) -> float | None:
        """How old the log time is that every partition is stored up to; ``None`` if none is."""
        query = (
            "SELECT extract(epoch FROM clock_timestamp() - min(log_time))::float8, count(*)"
            " FROM stream_offsets"
        )
        try:
            [(age, count)] = self.rows(query)
        except psycopg.Error:
            return None
        return abs(age) if count == PARTITIONS and age is not None else None

    def as_of(self) -> float:
        """Up to when every partition is stored, in Unix seconds."""
        [(at,)] = self.rows("SELECT extract(epoch FROM min(log_time))::float8 FROM stream_offsets")
        return float(at or 0)

    def rows(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """By a line that no fault is on."""
        with psycopg.connect(self.database_url, connect_timeout=5) as connection:
            return connection.execute(query.encode(), parameters).fetchall()

    def next_offsets(self) -> dict[int, int]:
        """As Kafka counts them in the topic that there is."""
        query = 'SELECT "partition", next_offset - log_base FROM stream_offsets, deployment'
        return dict(self.rows(query))

    def empty_database(self) -> None:
        """Begin anew, as the runbook says: services stop, `rollcall migrate` an empty database."""
        for name in CLIENTS:
            self.managed[name].stop()
        self._databases += 1
        name = f"rollcall_{self._databases}"
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        self.database_url = self._postgres.dsn_of(name)
        migrate(self.database_url)
        self._managed_services()

    def start_services(self) -> None:
        for name in SERVICES:
            self.managed[name].start()

    def wait_for_kafka(self) -> None:
        self._brokers.wait_ready(START_SECONDS)

    @property
    def brokers(self) -> tuple[str, ...]:
        """Their names."""
        return self._brokers.names

    @property
    def segments(self) -> list[Path]:
        """Of ``presence.events``, by partition: the directory of its segments."""
        return self._brokers.segments("presence.events", PARTITIONS)

    @property
    def disk(self) -> Path | None:
        """A small file system that holds PostgreSQL's files, where one could be had."""
        return self._disk

    def stop(self) -> None:
        if self._keeper is not None:
            self._keeper.stop()
        for together in (CLIENTS, (POSTGRES, *self.brokers)):
            there = [self.managed[name] for name in together if name in self.managed]
            with ThreadPoolExecutor() as stopping:
                list(stopping.map(Managed.stop, there))
        if self._disk is not None:
            # Its log is kept with the others.
            if (logs := self._disk / "logs").exists():
                shutil.copytree(logs, self.directory / "logs" / POSTGRES)
            subprocess.run(["umount", str(self._disk)], check=False)


#: Older than this the answer is behind; ticks come every half second.
LAG_SECONDS: Final = 2.0
DISK_BYTES: Final = 700_000_000


def _small_disk(path: Path) -> Path | None:
    """A tmpfs there; ``None`` where we may not mount one."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        return None
    path.mkdir(mode=0o755)
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES},mode=0755", "tmpfs", str(path)]
    done = subprocess.run(command, check=False, capture_output=True)
    return path if done.returncode == 0 else None


def until(condition: Callable[[], bool], seconds: float) -> float | None:
    """Seconds that it took; ``None`` if it did not come."""
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > seconds:
            return None
        time.sleep(0.1)
    return time.monotonic() - began
