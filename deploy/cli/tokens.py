"""`rollcall token`: make a token for development, or say what is wrong with one."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deploy.terminal import DEFAULT_DATA_DIR, FAILURE, USAGE, DataDir, check_positive, fail

if TYPE_CHECKING:
    from schemas.tokens.settings import TokenSettings

app = typer.Typer(name="token", invoke_without_command=True)


@app.callback()
def token(
    context: typer.Context,
    user: Annotated[
        str | None,
        typer.Option(envvar="ROLLCALL_TOKEN_USER", help="User id that phones and lists use."),
    ] = None,
    device_id: Annotated[
        str | None,
        typer.Option(envvar="ROLLCALL_TOKEN_DEVICE_ID", help="Device that the token belongs to."),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(envvar="ROLLCALL_TOKEN_NAME", help="Name to show for the user."),
    ] = None,
    scope: Annotated[
        str | None,
        typer.Option(
            envvar="ROLLCALL_TOKEN_SCOPE",
            help='Scopes, separated by spaces, such as "presence:read presence:export". None by '
            "default.",
        ),
    ] = None,
    canary: Annotated[
        bool,
        typer.Option(
            "--canary",
            help="Of a canary: with the claim that ROLLCALL_CANARY_CLAIM names (rollcall_canary).",
        ),
    ] = False,
    expires: Annotated[
        float,
        typer.Option(envvar="ROLLCALL_TOKEN_EXPIRES_SECONDS", help="Validity in seconds."),
    ] = 3600.0,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Print a token for development, of --user; or say what a token is: rollcall token inspect.

    Signed with ROLLCALL_JWT_SECRET where that is set, else with the key of the data directory; with
    --scope, where staff has keys of its own, with ROLLCALL_STAFF_JWT_SECRET.
    """
    if context.invoked_subcommand is not None:
        return
    from deploy.tokens import NoKeyError, make_token, signing_key
    from schemas.log.events import MAX_USER_ID

    if user is None:
        fail("name the user of the token: --user ada", USAGE)
    check_positive("--expires", expires)
    if not 1 <= len(user) <= MAX_USER_ID:
        fail(f"--user must have 1 to {MAX_USER_ID} characters: services refuse others", USAGE)
    try:
        key = signing_key(data_dir, scope=scope)
    except NoKeyError as error:
        fail(str(error), USAGE)
    typer.echo(
        make_token(
            key,
            user=user,
            device_id=device_id,
            name=name,
            scope=scope,
            canary=canary,
            expires_seconds=expires,
        )
    )


@app.command()
def inspect(
    token: Annotated[
        str | None,
        typer.Argument(help="The token; without one, a line of standard input."),
    ] = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Say what a token is, which setting it needs, and why it is refused.

    With the settings of ROLLCALL_…, else the key of the data directory. Asks whom services would
    ask, and prints nothing that would let anybody use the token. Exit code 1: it does not count.
    """
    from deploy.cli.token_inspection import describe, judge

    if token is None:
        token = sys.stdin.readline(1_000_000).rstrip("\r\n")
    if not token:
        fail("give a token, or one on standard input", USAGE)
    settings = _settings(data_dir)
    claim = settings.user_claim if settings else os.environ.get("ROLLCALL_USER_CLAIM") or "sub"
    for line in describe(token, claim, time.time()):
        typer.echo(line)
    if settings is None:
        typer.echo("not judged: nothing is set that says whose tokens count")
        raise typer.Exit(FAILURE)
    try:
        accepted, told = asyncio.run(judge(token, settings))
    except ValueError as error:
        fail(str(error), USAGE)
    for line in told:
        typer.echo(line)
    if not accepted:
        raise typer.Exit(FAILURE)


def _settings(data_dir: Path) -> TokenSettings | None:
    """What services here go by; ``None`` where nothing says whose tokens count."""
    from deploy.local.stack import FOREIGN_KEYS
    from deploy.tokens import SECRET_VARIABLE, NoKeyError, signing_key
    from schemas.service.settings import load_or_exit
    from schemas.tokens.settings import TokenSettings

    if any(os.environ.get(name) for name in (SECRET_VARIABLE, *FOREIGN_KEYS)) or os.environ.get(
        "ROLLCALL_SECRETS_DIR"
    ):
        return load_or_exit(TokenSettings)
    try:
        key = signing_key(data_dir)
    except NoKeyError:
        return None
    return load_or_exit(lambda: TokenSettings(jwt_secret=key))
