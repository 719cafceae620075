"""``make fuzz``: every target for its share of ten minutes, two at a time.

A target begins with the inputs that are kept of it. What breaks a promise is printed with the bytes
and what to do; with ``--keep`` the shortest inputs that reach something new are kept.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.table import Table

from tests.bench.smoke import Smoke
from tests.fuzz.targets import TARGETS, keep, kept

#: Beyond its time a target hangs.
PATIENCE_SECONDS: Final = 120
LONGEST_BYTES: Final = 4_096
#: Of a target, in the repository.
KEPT_BYTES: Final = 6_000
_FOUND: Final = ("crash-", "timeout-", "oom-", "leak-")
console = Console()


@dataclass(frozen=True, slots=True)
class Hunt:
    """What a target came to. ``edges`` are those of the instrumented code that were reached."""

    name: str
    executions: int
    edges: int
    inputs: int
    found: list[bytes]
    said: str


def main(
    minutes: float = 10.0,
    only: Annotated[str, typer.Option(help="This target alone.")] = "",
    seed: int = 1,
    *,
    keep_inputs: Annotated[
        bool, typer.Option("--keep", help="Write what reaches something new into the corpus.")
    ] = False,
    smoke: Smoke = False,
) -> None:
    """Hunt, and fail where something was found."""
    if only and only not in TARGETS:
        raise typer.BadParameter(f"no target (they are: {', '.join(TARGETS)})", param_hint="--only")
    names = [only] if only else [*TARGETS]
    workers = min(2, len(names))
    seconds = 1 if smoke else round(60 * minutes * workers / len(names))
    with ThreadPoolExecutor(workers) as pool:
        keeps = keep_inputs and not smoke
        hunts = [*pool.map(lambda name: _hunt(name, seconds, seed, keeps=keeps), names)]
    table = Table("target", "executions", "edges reached", "inputs", "found")
    for hunt in hunts:
        figures = (hunt.executions, hunt.edges, hunt.inputs, len(hunt.found))
        table.add_row(hunt.name, *(f"{figure:,}" for figure in figures))
    console.print(table)
    broken = False
    for hunt in hunts:
        for data in hunt.found:
            broken = True
            console.print(
                f"{hunt.name} breaks a promise with {data!r}:\n{hunt.said}\nMake it a test of its "
                "own first, then mend it.",
                markup=False,
            )
        if not hunt.executions:
            broken = True
            console.print(f"{hunt.name} did not run:\n{hunt.said}", markup=False)
    raise SystemExit(broken)


def _hunt(name: str, seconds: int, seed: int, *, keeps: bool) -> Hunt:
    with TemporaryDirectory() as made:
        place = Path(made)
        corpus = place / "corpus"
        corpus.mkdir()
        for number, data in enumerate(kept(name)):
            (corpus / str(number)).write_bytes(data)
        said = _run(
            name,
            place,
            *(f"-max_total_time={seconds}", f"-seed={seed}", f"-max_len={LONGEST_BYTES}"),
            *("-rss_limit_mb=2048", "-print_final_stats=1", str(corpus)),
            seconds=seconds,
        )
        found = [each.read_bytes() for each in place.iterdir() if each.name.startswith(_FOUND)]
        if keeps and not found:
            # Each of them reached something that none before it did, and was shortened since.
            keep(name, _fitting(kept(name), [each.read_bytes() for each in corpus.iterdir()]))
        return Hunt(
            name,
            _last(r"stat::number_of_executed_units:\s*(\d+)", said),
            _last(r" cov: (\d+)", said),
            len([*corpus.iterdir()]),
            found,
            said[-3_000:],
        )


def _fitting(before: list[bytes], inputs: list[bytes]) -> list[bytes]:
    """What was kept before, and the shortest others within the bytes that a target may have."""
    fitting, total = [*before], sum(map(len, before))
    for data in sorted({*inputs} - {*before}, key=len):
        total += len(data)
        if total > KEPT_BYTES:
            break
        fitting.append(data)
    return fitting


def _run(name: str, place: Path, *arguments: str, seconds: int) -> str:
    ended = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.one", name, f"-artifact_prefix={place}/", *arguments],
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        timeout=seconds + PATIENCE_SECONDS,
        env=os.environ,
    )
    return ended.stdout + ended.stderr


def _last(pattern: str, text: str) -> int:
    found = re.findall(pattern, text)
    return int(found[-1]) if found else 0


if __name__ == "__main__":
    typer.run(main)
