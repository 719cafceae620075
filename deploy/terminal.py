"""What the commands have in common: the data directory, exit codes, and how they fail."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Final, NoReturn

import typer

USAGE: Final = 2
FAILURE: Final = 1
INTERRUPTED: Final = 130

DataDir = Annotated[
    Path,
    typer.Option(
        envvar="ROLLCALL_DATA_DIR", help="Directory of keys, logs, Kafka's and PostgreSQL's files."
    ),
]


def fail(message: str, code: int) -> NoReturn:
    """One line on standard error, and out."""
    note(message)
    raise typer.Exit(code)


def note(message: str) -> None:
    """One line on standard error, where no result of a command is."""
    one_line = " ".join(message.split())
    sys.stderr.write(f"rollcall: {one_line}\n")
