"""``--smoke``: a bench at its smallest, to see that it still runs. Its figures say nothing."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Annotated

import typer

Smoke = Annotated[
    bool,
    typer.Option("--smoke", help="As small as it goes: it runs through, its figures say nothing."),
]


def check_measured(figures: Mapping[str, float]) -> None:
    """There are figures, and each is one. Ends the bench otherwise."""
    broken = {name: figure for name, figure in figures.items() if not isfinite(figure)}
    if broken or not figures:
        raise SystemExit(f"not measured: {broken or 'anything'}")
