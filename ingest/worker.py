"""``python -m ingest.worker NUMBER DIRECTORY``: one of the processes of :mod:`ingest.workers`.

Standard input is a pipe whose other end only the supervisor has. However that ends, SIGKILL
included, the worker reads end-of-file: it answers what is in flight and goes.
"""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import sys
import threading
from pathlib import Path
from typing import Final

import uvloop
from prometheus_client import CollectorRegistry, values

from ingest.serve import StartError, serve, set_up_logging
from ingest.settings import IngestSettings
from schemas.service.settings import load_or_exit
from schemas.service.shutdown import stop_on_signals

#: Exit code of a worker that cannot start for a reason that starting again would not mend.
CANNOT_START: Final = 78  # EX_CONFIG of sysexits.h
#: Beyond the drain, what calls may wait for Kafka (once to be answered, once to be cancelled) and
#: over which sockets are closed: time for everything else at the end.
STOP_MARGIN_SECONDS: Final = 20.0

logger = logging.getLogger("ingest")


def stop_seconds(settings: IngestSettings) -> float:
    """A worker that is told to stop and takes longer than this hangs."""
    calls_seconds = 2 * settings.accept_timeout_seconds
    drain_seconds = settings.drain_seconds + settings.websocket_drain_seconds
    return calls_seconds + drain_seconds + STOP_MARGIN_SECONDS


def admin_socket(directory: Path, number: int) -> Path:
    """Where a worker's admin calls are answered."""
    return directory / f"worker-{number}.sock"


def share_metrics(directory: Path, number: int) -> None:
    """Keep the metrics that are made from now on in files of ``directory``.

    They belong to the worker's number, not to its process id: the worker that takes a dead one's
    place counts on from there, and the files do not become more.
    """
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(directory)
    values.ValueClass = values.MultiProcessValue(lambda: number)  # type: ignore[no-untyped-call]


async def run(settings: IngestSettings, directory: Path, number: int) -> None:
    """Serve until a signal, or until the supervisor is gone. Raises :class:`StartError`."""
    stop = stop_on_signals()
    loop = asyncio.get_running_loop()
    supervisor = sys.stdin.fileno()

    def read_supervisor() -> None:
        if os.read(supervisor, 1):
            return
        loop.remove_reader(supervisor)
        logger.error("The supervisor is gone: stopping")
        give_up = threading.Timer(stop_seconds(settings), os._exit, (1,))
        give_up.daemon = True
        give_up.start()
        stop.at_once()

    loop.add_reader(supervisor, read_supervisor)
    await serve(settings, stop, CollectorRegistry(), admin_socket=admin_socket(directory, number))


def orphaned() -> bool:
    """True once the supervisor's end of the pipe is closed."""
    os.set_blocking(sys.stdin.fileno(), False)
    try:
        return not os.read(sys.stdin.fileno(), 1)
    except BlockingIOError:
        return False


def main() -> None:
    """Entry point; settings come from the environment."""
    number, directory = int(sys.argv[1]), Path(sys.argv[2])
    settings = load_or_exit(IngestSettings)
    set_up_logging(settings, worker=number)
    share_metrics(directory, number)
    try:
        uvloop.run(run(settings, directory, number))
    except StartError as error:
        sys.stderr.write(f"rollcall: {error}\n")
        raise SystemExit(CANNOT_START) from None
    finally:
        if orphaned():
            shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
