"""A target that nobody runs breaks unseen: CI runs each, at least in its smallest form."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[3]
#: Neither CI's script nor `make smoke` runs these.
NOT_RUN: Final = {
    "up": "it runs until it is stopped; the end-to-end tests start and stop it",
    "unit": "its tests are among those of `make test`",
    "budget": "it is `make test`, and writes down what files took",
    "lock": "it asks the package index, so its answer is another one each week",
    "providers": "wants Node, a JDK, Maven and the network; its result is committed",
    "clean": "it removes the environment that everything else runs in",
}


def rules() -> dict[str, tuple[list[str], list[str]]]:
    """By target: the targets that it needs, and the lines of its recipe."""
    found: dict[str, tuple[list[str], list[str]]] = {}
    recipe: list[str] = []
    for line in (ROOT / "Makefile").read_text("utf-8").splitlines():
        if line.startswith("\t"):
            recipe.append(line)
        elif rule := re.fullmatch(r"([a-z][a-z-]*):((?: \S+)*)", line):
            recipe = []
            found[rule[1]] = (rule[2].split(), recipe)
    return found


def run_by(command: str, lines: list[str]) -> set[str]:
    return {
        name
        for line in lines
        for name in re.findall(rf"{command}(?: --[a-z=0-9-]+)* ([a-z][a-z-]+)", line)
    }


def test_ci_or_smoke_runs_every_target() -> None:
    targets = rules()
    script = (ROOT / ".ci/run").read_text("utf-8").splitlines()
    run = {"smoke"} | run_by("make", [line for line in script if not line.startswith("#")])
    reached: set[str] = set()
    while run:
        reached |= run
        needed = {need for name in run for need in targets[name][0]}
        called = {name for caller in run for name in run_by(r"\$\(MAKE\)", targets[caller][1])}
        run = (needed | called) & targets.keys() - reached
    assert reached.isdisjoint(NOT_RUN)
    assert targets.keys() - reached == NOT_RUN.keys()
