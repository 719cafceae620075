"""The table of docs/accuracy.md about the guide's app in the background."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from msgspec.structs import replace
from rich.console import Console
from rich.progress import track

from processor.core.model import Policy
from tests.bench.accuracy.background import (
    FOREGROUND,
    PAUSED,
    SYSTEMS,
    Shown,
    lives,
    shown_of,
)
from tests.bench.smoke import check_measured

BEGIN, END = "<!-- made by make accuracy: background -->\n", "<!-- end of background -->"
USERS, HOURS = 60, 6.0
LOSS: Final = 0.02
LOSSES: Final = (0.0, LOSS, 0.1)
#: Of systems that run or slow the timer, half each; a fifth ends the app, the rest freezes it.
RUNNING: Final = (0.0, 0.05, 0.15, 0.6)
PERIODS_MS: Final = {"a person": 0, "by its grid": 120_000}


def measure(seed: int, policy: Policy, docs: Path, console: Console, *, smoke: bool) -> None:
    """Measure both rules in all cells, and write the page's table."""
    users, hours = (10, 1.0) if smoke else (USERS, HOURS)
    cells = [(f"loss {loss:.0%}", loss, SYSTEMS) for loss in LOSSES]
    cells += [(f"running {share:.0%}", LOSS, systems_of(share)) for share in RUNNING]
    results: dict[str, dict[str, Shown]] = {}
    for name, loss, systems in track(cells, "the background", console=console):
        fleet = lives(users, hours, loss, systems, seed)
        results[name] = {
            rule: shown_of(fleet, hours, replace(policy, background_timer_ms=period_ms))
            for rule, period_ms in PERIODS_MS.items()
        }
    check_measured(
        {f"{n} {r}": s.wrong_minutes for n, by in results.items() for r, s in by.items()}
    )
    how = f"`make accuracy`, seed {seed}, {users} phones for {hours:g} virtual hours in each cell."
    text = f"{how}\n\n{table(results)}"
    console.print(text, markup=False, highlight=False, soft_wrap=True)
    if smoke:
        return
    page = docs / "accuracy.md"
    around = re.compile(re.escape(BEGIN) + ".*?" + re.escape(END), re.DOTALL)
    page.write_text(around.sub(lambda _: f"{BEGIN}\n{text}\n\n{END}", page.read_text()))


def systems_of(running: float) -> dict[str, float]:
    """The systems' shares where so many let timers run or slow them."""
    return {
        "ends": 0.2,
        "freezes": 0.8 - running,
        "runs": running / 2,
        "slows": running / 2,
    }


def table(results: dict[str, dict[str, Shown]]) -> str:
    """Markdown: minutes (and episodes) in 1,000 phone-hours."""
    head = (
        "| cell | an `Unknown` is | seen, shown offline | seen, shown in the background "
        "| paused, shown in the foreground | of it marked | wrong in all |"
    )
    lines = [
        head,
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, by_rule in results.items():
        for rule, shown in by_rule.items():
            wrong = [(FOREGROUND, "offline"), (FOREGROUND, "background"), (PAUSED, "foreground")]
            told = [f"{shown.minutes(*each):,.0f} ({shown.times(*each):,.0f})" for each in wrong]
            marked = shown.marked[PAUSED] / 60 / shown.hours * 1000
            figures = [*told, f"{marked:,.0f}", f"{shown.wrong_minutes:,.0f}"]
            lines.append(f"| {name} | {rule} | " + " | ".join(figures) + " |")
    return "\n".join(lines)
