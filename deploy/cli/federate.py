"""`rollcall federate`: add several deployments up in a database of its own."""

from __future__ import annotations

from typing import Annotated

import typer

from deploy.terminal import DEFAULT_DATA_DIR, FAILURE, USAGE, DataDir, fail, note


def federate(
    members: Annotated[
        str | None,
        typer.Option(
            envvar="ROLLCALL_FEDERATION_MEMBERS",
            show_envvar=True,
            help="The databases of the members: name=postgresql://…, with commas between. Rather "
            "in the variable: a command line is seen by others.",
        ),
    ] = None,
    api_role: Annotated[
        str | None,
        typer.Option(
            envvar="ROLLCALL_API_ROLE",
            help="Role that may do what the API of the federation does, and no more.",
        ),
    ] = None,
    status: Annotated[
        bool, typer.Option("--status", help="Only tell of each member whether it answers.")
    ] = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Add several deployments up: views over postgres_fdw, on which an API runs as it is.

    The database is that of ROLLCALL_DATABASE_URL; who asks must own it. It is migrated, and is
    nobody's deployment. May be run again: with other members, and after each upgrade.
    """
    import psycopg

    from deploy.database import NoDatabaseError, session_url
    from deploy.federation.make import FederationError, make_federation
    from deploy.federation.members import MemberError, parse_members
    from schemas.database import migrate as schema

    try:
        url = session_url(data_dir)
    except NoDatabaseError as error:
        fail(str(error), USAGE)
    try:
        if status:
            _tell(url)
            return
        if not members:
            fail("say of which members: --members eu=postgresql://…,us=postgresql://…", USAGE)
        wanted = parse_members(members)
        if api_role:
            schema.check_role(url, api_role)
        made = make_federation(url, wanted, api_role)
    except (MemberError, schema.NoSuchRoleError) as error:
        fail(str(error), USAGE)
    except (FederationError, schema.MigrationError) as error:
        fail(str(error), FAILURE)
    except psycopg.Error as error:
        fail(f"PostgreSQL (ROLLCALL_DATABASE_URL) did not do it: {error}", FAILURE)
    for name in made.applied:
        typer.echo(f"applied {name}")
    for name in made.added:
        typer.echo(f"{name} is a member")
    for name in made.removed:
        typer.echo(f"{name} is no member any more")
    for name, why in made.away.items():
        note(f"{name} does not answer now, and was not looked at: {why}")
    typer.echo(f"a federation of {', '.join(member.name for member in wanted)}")
    if api_role:
        typer.echo(f"{api_role} may do what the API does")


def _tell(url: str) -> None:
    from deploy.federation.state import states_of

    states = states_of(url)
    for state in states:
        if state.here:
            as_of = state.as_of.isoformat(timespec="milliseconds") if state.as_of else "nothing yet"
            typer.echo(f"{state.name}: here, as of {as_of}, migration {state.migration}")
        else:
            since = state.since.isoformat(timespec="seconds")
            typer.echo(f"{state.name}: away since {since}: {state.problem}")
    if not all(state.here for state in states):
        raise typer.Exit(FAILURE)
