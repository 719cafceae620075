"""A pytest plugin that runs no test itself: forks with a mutant do, the cheapest test first.

Which test reaches which line is seen once, in a fork of its own: what the tests leave behind (a
cache) is not in the mutants' process.
"""

from __future__ import annotations

import os
import pickle
import resource
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO, Final

import hypothesis
import psutil
import pytest
from _pytest.runner import runtestprotocol
from coverage import Coverage

from tests.mutation.mutants import PLACES, ROOT, Mutant

#: A test that takes this and ten times as long as without the mutant does not end.
PATIENCE_CPU_SECONDS: Final = 3.0
PATIENCE_SECONDS: Final = 60.0
MOST_BYTES_MORE: Final = 2 << 30


_LIVES: Final = "lives"
_SAME: Final = "compiles to the same"
_ENDS: Final = (_LIVES, _SAME)


@dataclass(frozen=True, slots=True)
class Fate:
    """``killer`` is the test that failed or did not end; None if none did."""

    mutant: Mutant
    killer: str | None
    is_the_same: bool


@dataclass(slots=True)
class Reached:
    """By file and line the tests that run it; by test what it costs in seconds of CPU."""

    tests: dict[tuple[str, int], set[str]] = field(default_factory=dict)
    cost: dict[str, float] = field(default_factory=dict)


class Hunt:
    def __init__(self, mutants: list[Mutant], processes: int, told: Callable[[Fate], None]) -> None:
        self._mutants = mutants
        self._processes = processes
        self._told = told
        self._items: dict[str, pytest.Item] = {}
        self.broken: list[str] = []

    def pytest_collection(self) -> None:
        """Before a test is imported: its decorators copy the profile."""
        hypothesis.settings.register_profile(
            "mutants",
            parent=hypothesis.settings.get_profile("rollcall"),
            derandomize=True,
            database=None,
            phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
        )
        hypothesis.settings.load_profile("mutants")

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        self._items = {item.nodeid: item for item in session.items}
        told = next(forked([self._look], 1))[1]
        reached = pickle.loads(told) if told else None  # noqa: S301 (our own)
        if not isinstance(reached, Reached):
            self.broken = reached or ["(the tests without a mutant did not end)"]
            return True
        tries = (partial(self._try, each, reached) for each in self._mutants)
        for number, said in forked(tries, self._processes):
            mutant = self._mutants[number]
            if not said:
                self.broken.append(f"({mutant.file}:{mutant.line} cannot be put in)")
                continue
            last = said.decode().splitlines()[-1]
            self._told(Fate(mutant, None if last in _ENDS else last, is_the_same=last == _SAME))
        return True

    def _look(self, tell: Callable[[bytes], object]) -> None:
        reached = Reached()
        places = [str(ROOT / place) for place in PLACES]
        coverage = Coverage(data_file=None, config_file=False, include=places)
        coverage.start()
        failed = []
        for name, item in self._items.items():
            coverage.switch_context(name)
            began = time.process_time()
            if not _passes(item):
                failed.append(name)
            reached.cost[name] = time.process_time() - began
        coverage.stop()
        data = coverage.get_data()
        for file in data.measured_files():
            place = Path(file).relative_to(ROOT).as_posix()
            for line, names in data.contexts_by_lineno(file).items():
                reached.tests[place, line] = {*filter(None, names)}
        tell(pickle.dumps(failed or reached))

    def _try(self, mutant: Mutant, reached: Reached, tell: Callable[[bytes], object]) -> None:
        """Tells each test before it is run. Of one that does not end the process is ended: what
        was told last is the killer."""
        if not mutant.put_in():
            tell(_SAME.encode())
            return
        size = psutil.Process().memory_info().vms
        resource.setrlimit(resource.RLIMIT_AS, (size + MOST_BYTES_MORE,) * 2)
        cost = reached.cost
        names = {
            name for line in mutant.lines for name in reached.tests.get((mutant.file, line), ())
        }
        for name in sorted(names, key=lambda name: (cost[name], name)):
            tell(f"{name}\n".encode())
            signal.setitimer(signal.ITIMER_PROF, PATIENCE_CPU_SECONDS + 10 * cost[name])
            signal.setitimer(signal.ITIMER_REAL, PATIENCE_SECONDS + 100 * cost[name])
            if not _passes(self._items[name]):
                return
        tell(_LIVES.encode())


def _passes(item: pytest.Item) -> bool:
    return not any(report.failed for report in runtestprotocol(item, log=False, nextitem=None))


def forked(
    works: Iterable[Callable[[Callable[[bytes], object]], None]], processes: int
) -> Iterator[tuple[int, bytes]]:
    """Each work in a fork of its own; its number and what it told, as they end."""
    told: dict[int, tuple[int, BinaryIO]] = {}
    for number, work in enumerate(works):
        if len(told) == processes:
            yield _ended(told)
        place = TemporaryFile()  # noqa: SIM115 (until it has ended)
        process = os.fork()
        if process == 0:
            with suppress(BaseException):
                work(partial(os.write, place.fileno()))
            os._exit(0)
        told[process] = (number, place)
    while told:
        yield _ended(told)


def _ended(told: dict[int, tuple[int, BinaryIO]]) -> tuple[int, bytes]:
    number, place = told.pop(os.wait()[0])
    with place:
        place.seek(0)
        return number, place.read()
