"""Saved views in PostgreSQL."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

import msgspec
from psycopg.rows import dict_row

from api.http.documents import Row
from api.postgres.database import Connection, Database
from api.views.view import MOST, MOST_OF_A_READER, Change
from schemas.bodies.body import refusal
from schemas.database.named_queries import load_queries
from schemas.http.problems import FieldProblem, ProblemError
from schemas.tokens.identity import Identity, PrincipalKind

_WRITE: Final = "view_write"


class SavedView(msgspec.Struct, frozen=True):
    """``who`` keeps it."""

    id: str
    name: str
    address: str
    who_kind: PrincipalKind
    who: str
    created_at: datetime
    changed_at: datetime


class ViewStore:
    """Raises ``ProblemError`` as :class:`Database` does."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._queries = load_queries("api.views", "queries.sql")

    async def of_reader(self, reader: Identity) -> list[SavedView]:
        """By name."""

        async def read(connection: Connection) -> list[Row]:
            return await self._rows(connection, "views", _owner(reader))

        return [_view(row) for row in await self._database.read("views", read)]

    async def open(self, view_id: str) -> SavedView:
        """Anybody's. That it is used is noted. Raises ``ProblemError`` with code ``not_found``."""
        named = {"id": view_id}

        async def read(connection: Connection) -> list[Row]:
            return await self._rows(connection, "view", named)

        found = await self._database.read("views", read)
        if not found:
            raise ProblemError("not_found", "No saved view has this id: it may have been deleted.")
        [row] = found
        if row["is_use_due"]:

            async def note(connection: Connection) -> None:
                await connection.execute(self._queries["used"], named)

            await self._database.write(_WRITE, note)
        return _view(row)

    async def add(self, reader: Identity, given: Change) -> SavedView:
        """Raises ``ProblemError`` with code ``bad_field`` where there are too many."""
        limits = {"most": MOST, "most_of_reader": MOST_OF_A_READER}
        [row] = await self._written(
            "add", {"id": secrets.token_hex(16), **_owner(reader), **asdict(given), **limits}
        )
        if row["id"] is None:
            if row["of_reader"] >= MOST_OF_A_READER:
                kept = f"you keep {MOST_OF_A_READER} views already, delete one of them"
            else:
                kept = f"all readers keep {MOST:,} views together, some have to go first"
            raise refusal([FieldProblem("name", f"is one too many: {kept}")])
        return _view(row)

    async def change(self, reader: Identity, view_id: str, given: Change) -> SavedView:
        """Raises ``ProblemError`` with code ``not_found``."""
        found = await self._written("change", {**self._mine(reader, view_id), **asdict(given)})
        if not found:
            raise _not_yours()
        return _view(found[0])

    async def delete(self, reader: Identity, view_id: str) -> None:
        """Raises ``ProblemError`` with code ``not_found``."""
        if not await self._written("delete", self._mine(reader, view_id)):
            raise _not_yours()

    def _mine(self, reader: Identity, view_id: str) -> dict[str, Any]:
        return {"id": view_id, **_owner(reader)}

    async def _written(self, query: str, values: Mapping[str, Any]) -> list[Row]:
        async def write(connection: Connection) -> list[Row]:
            return await self._rows(connection, query, values)

        return await self._database.write(_WRITE, write)

    async def _rows(
        self, connection: Connection, query: str, values: Mapping[str, Any]
    ) -> list[Row]:
        async with connection.cursor(row_factory=dict_row) as cursor:
            await cursor.execute(self._queries[query], values)
            return await cursor.fetchall()


def _owner(reader: Identity) -> dict[str, str]:
    return {"who_kind": reader.kind, "who": reader.user}


def _view(row: Row) -> SavedView:
    return SavedView(**{name: row[name] for name in SavedView.__struct_fields__})


def _not_yours() -> ProblemError:
    return ProblemError("not_found", "None of your saved views has this id.")
