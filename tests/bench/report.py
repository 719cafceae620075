"""What ``make bench`` says of its figures, and beside those of an earlier run.

Figures of two runs are compared by what they are of the plain service's in the same run: how busy
the machine was, and how fast it is, is in both.
"""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Final, TypeAlias

#: CPU µs per heartbeat by row of the table, then by part.
Figures: TypeAlias = dict[str, dict[str, float]]


def medians(runs: dict[str, list[dict[str, float]]]) -> Figures:
    """Of each row's runs; ``spread`` is how far apart their totals are, by the median."""
    figures: Figures = {}
    for name, rounds in runs.items():
        row = {part: statistics.median(each[part] for each in rounds) for part in rounds[0]}
        totals = [each["total"] for each in rounds]
        row["spread"] = (max(totals) - min(totals)) / row["total"] if row["total"] else 0.0
        figures[name] = row
    return figures


def write_figures(path: Path, figures: Figures) -> None:
    path.write_text(json.dumps(figures, indent=1) + "\n")


def read_figures(path: Path) -> Figures:
    """Raises ``SystemExit`` that names the file, if it is none of ours."""
    try:
        figures = json.loads(path.read_text())
        return {name: {part: float(x) for part, x in row.items()} for name, row in figures.items()}
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise SystemExit(f"--against {path}: not figures that --json wrote ({error})") from None


#: What Rollcall is compared with, by the name of its rows.
OTHERS: Final = {"plain": "the plain service's", "redis": "FastAPI's and Redis'"}


def shares(figures: Figures, other: str = "plain") -> dict[str, float]:
    """Of each of Rollcall's rows: its total, of that of the ``other`` service with such
    connections."""
    found = {}
    for name, row in figures.items():
        whose, _, how = name.partition(", ")
        plain = figures.get(f"{other}, {how.partition(' at ')[0]}", {}).get("total")
        if whose == "rollcall" and plain:  # so few heartbeats may take less than a tick of /proc
            found[name] = row["total"] / plain
    return found


def ratios(figures: Figures) -> list[str]:
    """A line for each of Rollcall's rows and each other service."""
    return [
        f"{name}: {share:.2f} of {whose} CPU"
        for other, whose in OTHERS.items()
        for name, share in shares(figures, other).items()
    ]


def comparison(figures: Figures, earlier: Figures) -> list[str]:
    """A line for each row that both runs have."""
    before = shares(earlier)
    return [
        f"{name}: {share / before[name]:.2f} of the earlier run's {before[name]:.2f}"
        for name, share in shares(figures).items()
        if before.get(name)
    ]
