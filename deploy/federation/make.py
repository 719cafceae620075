"""Make a federation of a database, or make it anew with other members."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from deploy.federation.members import Member, MemberError
from deploy.federation.tables import FOREIGN, OWN
from deploy.federation.views import SCHEMA, foreign_table, server, view_names, views_of
from schemas.database.migrate import grant_api, migrate, not_applied, only_runner
from schemas.database.named_queries import load_queries

CONNECT_SECONDS: Final = 5


class FederationError(RuntimeError):
    """There cannot be such a federation here. One line that names the remedy."""


@dataclass(frozen=True, slots=True)
class Made:
    """``away`` are members of before that could not be looked at now, each with why."""

    applied: list[str]
    added: list[str]
    removed: list[str]
    away: dict[str, str] = field(default_factory=dict)


def make_federation(url: str, members: Sequence[Member], api_role: str | None) -> Made:
    """``url`` is the federation's own database, as its owner.

    Raises `FederationError`, `MemberError`, `schemas.database.migrate.MigrationError` and
    `psycopg.Error`.
    """
    local = in_public(url)
    queries = load_queries("deploy.federation", "queries.sql")
    with psycopg.connect(local, autocommit=True, connect_timeout=CONNECT_SECONDS) as connection:
        _check_place(connection, queries)
        before = _known(connection, queries)
    away = _check_members(members, before)
    applied = migrate(local)
    with only_runner(local) as connection:
        try:
            with connection.transaction():
                _make(connection, queries, members, api_role)
        except psycopg.errors.FdwError as error:
            raise FederationError(_first_line(error)) from None
    if api_role:
        grant_api(local, api_role)
    names = [member.name for member in members]
    return Made(
        applied,
        [name for name in names if name not in before],
        [name for name in before if name not in names],
        away,
    )


def in_public(url: str) -> str:
    """The database without what a federation puts before its tables."""
    given = conninfo_to_dict(url).get("options")
    return make_conninfo(url, options=f"{given or ''} -c search_path=public".strip())


def _check_place(connection: psycopg.Connection, queries: dict[str, bytes]) -> None:
    if _row(connection, queries["holds_users"]) == (True,) and _row(
        connection, queries["is_federation"]
    ) == (False,):
        rows = connection.execute("SELECT count(*) FROM public.deployment").fetchone()
        if rows != (0,):
            raise FederationError(
                "this database is a deployment's: a federation has a database of its own; make one "
                "(CREATE DATABASE) and name it in ROLLCALL_DATABASE_URL"
            )
    has_it, could = _row(connection, queries["has_wrapper"])
    user = sql.Identifier(connection.info.user).as_string(connection)
    if not has_it:
        if not could:
            raise FederationError(
                "this PostgreSQL has no postgres_fdw, which is part of its own distribution: "
                "install Debian's postgresql, or postgresql-contrib where it is a package of its "
                "own; the server of rollcall up and some others come without it"
            )
        try:
            connection.execute(queries["make_wrapper"])
        except psycopg.errors.InsufficientPrivilege:
            raise FederationError(_superuser(user)) from None
    if _row(connection, queries["may_use_wrapper"]) != (True,):
        raise FederationError(_superuser(user))


def _superuser(user: str) -> str:
    return (
        "a superuser has to allow it first, in this database: CREATE EXTENSION IF NOT EXISTS "
        f"postgres_fdw; GRANT USAGE ON FOREIGN DATA WRAPPER postgres_fdw TO {user};"
    )


def _known(connection: psycopg.Connection, queries: dict[str, bytes]) -> list[str]:
    if _row(connection, queries["is_federation"]) != (True,):
        return []
    return [name for (name,) in connection.execute(queries["known_members"]).fetchall()]


def _check_members(members: Sequence[Member], before: Sequence[str]) -> dict[str, str]:
    """Those that cannot be reached now, of those that were members before."""
    away: dict[str, str] = {}
    logs: dict[Any, str] = {}
    zones: dict[str, str] = {}
    for member in members:
        try:
            with psycopg.connect(
                in_public(member.dsn), autocommit=True, connect_timeout=CONNECT_SECONDS
            ) as connection:
                log, zone = _check_member(connection, member)
        except psycopg.OperationalError as error:
            if member.name not in before:
                raise MemberError(
                    f"member {member.name} at {member.address} does not answer: "
                    f"{_first_line(error)}"
                ) from None
            away[member.name] = _first_line(error)
            continue
        if log is not None and log in logs:
            raise MemberError(f"members {logs[log]} and {member.name} are one deployment")
        logs[log] = member.name
        if zone is not None:
            zones[zone] = member.name
    if len(zones) > 1:
        each = ", ".join(f"{name} has {zone}" for zone, name in sorted(zones.items()))
        raise MemberError(
            "members have different reporting zones, so that their days are not the same: "
            f"{each}; set ROLLCALL_REPORTING_TIME_ZONE alike"
        )
    return away


def _check_member(connection: psycopg.Connection, member: Member) -> tuple[Any, str | None]:
    """The id of its log and the zone of its days, where it has them. Raises `MemberError`."""
    queries = load_queries("deploy.federation", "member.sql")
    if _row(connection, queries["is_federation"]) == (True,):
        raise MemberError(f"member {member.name} is a federation: name its members instead")
    if _row(connection, queries["is_migrated"]) != (True,):
        raise MemberError(f"member {member.name} has no schema of Rollcall: check its URL")
    try:
        applied = [name for (name,) in connection.execute(queries["applied"]).fetchall()]
        lacking = not_applied(applied)
        if lacking:
            raise MemberError(
                f"member {member.name} lacks migration {lacking[0]}: upgrade members first "
                "(rollcall migrate there), then the federation"
            )
        for table, columns in FOREIGN.items():
            wanted = sql.SQL(", ").join(map(sql.Identifier, columns)) if columns else sql.SQL("*")
            connection.execute(
                sql.SQL("SELECT {} FROM public.{} LIMIT 0").format(wanted, sql.Identifier(table))
            )
        [log] = connection.execute(queries["log"]).fetchone() or (None,)
        [zone] = connection.execute(queries["zone"]).fetchone() or (None,)
    except psycopg.errors.InsufficientPrivilege as error:
        role = member.parameters["user"]
        raise MemberError(
            f"member {member.name}: {role} may not read it ({_first_line(error)}): run "
            f"rollcall migrate --federation-role {role} there"
        ) from None
    return log, zone


def _make(
    connection: psycopg.Connection,
    queries: dict[str, bytes],
    members: Sequence[Member],
    api_role: str | None,
) -> None:
    for (statement,) in connection.execute(queries["former"]).fetchall():
        connection.execute(statement)
    connection.execute(queries["frame"])
    for place, member in enumerate(members, 1):
        connection.execute(queries["add_member"], {"id": place, "name": member.name})
        for statement in server(place, member):
            connection.execute(statement)
        for table, columns in FOREIGN.items():
            wanted = {"name": table, "columns": list(columns) if columns else None}
            [text] = _row(connection, queries["columns"], wanted)
            connection.execute(foreign_table(place, table, text))
    for view in views_of(members):
        connection.execute(view)
    refused = _refuse_the_rest(connection, queries)
    for name in ("journeys", "keep_from_others"):
        connection.execute(queries[name])
    connection.execute(
        sql.SQL(queries["of_database"].decode()).format(
            database=sql.Identifier(connection.info.dbname)
        )
    )
    if api_role:
        connection.execute(
            sql.SQL(queries["grant_reader"].decode()).format(
                role=sql.Identifier(api_role),
                views=_tables([*view_names(), *refused]),
                closed=_tables(refused),
            )
        )


def _refuse_the_rest(connection: psycopg.Connection, queries: dict[str, bytes]) -> list[str]:
    told = {"told": [*OWN, *view_names()]}
    names = []
    for name, columns in connection.execute(queries["refused"], told).fetchall():
        connection.execute(
            sql.SQL(queries["refuse"].decode()).format(
                function=sql.Identifier(f"refuse_{name}"),
                table=sql.Identifier(name),
                shape=sql.SQL(columns),
                text=sql.Literal(name),
            )
        )
        names.append(name)
    return names


def _tables(names: Sequence[str]) -> sql.Composed:
    return sql.SQL(", ").join(sql.Identifier(SCHEMA, name) for name in names)


def _row(connection: psycopg.Connection, query: bytes, values: Any = None) -> tuple[Any, ...]:
    row = connection.execute(query, values).fetchone()
    assert row is not None  # noqa: S101  (each of these has one row)
    return row


def _first_line(error: psycopg.Error) -> str:
    return str(error).strip().partition("\n")[0]
