"""`rollcall psql`: SQL over the analytics of a running `rollcall up`."""

from __future__ import annotations

import os
import shutil
import sys
from typing import Annotated
from urllib.parse import urlsplit

import typer

from deploy.terminal import DEFAULT_DATA_DIR, FAILURE, USAGE, DataDir, fail, note

HINT = (
    r"the views are in the schema analytics: \dv analytics.*, and docs/analytics.md. "
    "Hours and days are complete half an hour after their end: only then do hours have users, "
    "and days appear"
)


def psql(
    context: typer.Context,
    print_dsn: Annotated[
        bool, typer.Option("--print-dsn", help="Print the connection URL instead, for a BI tool.")
    ] = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Open psql on the analytics of the rollcall up that runs here.

    As a role that may read the aggregates of the schema analytics, and nothing else. Whatever
    follows goes to psql: rollcall psql -c 'SELECT …'.
    """
    import psycopg

    from deploy.database import NoDatabaseError
    from deploy.roles.analyst import analyst_url

    try:
        url = analyst_url(data_dir)
    except NoDatabaseError as error:
        fail(str(error), USAGE)
    except psycopg.errors.UndefinedFunction:
        fail("the database has no schema analytics yet: wait for rollcall up", FAILURE)
    except (psycopg.Error, OSError) as error:
        fail(
            f"the database of rollcall up in {data_dir} does not answer, is it up? {error}", FAILURE
        )
    if print_dsn:
        typer.echo(url)
        return
    if not context.args and sys.stdin.isatty():
        note(HINT)
    _become_psql(url, context.args)


def _become_psql(url: str, arguments: list[str]) -> None:
    """Ctrl-C is psql's from here on."""
    from deploy.local.postgres import binary

    program = shutil.which("psql") or str(binary("psql"))
    parts = urlsplit(url)
    # Not in the list of processes, which everybody reads.
    environment = {**os.environ, "PGPASSWORD": parts.password or ""}
    address = parts._replace(netloc=f"{parts.username}@{parts.hostname}:{parts.port}").geturl()
    command = [program, f"--dbname={address}", *arguments]
    os.execve(program, command, environment)  # noqa: S606 - psql, with its own arguments
