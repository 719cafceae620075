"""The statements that make a federation's views. PURE."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from psycopg import sql

from deploy.federation.members import Member
from schemas.database.named_queries import filled, load_queries

SCHEMA: Final = "federation"


def member_schema(place: int) -> str:
    """Of the foreign tables of the member in this place, from 1."""
    return f"federation_{place}"


def server_name(place: int) -> str:
    return f"rollcall_member_{place}"


def view_names() -> list[str]:
    """All that the federation adds up."""
    package = "deploy.federation"
    return list({**load_queries(package, "branches.sql"), **load_queries(package, "wholes.sql")})


def views_of(members: Sequence[Member]) -> list[sql.Composed]:
    """A statement for each view, in the order in which they can be made."""
    branches = load_queries("deploy.federation", "branches.sql")
    wholes = load_queries("deploy.federation", "wholes.sql")
    every = {
        name: b"\nUNION ALL\n".join(
            _of_member(branch, place, member) for place, member in enumerate(members, 1)
        )
        for name, branch in branches.items()
    }
    here = _sum_of_here(len(members))
    made = [_view(name, query) for name, query in every.items() if name not in wholes]
    for name, whole in wholes.items():
        made.append(_view(name, filled(whole, here=here, every=every.get(name, b""))))
    return made


def foreign_table(place: int, name: str, columns: str) -> sql.Composed:
    """A table of a member; ``columns`` are SQL."""
    return sql.SQL(
        "CREATE FOREIGN TABLE {}.{} ({}) SERVER {} OPTIONS (schema_name 'public')"
    ).format(
        sql.Identifier(member_schema(place)),
        sql.Identifier(name),
        sql.SQL(columns),
        sql.Identifier(server_name(place)),
    )


def server(place: int, member: Member) -> list[sql.Composed]:
    """Where the member is, and as whom the owner of the federation reads it."""
    name = sql.Identifier(server_name(place))
    asked = {"async_capable": "true", "fetch_size": "10000", **member.server}
    return [
        sql.SQL("CREATE SERVER {} FOREIGN DATA WRAPPER postgres_fdw OPTIONS ({})").format(
            name, _options(asked)
        ),
        sql.SQL("CREATE USER MAPPING FOR CURRENT_USER SERVER {} OPTIONS ({})").format(
            name, _options(member.user)
        ),
        sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(member_schema(place))),
    ]


def _options(values: Mapping[str, str]) -> sql.Composed:
    each = [
        sql.SQL("{} {}").format(sql.Identifier(key), sql.Literal(value))
        for key, value in values.items()
    ]
    return sql.SQL(", ").join(each)


def _of_member(branch: bytes, place: int, member: Member) -> bytes:
    return filled(
        branch,
        member=member_schema(place).encode(),
        name=sql.Literal(member.name).as_bytes(),
        here=_here(place),
        ordinal=_sum_of_here(place - 1),
    )


def _here(place: int) -> bytes:
    return f"{SCHEMA}.is_here({place})".encode()


def _sum_of_here(members: int) -> bytes:
    """How many of the first ones answer."""
    return b"(%s)" % (
        b" + ".join(b"%s::integer" % _here(place) for place in range(1, members + 1)) or b"0"
    )


def _view(name: str, query: bytes) -> sql.Composed:
    return sql.SQL("CREATE VIEW {}.{} AS ").format(
        sql.Identifier(SCHEMA), sql.Identifier(name)
    ) + sql.SQL(query.decode())
