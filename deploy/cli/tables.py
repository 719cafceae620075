"""Tables on the terminal."""

from __future__ import annotations

from collections.abc import Sequence

import typer


def print_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Each column as wide as its longest cell, two blanks between them."""
    widths = [max(map(len, column)) for column in zip(headings, *rows, strict=True)]
    for row in (headings, *rows):
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        typer.echo("  ".join(cells).rstrip())
