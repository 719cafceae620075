"""What the commands have in common: the data directory, exit codes, and how they fail."""

from __future__ import annotations

import asyncio
import shlex
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, NoReturn

import typer

if TYPE_CHECKING:
    from schemas.log.settings import KafkaSettings

USAGE: Final = 2
FAILURE: Final = 1
INTERRUPTED: Final = 130

DEFAULT_DATA_DIR: Final = Path(".rollcall")
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


def fail_without_kafka(settings: KafkaSettings, error: Exception, code: int = FAILURE) -> NoReturn:
    """The line for a command that Kafka did not answer."""
    # Imported here: most commands need no Kafka, and it takes half a second.
    from schemas.log.diagnosis import why_away

    reason = asyncio.run(why_away(settings, error))
    fail(
        f"cannot ask Kafka at {settings.kafka_bootstrap} (ROLLCALL_KAFKA_BOOTSTRAP): {reason}",
        code,
    )


def own_command(arguments: str, data_dir: Path) -> str:
    """A command line of ours to paste into the shell that this process was started from."""
    program = "rollcall"
    # Not on the path, as in `.venv/bin/rollcall up`: by the name that was typed.
    if Path(sys.argv[0]).name == program and shutil.which(program) is None:
        program = shlex.quote(sys.argv[0])
    where = "" if data_dir == DEFAULT_DATA_DIR else f" --data-dir {shlex.quote(str(data_dir))}"
    return f"{program} {arguments}{where}"


def check_positive(option: str, seconds: float) -> None:
    """End with a usage error unless there are some seconds."""
    if not 0 < seconds < float("inf"):
        fail(f"{option} {seconds:g}: give a number of seconds above 0", USAGE)


def note(message: str) -> None:
    """One line on standard error, where no result of a command is."""
    one_line = " ".join(message.split())
    sys.stderr.write(f"rollcall: {one_line}\n")
