"""What came of the rounds: a line each, a table of kinds at the end, JSON for later."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from rich.table import Table


@dataclass
class Outcome:
    """Of one round. ``recovery_seconds`` is ``None`` where it did not recover."""

    number: int
    kind: str
    #: Which process or line.
    chosen: list[str]
    seed: int
    fault_seconds: float
    recovery_seconds: float | None
    differences: int
    acknowledged: int
    missing: int
    taken: int
    repeated: int
    false_offline: int
    in_part: list[int]
    holds: bool
    said: list[str]

    def line(self) -> str:
        recovery = "never" if self.recovery_seconds is None else f"{self.recovery_seconds:.1f} s"
        mark = "✓" if self.holds else "✗"
        taken = f" ({self.taken} taken by the fault)" if self.taken else ""
        chosen = f" ({', '.join(self.chosen)})" if self.chosen else ""
        in_part = f", audited in part {self.in_part}" if self.in_part else ""
        return (
            f"{mark} {self.number} {self.kind}{chosen} seed {self.seed}:"
            f" fault {self.fault_seconds:.1f} s, recovery {recovery},"
            f" {self.differences} differences, {self.acknowledged:,} acknowledged,"
            f" {self.missing} missing{taken},"
            f" {self.false_offline} falsely offline{in_part}"
        )


def table(outcomes: list[Outcome]) -> Table:
    """Kinds, how their rounds ended, how long recovery took."""
    made = Table()
    made.add_column("kind", no_wrap=True)
    counts = ("rounds", "held", "differences", "missing", "falsely offline")
    for title in (*counts, "recovery p50 s", "max s"):
        made.add_column(title, justify="right")
    for name in dict.fromkeys(outcome.kind for outcome in outcomes):
        of_kind = [outcome for outcome in outcomes if outcome.kind == name]
        seconds = [o.recovery_seconds for o in of_kind if o.recovery_seconds is not None]
        made.add_row(
            name,
            str(len(of_kind)),
            str(sum(outcome.holds for outcome in of_kind)),
            str(sum(outcome.differences for outcome in of_kind)),
            str(sum(outcome.missing for outcome in of_kind)),
            str(sum(outcome.false_offline for outcome in of_kind)),
            f"{median(seconds):.1f}" if seconds else "",
            f"{max(seconds):.1f}" if seconds else "",
        )
    return made


def write_json(path: Path, seed: int, outcomes: list[Outcome]) -> None:
    """All that is known of them."""
    content = {"seed": seed, "rounds": [asdict(one) for one in outcomes]}
    path.write_text(json.dumps(content, indent=2) + "\n")
