"""What commands share that change a table of the database, such as `rollcall keys`."""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from deploy.terminal import FAILURE, USAGE, fail

if TYPE_CHECKING:
    from schemas.managed.manager import Manager


@contextmanager
def database_of(data_dir: Path, rows: str, problem: type[Exception]) -> Iterator[str]:
    """Its address. What goes wrong in the context ends the command with a sentence: ``problem`` is
    what the table of ``rows`` refuses."""
    import psycopg

    from deploy.database import DATABASE_VARIABLE, NoDatabaseError, database_url

    try:
        yield database_url(data_dir)
    except (problem, NoDatabaseError) as error:
        fail(str(error), USAGE)
    except psycopg.errors.UndefinedTable:
        fail(f"the database has no table of {rows} yet: run rollcall migrate", FAILURE)
    except psycopg.Error as error:
        fail(
            f"the database of {DATABASE_VARIABLE}, or of rollcall up in {data_dir}, "
            f"did not do it: {error}",
            FAILURE,
        )


def user_here() -> str:
    """Who runs the command."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return "unknown"


def manager_here() -> Manager:
    """The same, as the audit of what managers keep has them."""
    from schemas.managed.manager import Manager

    return Manager("command", user_here())


def shown_time(at: datetime | None) -> str:
    """In UTC, to the second; ``-`` for none."""
    return "-" if at is None else at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
