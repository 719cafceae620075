"""`rollcall screens`: rules for screens' names, tried on the names that have arrived."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from deploy.terminal import DEFAULT_DATA_DIR, FAILURE, USAGE, DataDir, fail

if TYPE_CHECKING:
    from api.analytics.screen_preview import Preview
    from schemas.log.screen_rules import ScreenRules

#: Beyond it the least visited are not looked at.
MOST_NAMES: Final = 100_000

app = typer.Typer(name="screens", help="Names of screens.", no_args_is_help=True)


@app.callback()
def _screens() -> None:
    """Names of screens."""


@app.command()
def preview(
    rules: Annotated[
        Path | None,
        typer.Option(
            envvar="ROLLCALL_SCREEN_RULES",
            help="File of rules, as ingest would read it. Without one: the ready rules.",
            dir_okay=False,
        ),
    ] = None,
    visits: Annotated[
        int,
        typer.Option(
            min=1, max=10_000_000, help="How many of the latest visits to look at, at most."
        ),
    ] = 200_000,
    limit: Annotated[
        int, typer.Option(min=1, max=10_000, help="Lines of each table, at most.")
    ] = 50,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Show what rules would make of the names of screens that have arrived.

    Nothing is changed. The database is that of ROLLCALL_DATABASE_URL, else that of rollcall up in
    the data directory. What the rules are: docs/privacy.md.
    """
    from schemas.log.screen_rules import READY_RULES, ScreenRulesError
    from schemas.log.settings import read_screen_rules

    try:
        chosen = READY_RULES if rules is None else read_screen_rules(rules)
    except ScreenRulesError as error:
        fail(f"--rules {rules}: {error}", USAGE)
    _show(_read(chosen, visits, data_dir), chosen, limit)


def _read(rules: ScreenRules, visits: int, data_dir: Path) -> Preview:
    import psycopg

    from api.analytics.screen_preview import ScreenPreview
    from deploy.database import NoDatabaseError, session_url

    async def read(dsn: str) -> Preview:
        async with await psycopg.AsyncConnection.connect(dsn) as connection:
            return await ScreenPreview().of(
                connection, rules, most_visits=visits, most_names=MOST_NAMES
            )

    try:
        return asyncio.run(read(session_url(data_dir)))
    except NoDatabaseError as error:
        fail(str(error), USAGE)
    except psycopg.errors.UndefinedTable:
        fail("the database lacks tables of this release: run rollcall migrate", FAILURE)
    except psycopg.Error as error:
        fail(f"PostgreSQL (ROLLCALL_DATABASE_URL) did not answer: {error}", FAILURE)


def _show(found: Preview, rules: ScreenRules, limit: int) -> None:
    lines = rules.lines
    more = f" and {len(lines) - 10} more" if len(lines) > 10 else ""
    typer.echo(f"rules: {', '.join(lines[:10])}{more}")
    if found.since is None:
        typer.echo("no visit to a screen with a name is over yet")
        return
    since = found.since.astimezone(UTC)
    typer.echo(f"{found.visits:,} visits to {found.names:,} names since {since:%Y-%m-%dT%H:%M:%SZ}")
    folded = [each for each in found.screens if each.folded]
    stay = [each for each in found.screens if not each.folded]
    typer.echo(f"\n{found.folded_names:,} names become {len(folded):,}")
    _table(
        ("BECOMES", "NAMES", "VISITS", "USERS", "SUCH AS"),
        [
            (e.screen, f"{e.names:,}", f"{e.visits:,}", f"{e.users:,}", " · ".join(e.examples))
            for e in folded
        ],
        limit,
    )
    typer.echo(f"\n{len(stay):,} names stay")
    _table(
        ("NAME", "VISITS", "USERS"),
        [(e.screen, f"{e.visits:,}", f"{e.users:,}") for e in stay],
        limit,
    )
    left_out = found.names - sum(each.names for each in found.screens)
    if left_out:
        typer.echo(f"\n{left_out:,} names with the fewest visits were not looked at")


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]], limit: int) -> None:
    if not rows:
        return
    shown = [heads, *rows[:limit]]
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    for row in shown:
        typer.echo("  ".join(_cells(row, widths)).rstrip())
    if len(rows) > limit:
        typer.echo(f"… {len(rows) - limit:,} more: --limit {len(rows)}")


def _cells(row: Iterable[str], widths: Iterable[int]) -> list[str]:
    return [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
