"""One Kafka and one PostgreSQL a run, whichever process of it asks first.

The processes of pytest-xdist come and go, so the one that started them holds the servers: a test
process asks for one by making a file, and reads its address from another. A server that no test
needs is not started.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from deploy.local.child import RunningChild
from deploy.local.kafka import LocalKafka
from deploy.local.postgres import LocalPostgres

READY_SECONDS: Final = 300.0
#: Longer than a start may take: who asks is told why there is none.
ASK_SECONDS: Final = READY_SECONDS + 60.0
POLL_SECONDS: Final = 0.05
#: All processes of a run, each with services that keep pools.
MAX_CONNECTIONS: Final = 400

KAFKA: Final = "kafka"
POSTGRES: Final = "postgres"

#: Starts a server and gives its address.
Starter = Callable[[], AbstractContextManager[str]]


def starters() -> dict[str, Starter]:
    """How each server of a run is started: see ``tests/conftest.py``."""
    if os.environ.get("ROLLCALL_TEST_SERVERS") != "containers":
        return {KAFKA: embedded_kafka, POSTGRES: embedded_postgres}
    # Imported where they are asked for: they cost every test process half a second.
    from tests.containers import kafka_container, postgres_container

    return {
        KAFKA: partial(_or_embedded, kafka_container, embedded_kafka, KAFKA),
        POSTGRES: partial(_or_embedded, postgres_container, embedded_postgres, POSTGRES),
    }


@contextmanager
def _or_embedded(container: Starter, embedded: Starter, name: str) -> Iterator[str]:
    from tests.containers import NoContainerError

    with ExitStack() as stack:
        try:
            address = stack.enter_context(container())
        except NoContainerError as error:
            sys.stderr.write(f"the embedded {name} instead: {error}\n")
            address = stack.enter_context(embedded())
        yield address


@contextmanager
def embedded_kafka() -> Iterator[str]:
    """Bootstrap servers of the node of `rollcall up`."""
    with TemporaryDirectory(prefix="rollcall-test-") as directory:
        kafka = LocalKafka(Path(directory))
        kafka.prepare()
        child = RunningChild(kafka.child())
        try:
            asyncio.run(kafka.wait_ready(READY_SECONDS, child))
            yield kafka.bootstrap
        finally:
            child.stop()


@contextmanager
def embedded_postgres() -> Iterator[str]:
    """URL of the maintenance database of the server of `rollcall up`."""
    # Not below pytest's directory: another run that starts closes that to PostgreSQL's user.
    with TemporaryDirectory(prefix="rollcall-test-") as directory:
        postgres = LocalPostgres(Path(directory), durable=False, max_connections=MAX_CONNECTIONS)
        postgres.prepare()
        child = RunningChild(postgres.child())
        try:
            asyncio.run(postgres.wait_ready(READY_SECONDS, child))
            yield postgres.dsn
        finally:
            child.stop()


class SharedServers:
    """Those of one run, held by the process that started the others."""

    def __init__(self, directory: Path, starters: Mapping[str, Starter]) -> None:
        self._directory = directory
        self._starters = starters
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._serve, args=(name,), daemon=True) for name in starters
        ]

    def start(self) -> None:
        """Listen to who asks."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop what was started; blocks."""
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def _serve(self, name: str) -> None:
        while not _wanted(self._directory, name).exists():
            if self._stopping.wait(POLL_SECONDS):
                return
        with ExitStack() as stack:
            try:
                address = stack.enter_context(self._starters[name]())
            except Exception as error:  # noqa: BLE001 - told to whoever asked
                _answer(self._directory, name, "failed", f"{type(error).__name__}: {error}")
                return
            _answer(self._directory, name, "ready", address)
            self._stopping.wait()


def ask(directory: Path, name: str) -> str:
    """The address of a shared server; asks for its start.

    Raises `RuntimeError` with the reason if it does not start.
    """
    _wanted(directory, name).touch()
    ready, failed = directory / f"{name}.ready", directory / f"{name}.failed"
    deadline = time.monotonic() + ASK_SECONDS
    while not ready.exists():
        if failed.exists():
            raise RuntimeError(f"{name} did not start: {failed.read_text()}")
        if time.monotonic() > deadline:
            raise RuntimeError(f"{name} did not start within {ASK_SECONDS:g} s")
        time.sleep(POLL_SECONDS)
    return ready.read_text()


def _wanted(directory: Path, name: str) -> Path:
    return directory / f"{name}.wanted"


def _answer(directory: Path, name: str, outcome: str, text: str) -> None:
    unfinished = directory / f"{name}.partial"
    unfinished.write_text(text)
    unfinished.replace(directory / f"{name}.{outcome}")
