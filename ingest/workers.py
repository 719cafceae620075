"""Several ingest processes on one port, and the one that keeps them running.

The kernel spreads connections over the workers (SO_REUSEPORT). The supervisor handles no call: it
starts the workers, starts again the ones that end by themselves, answers on the admin port for all
of them, and passes a SIGTERM on. The first worker is started alone, and shows whether the settings
work; if it cannot start, nothing does.

Metrics are files in a temporary directory, which the workers write and the supervisor adds up
(prometheus_client's multiprocess mode). Readiness is asked of each worker on a Unix socket in the
same directory, so that a worker that hangs is not ready.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import aiohttp
from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from ingest.metrics import WorkersMetrics
from ingest.serve import listen
from ingest.settings import IngestSettings
from ingest.worker import CANNOT_START, admin_socket, stop_seconds
from schemas.http.admin_port import create_admin_app
from schemas.service.restarts import RestartPolicy
from schemas.service.shutdown import STOPPING, Stop

READY_TIMEOUT_SECONDS: Final = 2.0
POLL_SECONDS: Final = 0.02

logger = logging.getLogger("ingest.workers")


class WorkerStartError(Exception):
    """The workers cannot start; the first has said why."""


@dataclass(slots=True)
class _Worker:
    number: int
    process: asyncio.subprocess.Process | None = None


class Workers:
    """The workers of one ingest, and its admin port."""

    def __init__(self, settings: IngestSettings) -> None:
        self._settings = settings
        self._workers = [_Worker(number) for number in range(settings.ingest_workers)]
        self._warnings: dict[int, list[str]] = {}

    async def run(self, stop: Stop) -> None:
        """Keep all workers running until ``stop``, then let them finish.

        Raises :class:`StartError` or :class:`WorkerStartError`.
        """
        self._asked_to_stop = stop
        with tempfile.TemporaryDirectory(
            prefix="rollcall-ingest-", ignore_cleanup_errors=True
        ) as directory:
            self._directory = Path(directory)
            registry = self._registry()
            admin = web.AppRunner(
                create_admin_app(registry, self._not_ready, self._worker_warnings),
                access_log=None,
                auto_decompress=False,
            )
            keepers: list[asyncio.Task[None]] = []
            stopping = asyncio.create_task(stop.wait())
            serving = asyncio.create_task(self._until_serving(self._workers[0]))
            try:
                await listen(
                    admin, self._settings.ingest_admin_host, self._settings.ingest_admin_port
                )
                first, *others = self._workers
                keepers.append(asyncio.create_task(self._keep(first)))
                await _first_of(stopping, serving, *keepers)
                if not stop.is_set():
                    keepers += [asyncio.create_task(self._keep(worker)) for worker in others]
                    await _first_of(stopping, *keepers)
            finally:
                tasks = (stopping, serving, *keepers)
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                await self._stop_all()
                await admin.cleanup()

    def _registry(self) -> CollectorRegistry:
        registry = CollectorRegistry()
        MultiProcessCollector(registry, str(self._directory))  # type: ignore[no-untyped-call]
        self._metrics = WorkersMetrics(registry)
        return registry

    async def _keep(self, worker: _Worker) -> None:
        """Run a worker, and another in its place whenever it ends by itself.

        Raises :class:`WorkerStartError` if its first process cannot start.
        """
        policy = RestartPolicy(max_failures=None)
        loop = asyncio.get_running_loop()
        first_start = True
        while True:
            started_at = loop.time()
            worker.process = process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", "ingest.worker"),
                *(str(worker.number), str(self._directory)),
                stdin=asyncio.subprocess.PIPE,
            )
            self._metrics.running.inc()
            status = await process.wait()
            self._forget(worker)
            if first_start and status == CANNOT_START:
                raise WorkerStartError
            first_start = False
            pause = policy.pause_seconds(loop.time() - started_at)
            logger.error(
                "Worker %d ended with status %d: starting it again in %g s",
                *(worker.number, status, pause),
            )
            await asyncio.sleep(pause or 0.0)
            self._metrics.restarts.inc()

    def _forget(self, worker: _Worker) -> None:
        """What a dead worker says of itself: its gauges, and that it is there. Its counters stay,
        for the one that takes its place."""
        worker.process = None
        self._metrics.running.dec()
        mark_process_dead(worker.number, str(self._directory))  # type: ignore[no-untyped-call]
        admin_socket(self._directory, worker.number).unlink(missing_ok=True)

    async def _until_serving(self, worker: _Worker) -> None:
        while not admin_socket(self._directory, worker.number).exists():
            await asyncio.sleep(POLL_SECONDS)

    async def _stop_all(self) -> None:
        """Pass SIGTERM on, and wait until everything in flight is answered."""
        running = [worker for worker in self._workers if worker.process is not None]
        await asyncio.gather(*(self._stop(worker) for worker in running))

    async def _stop(self, worker: _Worker) -> None:
        process = worker.process
        assert process is not None  # noqa: S101 - it runs
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(stop_seconds(self._settings)):
                await process.wait()
        except TimeoutError:
            logger.error("Worker %d hangs: killing it", worker.number)
            process.kill()
            await process.wait()

    async def _not_ready(self) -> str | None:
        """Why phones should not be sent here now: the reason of the first worker that has one."""
        if self._asked_to_stop.is_set():
            return STOPPING
        reasons = await asyncio.gather(*(self._worker_not_ready(w) for w in self._workers))
        return next((reason for reason in reasons if reason is not None), None)

    def _worker_warnings(self) -> list[str]:
        """What the workers told when they were last asked whether they are ready."""
        return [
            f"worker {number}: {warning}"
            for number, told in sorted(self._warnings.items())
            for warning in told
        ]

    async def _worker_not_ready(self, worker: _Worker) -> str | None:
        path = admin_socket(self._directory, worker.number)
        try:
            async with (
                aiohttp.ClientSession(
                    connector=aiohttp.UnixConnector(str(path)),
                    timeout=aiohttp.ClientTimeout(total=READY_TIMEOUT_SECONDS),
                ) as session,
                session.get("http://worker/readyz") as answer,
            ):
                told = await answer.json()
                self._warnings[worker.number] = told.get("warnings", [])
                if answer.status == 200:
                    return None
                reason = told["reason"]
        except (aiohttp.ClientError, OSError, TimeoutError):
            reason = "does not answer" if worker.process else "is being started again"
        return f"worker {worker.number}: {reason}"


async def _first_of(*tasks: asyncio.Task[bool] | asyncio.Task[None]) -> None:
    """Wait for the first to end; raise what it raised."""
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        task.result()
