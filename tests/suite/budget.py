"""What the suite may cost, in CPU seconds by folder: it must not creep up unnoticed.

``budget.toml`` has what each folder may take at most, twice what it took when that was written (the
same tests took four tenths more half an hour later), and what each file took. Whoever adds a test
that does not fit makes another one cheaper, or raises the line in the same commit and says why.

``walls.toml`` has how long each file takes by the clock, which orders them: much of it is waiting.
"""

from __future__ import annotations

import os
import tomllib
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Final

FILE: Final = Path(__file__).with_name("budget.toml")
WALLS: Final = Path(__file__).with_name("walls.toml")
#: What a file takes by the clock for each second of CPU, where nobody has measured it.
WALL_OF_CPU: Final = 3.0
NEVER_MEASURED_SECONDS: Final = 15.0


@dataclass(frozen=True)
class Budget:
    """CPU seconds, and how long files take by the clock."""

    most_of_folder: Mapping[str, float]
    seconds_of_file: Mapping[str, float]
    wall_of_file: Mapping[str, float] = field(default_factory=dict)

    def wall_of(self, file: str) -> float:
        """Seconds by the clock, as they were measured or as they may be."""
        if (wall := self.wall_of_file.get(file)) is not None:
            return wall
        cpu = self.seconds_of_file.get(file)
        return NEVER_MEASURED_SECONDS if cpu is None else cpu * WALL_OF_CPU


@dataclass
class Unit:
    """What stays in one process, and what its files take together."""

    cpu_seconds: float = 0.0
    wall_seconds: float = 0.0


def in_order(units: Mapping[str, Unit]) -> list[str]:
    """The longest first, and at any time of a run those that compute beside those that wait: where
    all processes wait for something at the same time, both cores have nothing to do."""
    longest_first = sorted(units, key=lambda name: (-units[name].wall_seconds, name))
    all_wall = sum(unit.wall_seconds for unit in units.values())
    mean = sum(unit.cpu_seconds for unit in units.values()) / max(all_wall, 1e-9)

    def computes(name: str) -> bool:
        return units[name].cpu_seconds > mean * units[name].wall_seconds

    sides = [[n for n in longest_first if computes(n) is side] for side in (True, False)]
    # Each unit stands where its side's clock would be if both sides began and ended together.
    stands: list[tuple[float, int, str]] = []
    for side in sides:
        total = sum(units[name].wall_seconds for name in side)
        passed = 0.0
        for place, name in enumerate(side):
            stands.append((passed / max(total, 1e-9), place, name))
            passed += units[name].wall_seconds
    return [name for _, _, name in sorted(stands)]


@cache
def read_budget() -> Budget:
    read = tomllib.loads(FILE.read_text())
    return Budget(read["folders"], read["files"], tomllib.loads(WALLS.read_text()))


def folder_of(file: str) -> str:
    """``tests/unit`` of ``tests/unit/test_x.py``; pages are part of ``tests/e2e``."""
    return "/".join(file.split("/")[:2]) if file.startswith("tests/") else file


def by_folder(costs: Mapping[str, float]) -> dict[str, float]:
    """Sums of what files took, the costliest first."""
    sums: dict[str, float] = defaultdict(float)
    for file, seconds in costs.items():
        sums[folder_of(file)] += seconds
    return dict(sorted(sums.items(), key=lambda item: -item[1]))


def over_budget(sums: Mapping[str, float], budget: Budget) -> list[str]:
    """A sentence for each folder that took too much, and for each that has no line."""
    problems = []
    for folder, seconds in sums.items():
        most = budget.most_of_folder.get(folder)
        if most is None:
            problems.append(f"{folder} has no line in tests/suite/{FILE.name}")
        elif seconds > most:
            problems.append(
                f"{folder} took {seconds:.0f} s of CPU, {most:.0f} at most: make a test cheaper, "
                f"or raise the line in tests/suite/{FILE.name} and say why"
            )
    return problems


def is_held() -> bool:
    """In CI, whose machine the figures are of; elsewhere they are only printed."""
    return bool(os.environ.get("CI"))


def report(costs: Mapping[str, float], budget: Budget) -> list[str]:
    """Lines for the end of a run: folders, then the ten costliest files."""
    lines = [
        f"{seconds:8.1f} s  of {budget.most_of_folder.get(folder, 0):5.0f}  {folder}"
        for folder, seconds in by_folder(costs).items()
    ]
    costly = sorted(costs.items(), key=lambda item: -item[1])
    files = [(file, seconds) for file, seconds in costly if file.startswith("tests/")]
    lines += ["", *(f"{seconds:8.1f} s  {file}" for file, seconds in files[:10])]
    return lines


def write_files(costs: Mapping[str, float], walls: Mapping[str, float]) -> None:
    """Put what each file took into ``budget.toml``, whose lines of folders stay as they are, and
    how long it took into ``walls.toml``."""
    head = FILE.read_text().partition("[files]")[0]
    FILE.write_text(f"{head}[files]\n{_lines(costs)}")
    heading, _, _ = WALLS.read_text().partition("\n")
    WALLS.write_text(f"{heading}\n{_lines(walls)}")


def _lines(seconds: Mapping[str, float]) -> str:
    files = sorted(file for file in seconds if file.startswith("tests/"))
    return "".join(f'"{file}" = {seconds[file]:.1f}\n' for file in files)
