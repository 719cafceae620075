"""The fleet: processes of phones over HTTP, and of sockets, and what they say together."""

from __future__ import annotations

import json
import resource
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field

from tests.bench.million.phones import Plan
from tests.bench.sockets import Clients
from tests.rigs.rig import wait_for

TOKENS_LAST_SECONDS = 6 * 3600
#: Of open files: for connections of one each that are under way, and all else that a process has.
SPARE_FILES = 6_000
#: Of each kind at a time. A phone of one's own never waits until another one has had its answer: a
#: thousand at 7,000 calls a second do, once an answer takes longer than 140 ms.
CONNECTIONS = 2_500
#: Of phones that keep their connections. They need the standard library alone: under PyPy, where
#: there is one, they take six tenths of the CPU. Those that connect for each call take more by it:
#: theirs is the kernel's, and PyPy's way to it is longer.
INTERPRETER = shutil.which("pypy3") or sys.executable


@dataclass(frozen=True)
class Shares:
    """How many users speak in which way."""

    kept_alive: int
    one_each: int
    sockets: int


def shares(users: int, most_sockets: int) -> Shares:
    """A third each; sockets as far as the open files of ingest go, the rest of them kept alive."""
    third = users // 3
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    sockets = max(0, min(third, files - SPARE_FILES, most_sockets))
    return Shares(users - third - sockets, third, sockets)


@dataclass
class Heard:
    """From one look to the next."""

    due: int = 0
    answered: int = 0
    failed: int = 0
    left: int = 0
    closed_sockets: int = 0
    waits_ms: Counter[int] = field(default_factory=Counter)

    def wait_ms(self, share: float) -> float:
        """The time within which this share of the calls was answered."""
        rest = share * self.waits_ms.total()
        for ms, calls in sorted(self.waits_ms.items()):
            rest -= calls
            if rest <= 0:
                return ms + 1
        return float("nan")


class Fleet:
    """Users are numbered: kept alive, one connection each, sockets."""

    def __init__(self, plans: list[Plan], sockets: Clients | None, open_sockets: int) -> None:
        self._sockets, self._open = sockets, open_sockets
        self._heard = Heard()
        self._processes = [
            subprocess.Popen(
                [
                    INTERPRETER if plan.keep else sys.executable,
                    *("-m", "tests.bench.million.phones", json.dumps(asdict(plan))),
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for plan in plans
        ]
        self._online = [0 for _ in plans]
        self._in_flight = [0 for _ in plans]

    @property
    def pids(self) -> list[int]:
        found = [] if self._sockets is None else self._sockets.pids
        return [*(process.pid for process in self._processes), *found]

    @property
    def online(self) -> int:
        """Who was heard and has not logged out, by the answers that the phones had."""
        return sum(self._online) + self._open

    def take(self) -> Heard:
        """What happened since this was asked before."""
        self._tell("ask")
        if self._sockets is not None:
            told = self._sockets.ask()
            self._heard.closed_sockets = sum(told.values()) - told["pings"]
        heard, self._heard = self._heard, Heard()
        return heard

    def leave(self, users: int) -> None:
        """So many of those kept alive log out."""
        wanted = self._heard.left + users
        self._tell(f"leave {users}", only=0)

        def gone() -> bool:
            self._tell("ask", only=0)
            return self._heard.left >= wanted

        wait_for("the last ones have logged out", gone)

    def stop(self) -> None:
        """No more beats, and all are answered."""
        self._tell("stop")

        def quiet() -> bool:
            self._tell("ask")
            return not any(self._in_flight)

        wait_for("all calls are answered", quiet)

    def end(self) -> None:
        for process in self._processes:
            process.kill()
            process.communicate()

    def _tell(self, command: str, only: int | None = None) -> None:
        for number, process in enumerate(self._processes):
            if only not in (None, number):
                continue
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(command + "\n")
            process.stdin.flush()
            told = json.loads(process.stdout.readline())
            self._online[number] = told["online"]
            self._in_flight[number] = told["in_flight"]
            for name in ("due", "answered", "failed", "left"):
                setattr(self._heard, name, getattr(self._heard, name) + told[name])
            for ms, calls in told["waits_ms"].items():
                self._heard.waits_ms[int(ms)] += calls


@contextmanager
def fleet(
    port: int, secret: str, who: Shares, seconds_between: float, arrival_seconds: float
) -> Iterator[Fleet]:
    """All sockets are open before the first beat."""
    sockets = None
    if who.sockets:
        sockets = Clients(port, secret, who.kept_alive + who.one_each, who.sockets, 1)
    try:
        if sockets is not None:
            sockets.ask()
        until = int(time.time()) + TOKENS_LAST_SECONDS
        of_all = (port, secret, until)
        common = (CONNECTIONS, arrival_seconds)
        plans = [
            Plan(*of_all, 0, who.kept_alive, seconds_between, *common, keep=True),
            Plan(*of_all, who.kept_alive, who.one_each, seconds_between, *common, keep=False),
        ]
        running = Fleet(plans, sockets, who.sockets)
        try:
            yield running
        finally:
            running.end()
    finally:
        if sockets is not None:
            sockets.end()
