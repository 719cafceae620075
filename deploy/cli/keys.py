"""`rollcall key`: API keys for services that read presence, such as a CRM."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from deploy.cli.stored import database_of, shown_time
from deploy.cli.tables import print_table
from deploy.terminal import DEFAULT_DATA_DIR, USAGE, DataDir, fail, note

if TYPE_CHECKING:
    from deploy.roles.api_keys import KeyTable

MAX_NAME: Final = 100
MAX_EXPIRES_DAYS: Final = 3650
HEADINGS: Final = ("ID", "NAME", "SCOPES", "CREATED", "EXPIRES", "LAST USED", "REVOKED")

app = typer.Typer(
    name="key",
    help="Make, list and revoke API keys of services that read presence, such as a CRM.",
    no_args_is_help=True,
)

KeyName = Annotated[
    str, typer.Option(envvar="ROLLCALL_KEY_NAME", help="Name of the service that has the key.")
]


@app.command()
def create(
    name: KeyName,
    scope: Annotated[
        str,
        typer.Option(
            envvar="ROLLCALL_KEY_SCOPE",
            help='Scopes, separated by spaces: "presence:read", "presence:export", '
            '"presence:audit", "presence:privacy", "presence:manage".',
        ),
    ],
    expires_days: Annotated[
        int | None,
        typer.Option(
            envvar="ROLLCALL_KEY_EXPIRES_DAYS", help="Validity in days. Without it: until revoked."
        ),
    ] = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Print a new key, once.

    It goes where a token goes: Authorization: Bearer, or the dashboard's login. Kept in the
    database of ROLLCALL_DATABASE_URL where that is set, else in that of the data directory.
    """
    from schemas.tokens.api_keys import KNOWN_SCOPES, parse_scopes
    from schemas.untrusted.text import clean_text

    if not 1 <= len(name) <= MAX_NAME or clean_text(name).strip() != name:
        fail(f"--name: give 1 to {MAX_NAME} characters, with no blanks around them", USAGE)
    if expires_days is not None and not 1 <= expires_days <= MAX_EXPIRES_DAYS:
        fail(f"--expires-days {expires_days}: give 1 to {MAX_EXPIRES_DAYS} days", USAGE)
    try:
        scopes = parse_scopes(scope)
    except ValueError as error:
        fail(f"--scope: {error}", USAGE)
    with _table(data_dir) as table:
        key = table.create(name, scopes, expires_days)
    for unknown in sorted(set(scopes) - set(KNOWN_SCOPES)):
        note(f"no call of this version asks for the scope {unknown}")
    note("the key is shown only now: keep it like a password")
    typer.echo(key)


@app.command("list")
def list_keys(data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Show all keys there ever were: everything but the keys themselves.

    Times are UTC. The last use is stored at most once a minute.
    """
    with _table(data_dir) as table:
        keys = table.list()
    rows = [
        (
            str(key.id),
            key.name,
            " ".join(key.scopes),
            *(shown_time(at) for at in (key.created_at, key.expires_at, key.last_used_at)),
            shown_time(key.revoked_at),
        )
        for key in keys
    ]
    print_table(HEADINGS, rows)


@app.command()
def revoke(name: KeyName, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """End a key: a second later no service accepts it."""
    with _table(data_dir) as table:
        table.revoke(name)
    typer.echo(f"revoked {name}")


@contextmanager
def _table(data_dir: Path) -> Iterator[KeyTable]:
    from deploy.roles.api_keys import KeyProblemError, KeyTable

    with database_of(data_dir, "keys", KeyProblemError) as url:
        yield KeyTable(url)
