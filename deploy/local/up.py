"""`rollcall up` from the first check to the last line."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import time
from pathlib import Path

from deploy.local import jars
from deploy.local.lock import DataDirLock
from deploy.local.ports import try_port
from deploy.local.private import PRIVATE_UMASK, make_data_dir
from deploy.local.screen import Screen
from deploy.local.stack import Stack, UpOptions
from deploy.local.supervisor import Supervisor

# A killed supervisor's children stop one after another at the latest in this time.
LEFTOVER_WAIT_SECONDS = 40.0


class CannotStartError(RuntimeError):
    """What was asked for cannot be. The message is one line and names the remedy."""


def run(options: UpOptions, started: float) -> None:
    """Run a stack until Ctrl-C or SIGTERM. `started` is a monotonic time, for the totals shown.

    Raises `CannotStartError`, `DataDirBusyError`, `DownloadError`, `StackFailedError`.
    """
    screen = Screen()
    # Of this process and of all that it starts: Kafka's segments and logs too.
    os.umask(PRIVATE_UMASK)
    _check_writable(options.data_dir)
    lock = DataDirLock(options.data_dir)
    with screen.working("waiting for the processes of a killed run"):
        free_at_once = lock.acquire(LEFTOVER_WAIT_SECONDS)
    if not free_at_once:
        screen.done("waited for the processes of a killed run", time.monotonic() - started)
    _check_port(options.host, options.port)
    stack = Stack(options)
    _check_simulation(stack)
    if not jars.jars_are_complete():
        begun = time.monotonic()
        with screen.download() as progress:
            jars.ensure_jars(progress)
        screen.done(f"Apache Kafka {jars.KAFKA_VERSION} downloaded", time.monotonic() - begun)
    asyncio.run(_supervise(stack, screen, lock, started))
    screen.farewell()
    lock.close()


async def _supervise(stack: Stack, screen: Screen, lock: DataDirLock, started: float) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)
    await Supervisor(stack, screen, lock_fd=lock.fd).run(
        stop, lambda: screen.next_steps(stack, time.monotonic() - started)
    )


def _check_writable(data_dir: Path) -> None:
    try:
        make_data_dir(data_dir)
        probe = data_dir / f".write-test-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise CannotStartError(
            f"cannot write to {data_dir} ({error.strerror}): "
            "make it writable, or choose another --data-dir"
        ) from error


def _check_simulation(stack: Stack) -> None:
    signs = {"--simulate": stack.options.simulated_users, "--canaries": stack.options.canaries}
    option = next((name for name, wanted in signs.items() if wanted), None)
    if option and stack.token("sim", expires_seconds=60) is None:
        raise CannotStartError(
            f"{option} signs tokens with the key of the data directory, and phones' tokens come "
            "from another issuer here: leave it out, or unset that issuer's ROLLCALL_… variable"
        )


def _check_port(host: str, port: int) -> None:
    try:
        try_port(port, host)
    except PermissionError as error:
        raise CannotStartError(
            f"may not listen on port {port}: choose another --port, such as 8080"
        ) from error
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise CannotStartError(
                f"cannot listen on {host}:{port}, it is in use: "
                "stop what listens there, or choose another --port"
            ) from error
        raise CannotStartError(
            f"--host {host} is no address of this machine: use 127.0.0.1 or 0.0.0.0"
        ) from error
