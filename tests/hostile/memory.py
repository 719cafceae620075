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
class Held:
    """Of one process, after the beginning: resident megabytes.

    ``by_minute`` has the median of each minute from the beginning on: whether it grows.
    """

    typical: float
    least: float
    most: float
    by_minute: list[float]

    @property
    def swing(self) -> float:
        """How far the furthest reading is from the typical one, as a share of it."""
        return max(self.most - self.typical, self.typical - self.least) / self.typical


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
            later = [mb for at, mb in readings if at >= after_seconds]
            if later:
                by_minute = [
                    median(mb for _, mb in minute)
                    for _, minute in groupby(readings, lambda reading: reading[0] // 60)
                ]
                found[name] = Held(median(later), min(later), max(later), by_minute)
        return found
