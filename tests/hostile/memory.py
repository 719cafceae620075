"""How much memory processes hold while something goes on, read once a second."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from itertools import groupby
from statistics import median
from typing import Final

import psutil

_EVERY_SECONDS: Final = 1.0


@dataclass(frozen=True)
class Span:
    """The least and the most of some readings, in megabytes."""

    least: float
    most: float

    @property
    def swing(self) -> float:
        """The share above and below their middle that holds all of them: ``0.1`` is ± 10 %."""
        return (self.most - self.least) / (self.most + self.least)


@dataclass(frozen=True)
class Held:
    """Resident memory of one process: after the beginning, and in the second half of the time.

    ``by_minute`` has the median of each minute from the beginning on: whether it grows.
    """

    settled: Span
    second_half: Span
    by_minute: list[float]


class Memory:
    """Reads in a thread of its own, from ``with`` on."""

    def __init__(self, processes: dict[str, psutil.Process]) -> None:
        self._processes = processes
        self._readings: dict[str, list[tuple[float, float]]] = {name: [] for name in processes}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._begun = 0.0

    def __enter__(self) -> Memory:
        self._begun = time.monotonic()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()

    def _read(self) -> None:
        while not self._stopping.wait(_EVERY_SECONDS):
            for name, process in self._processes.items():
                try:
                    resident = process.memory_info().rss / 1e6
                except psutil.NoSuchProcess:
                    return
                self._readings[name].append((time.monotonic() - self._begun, resident))

    def held(self, after_seconds: float) -> dict[str, Held]:
        """By process, from so long after the beginning on."""
        found = {}
        for name, readings in self._readings.items():
            settled = [mb for at, mb in readings if at >= after_seconds]
            if settled:
                half = [mb for at, mb in readings if at >= readings[-1][0] / 2]
                by_minute = [
                    median(mb for _, mb in minute)
                    for _, minute in groupby(readings, lambda reading: reading[0] // 60)
                ]
                spans = [Span(min(mbs), max(mbs)) for mbs in (settled, half)]
                found[name] = Held(spans[0], spans[1], by_minute)
        return found
