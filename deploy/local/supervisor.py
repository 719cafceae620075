"""The life of a stack: start in order, restart what crashes, stop in reverse order.

Start: Kafka and PostgreSQL side by side; then migrations and topics; then the processor, the
front and, where it is wanted, notify; then the synthetic fleet. Whatever ends by itself is
started again (`schemas.service.restarts`). A service may go on like that for ever (it is probably
waiting for somebody to mend something, and its log says what); a Kafka or PostgreSQL that ends five
times in a row ends the whole, because nothing works without them.

Stop: fleet, notify, front, processor, PostgreSQL, Kafka, each with a deadline after which its guard
kills it.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable

import aiohttp
import psycopg
from aiokafka.errors import KafkaError

from deploy.local.child import Child, ChildFailedError, RunningChild
from deploy.local.kafka import KAFKA_NAME, NotReadyError
from deploy.local.postgres import POSTGRES_NAME
from deploy.local.screen import Screen
from deploy.local.stack import SIMULATION_NAME, Stack
from schemas.database.migrate import MigrationError, migrate
from schemas.database.signs_of_life import keep_signs_of_life
from schemas.log.topic_retention import apply_retentions
from schemas.log.topics import TopicProblemError, create_topics
from schemas.service.restarts import RestartPolicy

#: One that ends is told at once: this is for slow machines.
STORE_READY_SECONDS = 180.0
SERVICES_READY_SECONDS = 180.0
READY_POLL_SECONDS = 0.05
STORE_MAX_FAILURES = 5

# Each says in its message what to do, or which log to read.
START_FAILURES = (
    ChildFailedError,
    NotReadyError,
    MigrationError,
    TopicProblemError,
    KafkaError,
    psycopg.Error,
    OSError,
)


class StackFailedError(RuntimeError):
    """The stack cannot start or go on. The message is one line and names a log or a remedy."""


class Supervisor:
    """Runs one stack. `lock_fd` is held open by every child's guard (see `DataDirLock`)."""

    def __init__(self, stack: Stack, screen: Screen, *, lock_fd: int) -> None:
        self._stack = stack
        self._screen = screen
        self._lock_fd = lock_fd
        # In the order of their start; stopped from the end.
        self._running: dict[str, RunningChild] = {}

    async def run(self, stop: asyncio.Event, on_ready: Callable[[], None]) -> None:
        """Start everything, call `on_ready`, keep it running until `stop`; leave no process.

        Raises `StackFailedError`.
        """
        try:
            if await _unless(stop, self._start()):
                on_ready()
                await _unless(stop, self._keep_running())
        finally:
            await self._stop_all()

    async def _start(self) -> None:
        stack = self._stack
        try:
            with self._screen.working("starting Kafka and PostgreSQL"):
                await _all(self._start_kafka(), self._start_postgres())
            with self._screen.working("preparing database and topics"):
                await _all(self._migrate(), self._create_topics())
            with self._screen.working("starting the services"):
                self._launch(stack.service("processor", "processor"))
                self._launch(stack.service("front", "deploy.local.front"))
                serving = [
                    self._serving("processor", f"{stack.admin_url('processor')}/readyz"),
                    self._serving("front", f"{stack.public_url}/api/online-users-count"),
                ]
                if stack.options.webhooks:
                    self._launch(stack.service("notify", "processor.notify"))
                    serving.append(self._serving("notify", f"{stack.admin_url('notify')}/readyz"))
                await _all(*serving)
            if stack.options.simulated_users:
                self._launch(stack.simulation())
            if stack.options.canaries:
                self._launch(stack.canaries())
        except START_FAILURES as error:
            raise StackFailedError(str(error)) from error

    async def _start_kafka(self) -> None:
        started = time.monotonic()
        kafka = self._stack.kafka
        await asyncio.to_thread(kafka.prepare)
        await kafka.wait_ready(STORE_READY_SECONDS, self._launch(kafka.child()))
        self._screen.done(f"{KAFKA_NAME} on {kafka.bootstrap}", time.monotonic() - started)

    async def _start_postgres(self) -> None:
        started = time.monotonic()
        postgres = self._stack.postgres
        await asyncio.to_thread(postgres.prepare)
        await postgres.wait_ready(STORE_READY_SECONDS, self._launch(postgres.child()))
        self._screen.done(f"{POSTGRES_NAME} on {postgres.address}", time.monotonic() - started)

    async def _migrate(self) -> None:
        started = time.monotonic()
        dsn = self._stack.postgres.dsn
        applied = await asyncio.to_thread(migrate, dsn)
        await asyncio.to_thread(keep_signs_of_life, dsn, "apart", ours_alone=True)
        news = f"{len(applied)} migrations applied" if applied else "schema up to date"
        self._screen.done(f"database: {news}", time.monotonic() - started)

    async def _create_topics(self) -> None:
        started = time.monotonic()
        settings = self._stack.kafka_settings()
        created = await create_topics(settings)
        applied, _ = await apply_retentions(settings)
        news = f"{len(created)} created" if created else "all there"
        news = "; ".join([news, *(drift.applied() for drift in applied)])
        self._screen.done(f"topics: {news}", time.monotonic() - started)

    async def _serving(self, name: str, url: str) -> None:
        """Return when `url` answers 200."""
        running = self._running[name]
        deadline = time.monotonic() + SERVICES_READY_SECONDS
        answer = "no answer"
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session:
            while answer != "200":
                running.check()
                if time.monotonic() > deadline:
                    raise NotReadyError(
                        f"{name} is not ready after {SERVICES_READY_SECONDS:.0f} s "
                        f"({url}: {answer}): see {running.child.log_path}"
                    )
                try:
                    async with session.get(url) as response:
                        answer = str(response.status)
                except (aiohttp.ClientError, TimeoutError) as error:
                    answer = type(error).__name__
                await asyncio.sleep(READY_POLL_SECONDS)
        self._screen.done(name, time.monotonic() - running.started_at)

    async def _keep_running(self) -> None:
        stores = {KAFKA_NAME, POSTGRES_NAME}
        await _all(
            *(
                self._restart(running.child, STORE_MAX_FAILURES if name in stores else None)
                for name, running in self._running.items()
            )
        )

    async def _restart(self, child: Child, max_failures: int | None) -> None:
        policy = RestartPolicy(max_failures)
        while True:
            running = self._running[child.name]
            status = await running.wait()
            pause = policy.pause_seconds(time.monotonic() - running.started_at)
            ended = f"{child.name} ended with status {status}{running.last_words()}"
            if pause is None:
                raise StackFailedError(
                    f"{ended}, {policy.failures} times in a row: see {child.log_path}"
                )
            self._screen.trouble(f"{ended}: starting it again in {pause:g} s ({child.log_path})")
            await asyncio.sleep(pause)
            if child.name == POSTGRES_NAME:
                await asyncio.to_thread(self._stack.postgres.end_leftover)
            self._launch(child)

    def _launch(self, child: Child) -> RunningChild:
        running = RunningChild(child, inherit_fds=(self._lock_fd,))
        self._running[child.name] = running
        return running

    async def _stop_all(self) -> None:
        with self._screen.working("stopping"):
            for name in (SIMULATION_NAME, "front", "processor", POSTGRES_NAME, KAFKA_NAME):
                running = self._running.get(name)
                if running is None:
                    continue
                was_running = running.exit_status is None
                started = time.monotonic()
                await asyncio.to_thread(running.stop)
                if was_running:
                    self._screen.done(f"{name} stopped", time.monotonic() - started)


async def _unless(stop: asyncio.Event, work: Awaitable[None]) -> bool:
    """Do the work; give up, cancelling it, when `stop` is set. True if it was done."""
    working = asyncio.ensure_future(work)
    stopping = asyncio.ensure_future(stop.wait())
    await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if working.done():
        working.result()
        return True
    working.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await working
    return False


async def _all(*works: Awaitable[None]) -> None:
    """Await all side by side; the first failure cancels the others and is raised as it is."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
