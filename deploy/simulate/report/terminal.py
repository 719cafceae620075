"""A report on the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from deploy.simulate.report.result import Report
from deploy.simulate.report.words import (
    DETECTION_HEADINGS,
    DWELL_HEADINGS,
    about_run,
    detection_rows,
    dwell_rows,
    headline,
)


def show(report: Report, console: Console) -> None:
    """The headline and the tables."""
    console.print(Text(about_run(report)))
    figures = Table.grid(padding=(0, 2))
    for each in headline(report):
        style = "bold red" if each.mood == "bad" else "bold"
        figures.add_row(each.name, Text(each.value, style), Text(each.about, "dim"))
    console.print(figures)
    console.print(_table(DETECTION_HEADINGS, detection_rows(report), "Time to detect"))
    console.print(_table(DWELL_HEADINGS, dwell_rows(report), "Dwell by screen"))


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]], title: str) -> Table:
    table = Table(title=title, title_justify="left", box=None, header_style="dim")
    for number, heading in enumerate(headings):
        table.add_column(heading, justify="right" if number else "left")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    return table
