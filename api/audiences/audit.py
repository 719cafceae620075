"""The audit of exports: a row before the first user is sent, its end afterwards.

So no list of users leaves without its row. Where the end cannot be written (PostgreSQL is away, the
process was killed), the row stays as it is, and is shown as ``unknown`` once no export can still
run.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal, TypeAlias

import msgspec
import psycopg
from psycopg.rows import dict_row

from api.audiences.answers import AudienceExport
from api.audiences.filter import AudienceFilter
from api.freshness import Freshness
from api.http.documents import Row
from api.periods.instants import rfc3339
from api.postgres.database import EXPORT_SECONDS, Connection, Database
from api.quality import Quality
from api.signing.secret import ApiSecret
from schemas.database.named_queries import load_queries
from schemas.http.problems import ProblemError
from schemas.tokens.identity import Identity

Outcome: TypeAlias = Literal["completed", "cancelled", "failed"]
FileFormat: TypeAlias = Literal["csv", "ndjson"]

#: Beyond the time that an export has: its wait for a connection, and its end on the way here.
_MARGIN_SECONDS: Final = 60.0
_CONTEXT: Final = b"audience exports"

logger = logging.getLogger(__name__)


class Place(msgspec.Struct, frozen=True, array_like=True):
    """After which export to go on."""

    started_at: Annotated[datetime, msgspec.Meta(tz=True)]
    id: uuid.UUID


@dataclass(frozen=True, slots=True)
class End:
    """How an export ended; ``rows`` users were handed to the connection."""

    outcome: Outcome
    rows: int
    as_of: datetime | None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class AuditPage:
    """``items`` as answers show them. ``next_cursor`` is ``None`` on the last page."""

    items: list[AudienceExport]
    next_cursor: str | None
    freshness: Freshness


class ExportAudit:
    """The table ``audience_exports``. Raises as :class:`Database` does."""

    def __init__(self, database: Database, quality: Quality, secret: ApiSecret) -> None:
        self._database = database
        self._secret = secret
        self._quality = quality
        self._queries = load_queries("api", "audiences/queries.sql")
        self._ends: set[asyncio.Task[None]] = set()

    async def begin(
        self, reader: Identity, wanted: AudienceFilter, file_format: FileFormat
    ) -> uuid.UUID:
        """The id of a row that is there."""
        export = uuid.uuid4()  # not PostgreSQL's: what is written twice is one row
        values = {
            "id": export,
            "who": reader.user,
            "who_kind": reader.kind,
            "format": file_format,
            "filter": msgspec.json.encode(wanted.document).decode(),
        }

        async def write(connection: Connection) -> None:
            await connection.execute(self._queries["begin_export"], values)

        await self._database.write("audience_export_begin", write)
        return export

    async def end(self, export: uuid.UUID, end: End) -> None:
        """Write how it ended, even if the caller is cancelled meanwhile."""
        task = asyncio.create_task(self._write_end(export, end), name="audience-export-end")
        self._ends.add(task)
        task.add_done_callback(self._ends.discard)
        await asyncio.shield(task)

    async def close(self) -> None:
        """Wait for the ends that are being written: each takes as long as a query at most."""
        await asyncio.gather(*self._ends, return_exceptions=True)

    async def page(self, cursor: str | None, limit: int) -> AuditPage:
        """``limit`` exports after ``cursor``. Raises ``bad_cursor`` too."""
        after = await self._secret.position_of(cursor, _CONTEXT, Place)
        values = {
            "at": after.started_at if after else None,
            "after": after.id if after else None,
            "limit": limit + 1,
            "longest_seconds": EXPORT_SECONDS + _MARGIN_SECONDS,
        }

        async def read(connection: Connection) -> tuple[Freshness, list[Row]]:
            freshness = await self._quality.freshness(connection)
            async with connection.cursor(row_factory=dict_row) as found:
                await found.execute(self._queries["exports"], values)
                return freshness, await found.fetchall()

        freshness, rows = await self._database.read("audience_exports", read)
        more, rows = len(rows) > limit, rows[:limit]
        next_cursor = None
        if more:
            last = rows[-1]
            place = Place(last["started_at"], uuid.UUID(last["id"]))
            next_cursor = await self._secret.cursor_at(place, _CONTEXT)
        return AuditPage([_shown(row) for row in rows], next_cursor, freshness)

    async def _write_end(self, export: uuid.UUID, end: End) -> None:
        values = {
            "id": export,
            "outcome": end.outcome,
            "rows": end.rows,
            "as_of": end.as_of,
            "problem": end.problem,
        }

        async def write(connection: Connection) -> None:
            await connection.execute(self._queries["end_export"], values)

        try:
            await self._database.write("audience_export_end", write)
        except (ProblemError, psycopg.Error) as error:
            logger.warning(
                "The end of the export %s (%s, %d rows) was not written: %r",
                *(export, end.outcome, end.rows, error),
            )


def _shown(row: Mapping[str, Any]) -> AudienceExport:
    told: dict[str, Any] = {
        name: rfc3339(value.astimezone(UTC)) if isinstance(value, datetime) else value
        for name, value in row.items()
    }
    return AudienceExport(**told)
