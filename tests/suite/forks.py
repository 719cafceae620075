"""Services as processes of their own that need not import anything: forked from one that has.

A start of the processor takes 1.2 s of CPU, nearly all of it imports, and a run starts some hundred
and fifty services. Under pytest-xdist one process imports libraries and our own modules once, and
each service is a fork of it: it still runs its ``__main__`` from the beginning, with its own
environment, arguments and output, and gets signals like any other. So are the processes of
pytest-xdist themselves (``tests/suite/forked_worker.py``). No module of ours reads the
environment when it is imported. A run without pytest-xdist starts services by their command line,
as production does; so do `rollcall up` and its tests always, and ingest its workers.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import random
import runpy
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Final, Protocol

import psutil

#: The path of the socket, where there is one.
VARIABLE: Final = "ROLLCALL_TEST_FORKS"
#: Those that somebody imports late, too.
LIBRARIES: Final = (
    *("aiohttp.web", "aiokafka", "cryptography.x509", "datasketches", "faust", "faust.app.base"),
    *("faust.livecheck", "faust.transport.drivers.aiokafka", "faust.web.drivers.aiohttp"),
    *("jinja2", "jwt", "msgspec", "numpy", "psycopg", "psycopg_pool", "pydantic_settings"),
    *("structlog", "typer", "uvloop", "zoneinfo"),
)
#: What tests import besides. Not Hypothesis: pytest rewrites what has a plugin of its own.
OF_TESTS: Final = ("jsonschema", "jsonschema_rs", "playwright.sync_api", "pytest", "yaml")
#: What services and commands begin with: it imports all that they need.
MAINS: Final = ("ingest", "processor", "processor.notify", "api", "deploy.cli")
COMMANDS: Final = "deploy.cli.command"
OURS: Final = frozenset({"api", "deploy", "ingest", "processor", "schemas"})
ROOT: Final = Path(__file__).parents[2]
POLL_SECONDS: Final = 0.01
#: How long a fork may take to say that it runs.
START_SECONDS: Final = 120.0
_length: Final = struct.Struct("!I")
#: Exit status as `Popen.returncode` has it, and CPU seconds.
_end: Final = struct.Struct("!id")


class Process(Protocol):
    """What tests need of `subprocess.Popen`."""

    pid: int
    returncode: int | Any

    def poll(self) -> int | None: ...
    def wait(self, timeout: float | None = None) -> int: ...
    def send_signal(self, sig: int) -> None: ...
    def terminate(self) -> None: ...
    def kill(self) -> None: ...


def start_python(
    arguments: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path | None = None,
    stdout: int | IO[bytes] | None = None,
    stderr: int | IO[bytes] | None = None,
) -> Process:
    """Start `python ARGUMENTS`: ``-m`` with a module or ``-c`` with a source; ``-P`` before it."""
    if path := os.environ.get(VARIABLE):
        return Forked(Path(path), arguments, env, cwd or Path.cwd(), (stdout, stderr))
    return subprocess.Popen(
        [sys.executable, *arguments], env=env, cwd=cwd, stdout=stdout, stderr=stderr
    )


def run_python(
    arguments: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path | None = None,
    timeout: float = 30,
) -> subprocess.CompletedProcess[str]:
    """Run it to its end; what it printed as text."""
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        process = start_python(arguments, env=env, cwd=cwd, stdout=output, stderr=errors)
        try:
            status = process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        for file in (output, errors):
            file.seek(0)
        return subprocess.CompletedProcess(
            list(arguments), status, output.read().decode(), errors.read().decode()
        )


def start_server(path: Path) -> subprocess.Popen[bytes]:
    """Start the process that forks; test processes find it by the environment, from now on."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(64)
        os.environ[VARIABLE] = str(path)
        return subprocess.Popen(
            [sys.executable, "-m", __name__, str(listener.fileno())],
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},  # forks are of one thread
            pass_fds=[listener.fileno()],
        )


def end_what_is_left(path: Path) -> list[str]:
    """Kill what was started with the socket at ``path`` in its environment, as a run that is
    interrupted leaves it running; gives the command lines."""
    left = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get(VARIABLE) == str(path) and process.pid != os.getpid():
                left.append(" ".join(process.cmdline()))
                process.kill()
    return left


class Forked:
    """A process whose parent is the server; ends with it no more than with whoever asked for it."""

    cpu_seconds_of_ended = 0.0

    def __init__(
        self,
        path: Path,
        arguments: Sequence[str],
        env: Mapping[str, str],
        cwd: Path,
        outputs: tuple[int | IO[bytes] | None, int | IO[bytes] | None],
        *,
        stdin: int | None = None,
    ) -> None:
        self.returncode: int | None = None
        request = json.dumps(
            {"arguments": list(arguments), "environment": dict(env), "directory": str(cwd)}
        ).encode()
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(START_SECONDS)
        self._socket.connect(str(path))
        nothing = os.open(os.devnull, os.O_RDWR)
        try:
            read_from = nothing if stdin is None else stdin
            descriptors = [read_from, *map(_descriptor, outputs, (1, 2), (nothing, nothing))]
            socket.send_fds(self._socket, [_length.pack(len(request))], descriptors)
        finally:
            os.close(nothing)
        self._socket.sendall(request)
        (self.pid,) = _length.unpack(_receive(self._socket, _length.size))

    def poll(self) -> int | None:
        if self.returncode is None and self._has_been_told(0.0):
            status, seconds = _end.unpack(_receive(self._socket, _end.size))
            self.returncode = status
            Forked.cpu_seconds_of_ended += seconds
            self._socket.close()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        deadline = None if timeout is None else time.monotonic() + timeout
        while (status := self.poll()) is None:
            if deadline is not None and time.monotonic() > deadline:
                raise subprocess.TimeoutExpired(f"fork {self.pid}", timeout or 0)
            self._has_been_told(POLL_SECONDS if timeout is None else 0.1)
        return status

    def _has_been_told(self, within_seconds: float) -> bool:
        # Not `select.select`: a test with a thousand sockets has descriptors that it cannot take.
        waiting = select.poll()
        waiting.register(self._socket, select.POLLIN)
        return bool(waiting.poll(1000 * within_seconds))

    def send_signal(self, sig: int) -> None:
        """Like `Popen`'s, it does nothing to a process that has ended."""
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, sig)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def _descriptor(output: int | IO[bytes] | None, inherited: int, nothing: int) -> int:
    if output is None:
        return inherited
    if isinstance(output, int):
        return nothing if output == subprocess.DEVNULL else output
    return output.fileno()


def _receive(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = connection.recv(size - len(data))
        if not part:
            raise ConnectionError("the server of forks is gone")
        data += part
    return data


class Server:
    """Forks for whoever asks, and tells them how each ended."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._askers: dict[int, socket.socket] = {}
        self._woken, self._wake = socket.socketpair()
        self._woken.setblocking(False)
        self._wake.setblocking(False)

    def serve(self) -> dict[str, Any]:
        """Returns in forks only, with what was asked for; the server itself ends by a signal."""
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._wake.fileno())
        while True:
            ready, _, _ = select.select([self._listener, self._woken], [], [])
            if self._woken in ready:
                self._woken.recv(1024)
                self._reap()
            if self._listener in ready:
                asker, _ = self._listener.accept()
                if (request := self._fork(asker)) is not None:
                    return request

    def _fork(self, asker: socket.socket) -> dict[str, Any] | None:
        size, descriptors, _, _ = socket.recv_fds(asker, _length.size, 3)
        request: dict[str, Any] = json.loads(_receive(asker, _length.unpack(size)[0]))
        pid = os.fork()
        if pid:
            asker.sendall(_length.pack(pid))
            self._askers[pid] = asker
            for descriptor in descriptors:
                os.close(descriptor)
            return None
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for held in (self._listener, self._woken, self._wake, asker, *self._askers.values()):
            held.close()
        for target, descriptor in enumerate(descriptors):
            os.dup2(descriptor, target)
            os.close(descriptor)
        return request

    def _reap(self) -> None:
        with suppress(ChildProcessError):
            while True:
                pid, status, spent = os.wait4(-1, os.WNOHANG)
                if not pid:
                    return
                told = _end.pack(os.waitstatus_to_exitcode(status), spent.ru_utime + spent.ru_stime)
                asker = self._askers.pop(pid)
                with suppress(OSError):  # whoever asked has ended
                    asker.sendall(told)
                asker.close()


def run(request: Mapping[str, Any]) -> None:
    """Be the process that was asked for."""
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["directory"])
    random.seed()
    arguments = list(request["arguments"])
    if arguments[0] == "-P":
        del sys.path[0], arguments[0]
    else:
        sys.path[0] = request["directory"]
        if is_of_another_release(Path(request["directory"])):
            forget_ours()
    kind, what, *rest = arguments
    sys.argv = [what, *rest]
    if kind == "-m":
        runpy.run_module(what, run_name="__main__", alter_sys=True)
    else:
        exec(compile(what, "<string>", "exec"), {"__name__": "__main__"})  # noqa: S102


def is_of_another_release(directory: Path) -> bool:
    """Whether modules are imported from there first, and are not those that this process has."""
    return directory.resolve() != ROOT and any((directory / name).is_dir() for name in OURS)


def forget_ours() -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] in OURS]:
        del sys.modules[name]


def import_all() -> None:
    for name in (*LIBRARIES, *OF_TESTS, *(f"{name}.__main__" for name in MAINS), COMMANDS):
        importlib.import_module(name)
    for name in MAINS:
        del sys.modules[f"{name}.__main__"]  # each process runs its own anew


def main() -> None:
    server = Server(socket.socket(fileno=int(sys.argv[1])))
    import_all()
    # For good: in forks the search for garbage, and the end, would walk through and so copy it all,
    # a third of a second of CPU each.
    gc.collect()
    gc.freeze()
    run(server.serve())


if __name__ == "__main__":
    main()
