"""`rollcall migrate`: the database's schema, and what roles may do with it."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from deploy.terminal import DEFAULT_DATA_DIR, FAILURE, USAGE, DataDir, fail
from deploy.waiting import WaitSeconds, wait_for


def migrate(
    analyst_role: Annotated[
        str | None,
        typer.Option(
            envvar="ROLLCALL_ANALYST_ROLE",
            help="Role that may read the aggregates of the schema analytics from now on.",
        ),
    ] = None,
    with_people: Annotated[
        bool,
        typer.Option(
            "--with-people",
            envvar="ROLLCALL_WITH_PEOPLE",
            help="It may also read analytics.visits and analytics.sessions.",
        ),
    ] = False,
    api_role: Annotated[
        str | None,
        typer.Option(
            envvar="ROLLCALL_API_ROLE",
            help="Role that may do what the API does, and no more, from now on.",
        ),
    ] = None,
    notify_role: Annotated[
        str | None,
        typer.Option(
            envvar="ROLLCALL_NOTIFY_ROLE",
            help="Role that may do what notify does, and no more, from now on.",
        ),
    ] = None,
    federation_role: Annotated[
        str | None,
        typer.Option(
            envvar="ROLLCALL_FEDERATION_ROLE",
            help="Role by which a federation may add this deployment up, and no more, from now on.",
        ),
    ] = None,
    search_index: Annotated[
        bool,
        typer.Option(
            envvar="ROLLCALL_SEARCH_INDEX",
            help="Build the index of searches, where the server can; or drop it.",
        ),
    ] = True,
    signs_of_life: Annotated[
        Literal["apart", "together"] | None,
        typer.Option(
            help="Keep what every heartbeat changes apart, where it costs least, once every "
            "processor is of this release; or together with the rest, before one of an earlier "
            "release is to work again."
        ),
    ] = None,
    wait: WaitSeconds = 0.0,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Bring the database to this version's schema.

    The database is that of ROLLCALL_DATABASE_URL, or of ROLLCALL_DATABASE_SESSION_URL where that is
    set; who asks must own it. Without both it is that of rollcall up in the data directory. Does
    nothing where nothing is to be done. The user of ROLLCALL_API_DATABASE_URL is made where that is
    set, as --api-role.
    """
    import psycopg

    from deploy.database import NoDatabaseError, session_url
    from deploy.given import given
    from deploy.roles.api_role import API_URL_VARIABLE, ApiRoleError, make_api_role
    from schemas.database import migrate as schema
    from schemas.database import signs_of_life as signs
    from schemas.database.search_index import drop_search_index, make_search_index

    made = False
    if with_people and not analyst_role:
        fail("--with-people: say to whom with --analyst-role NAME", USAGE)
    try:
        url = session_url(data_dir)
    except NoDatabaseError as error:
        fail(str(error), USAGE)
    api_url = given(API_URL_VARIABLE)
    if api_url and api_role:
        fail(f"--api-role: {API_URL_VARIABLE} names the role already", USAGE)
    roles = {
        "--analyst-role": analyst_role,
        "--api-role": api_role,
        "--notify-role": notify_role,
        "--federation-role": federation_role,
    }
    try:
        wait_for(
            lambda: psycopg.connect(url, connect_timeout=5).close(),
            (psycopg.OperationalError,),
            "PostgreSQL (ROLLCALL_DATABASE_URL)",
            wait,
        )
        for option, role in roles.items():
            if role:
                _check_role(url, option, role)
        if api_url:
            api_role, made = make_api_role(url, api_url)
        applied = schema.migrate(url)
        searching = make_search_index(url) if search_index else drop_search_index(url)
        kept = signs.keep_signs_of_life(url, signs_of_life) if signs_of_life else None
        if analyst_role:
            schema.grant_analytics(url, analyst_role, with_people=with_people)
        if api_role:
            schema.grant_api(url, api_role)
        if notify_role:
            schema.grant_notify(url, notify_role)
        if federation_role:
            schema.grant_federation(url, federation_role)
    except signs.SignsOfLifeError as error:
        fail(f"--signs-of-life {signs_of_life}: {error}", FAILURE)
    except ApiRoleError as error:
        fail(str(error), FAILURE)
    except (schema.MigrationError, psycopg.Error) as error:
        fail(
            f"cannot migrate the database of ROLLCALL_DATABASE_URL, or of {data_dir}: {error}",
            FAILURE,
        )
    for name in applied:
        typer.echo(f"applied {name}")
    if not applied:
        typer.echo("up to date")
    typer.echo(searching)
    if kept:
        typer.echo(kept)
    if analyst_role:
        people = " and people's visits and sessions" if with_people else ""
        typer.echo(f"{analyst_role} may read the aggregates of analytics{people}")
    if api_role:
        typer.echo(f"{api_role} {'was made, and ' if made else ''}may do what the API does")
    if notify_role:
        typer.echo(f"{notify_role} may do what notify does")
    if federation_role:
        typer.echo(f"{federation_role} may read what a federation adds up")


def _check_role(dsn: str, option: str, role: str) -> None:
    from schemas.database.migrate import NoSuchRoleError, check_role

    try:
        check_role(dsn, role)
    except NoSuchRoleError as error:
        fail(f"{option}: {error}", USAGE)
