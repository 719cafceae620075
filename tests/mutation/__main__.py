"""``make mutants``: which change of the pure core does no unit test see?

Properties draw few examples, the same ones each time, and what is found is not made smaller.
"""

from __future__ import annotations

import difflib
import os
from collections import Counter
from typing import Annotated, Final

import pytest
import typer
from rich.console import Console
from rich.table import Table

from tests.bench.smoke import Smoke
from tests.mutation.hunt import Fate, Hunt
from tests.mutation.mutants import Mutant, files, mutants_of, sample

TESTS: Final = ("tests/unit/processor", "tests/unit/ingest")
#: Of a property.
EXAMPLES: Final = 10
console = Console()


def main(
    only: Annotated[str, typer.Option(help="Modules whose path holds this.")] = "",
    tests: Annotated[str, typer.Option(help="These tests alone.")] = " ".join(TESTS),
    size: Annotated[int, typer.Option("--sample", help="Of each module; 0 is all.")] = 0,
    seed: int = 1,
    processes: int = 2,
    *,
    smoke: Smoke = False,
) -> None:
    """Try mutants, and show those that live."""
    if smoke:
        only, tests, size = "core/log/losses.py", "tests/unit/processor/test_losses.py", 2
    os.environ["ROLLCALL_TEST_EXAMPLES"] = str(EXAMPLES)
    modules = {file: found for file in files() if only in file and (found := mutants_of(file))}
    if not modules:
        raise typer.BadParameter(f"no module is named so: {only}", param_hint="--only")
    tried = [each for found in modules.values() for each in sample(found, size, seed)]
    fates: list[Fate] = []

    def told(fate: Fate) -> None:
        fates.append(fate)
        if fate.killer is None and not fate.is_the_same:
            console.print(_shown(fate.mutant), markup=False, highlight=False)

    hunt = Hunt(tried, processes, told)
    arguments = ["-qq", "--no-summary", "-p", "no:cacheprovider", *tests.split()]
    code = pytest.main(arguments, plugins=[hunt])
    if hunt.broken or code not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        raise SystemExit(f"fails without a mutant: {', '.join(hunt.broken) or code}")
    console.print(_table({file: len(found) for file, found in modules.items()}, fates, seed))
    if smoke and not any(fate.killer for fate in fates):
        raise SystemExit("no mutant was killed")


def _table(mutants: dict[str, int], fates: list[Fate], seed: int) -> Table:
    real = [fate for fate in fates if not fate.is_the_same]
    tried = Counter(fate.mutant.file for fate in real)
    killed = Counter(fate.mutant.file for fate in real if fate.killer)
    table = Table("module", "mutants", "tried", "killed", "left", title=f"seed {seed}")
    for file, number in mutants.items():
        left = tried[file] - killed[file]
        table.add_row(file, *map(str, (number, tried[file], killed[file], left)))
    of_all = sum(
        number * killed[file] / tried[file] for file, number in mutants.items() if tried[file]
    )
    number = sum(number for file, number in mutants.items() if tried[file])
    share = f"together, {of_all / number:.1%} by weight" if number else "together"
    sums = (sum(mutants.values()), tried.total(), killed.total(), tried.total() - killed.total())
    table.add_row(share, *map(str, sums))
    return table


def _shown(mutant: Mutant) -> str:
    before, after = mutant.module.code.splitlines(), mutant.source.splitlines()
    changed = [
        line
        for line in difflib.unified_diff(before, after, n=0, lineterm="")
        if not line.startswith(("---", "+++", "@@"))
    ]
    return "\n".join((f"{mutant.file}:{mutant.line} {mutant.function}", *changed))


if __name__ == "__main__":
    typer.run(main)
