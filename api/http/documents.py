"""Answers as documents: JSON in one piece, tables as CSV and NDJSON in a stream.

A table is read through a server-side cursor and written batch by batch, so that an export costs the
same memory whatever its length. Its status is sent before its last row is known: if it breaks, the
connection is closed without the end that HTTP gives a whole answer, and no client takes the part
for the whole.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import msgspec
from aiohttp import web
from psycopg.rows import dict_row

from api.access.readers import reader_of
from api.http.answers import Answer, made
from api.http.door import common_headers
from api.http.parameters import DEFAULT_LIMIT, MAX_EXPORT_ROWS
from api.http.tabular import CONTENT_TYPES, Format, accepted_format, csv_head, csv_rows, ndjson_rows
from api.metrics import ApiMetrics
from api.postgres.batches import CursorBatches
from api.postgres.database import Connection, Database
from schemas.http.problems import ProblemError
from schemas.tokens.identity import Identity

AS_OF_HEADER: Final = "X-Rollcall-As-Of"
STALE_HEADER: Final = "X-Rollcall-Stale"
#: Only of a federation: names, with commas between.
MEMBERS_AWAY_HEADER: Final = "X-Rollcall-Members-Away"
#: Rows in memory at a time.
BATCH_ROWS: Final = 500

Row: TypeAlias = dict[str, Any]
Batches: TypeAlias = AsyncIterator[list[Row]]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Report:
    """A table: an ``answer`` whose ``items`` are rows of type ``row``, here in batches of their
    fields by name. ``head`` is what JSON says beside ``items``; ``quality`` is ``as_of`` and
    ``stale``."""

    answer: type[Answer]
    row: type[Answer]
    batches: Batches
    quality: Mapping[str, Any]
    head: Mapping[str, Any] = field(default_factory=dict)

    @property
    def columns(self) -> tuple[str, ...]:
        return self.row.__struct_fields__

    def rows(self, batch: list[Row]) -> list[Answer]:
        return [made(self.row, row) for row in batch]


OpenReport: TypeAlias = Callable[[Connection], Awaitable[Report]]


class Reports:
    """Answers with what a report's ``open`` finds on a connection."""

    def __init__(self, database: Database, metrics: ApiMetrics) -> None:
        self._database = database
        self._metrics = metrics

    async def answer(
        self,
        request: web.Request,
        query: str,
        open_report: OpenReport,
        *,
        reads_everybody: bool = False,
    ) -> web.StreamResponse:
        """The report in the format that the request accepts. ``query`` is its name in metrics;
        ``reads_everybody``: as a scan, of which few run at a time.

        Raises ``ProblemError`` as ``open_report`` and :class:`Database` do, as long as nothing has
        been sent; afterwards the connection is closed.
        """
        wanted = accepted_format(request.headers.get("Accept"))
        if wanted == "json":
            scanned_by = reader_of(request) if reads_everybody else None
            return await self._document(query, open_report, scanned_by)
        return await self._export(request, query, open_report, wanted)

    async def _document(
        self, query: str, open_report: OpenReport, scanned_by: Identity | None
    ) -> web.Response:
        async def read(connection: Connection) -> Answer:
            async with connection.transaction():
                report = await open_report(connection)
                items = [row async for batch in report.batches for row in report.rows(batch)]
            return made(report.answer, {"items": items, **report.head, **report.quality})

        if scanned_by is None:
            document = await self._database.read(query, read)
        else:
            document = await self._database.scan(scanned_by, query, read)
        return json_answer(document, {"Vary": "Accept"})

    async def _export(
        self, request: web.Request, query: str, open_report: OpenReport, wanted: Format
    ) -> web.StreamResponse:
        response = web.StreamResponse(
            headers={"Content-Type": CONTENT_TYPES[wanted], "Vary": "Accept"}
        )

        async def send(connection: Connection) -> None:
            async with connection.transaction():
                report = await open_report(connection)
                async for batch in report.batches:
                    if not response.prepared:
                        await begin(report)
                    await write(_encoded(wanted, report, batch))
                if not response.prepared:
                    await begin(report)

        async def begin(report: Report) -> None:
            response.headers.update(common_headers(request))
            response.headers[AS_OF_HEADER] = report.quality["as_of"] or ""
            response.headers[STALE_HEADER] = "true" if report.quality["stale"] else "false"
            if "members_away" in report.quality:
                response.headers[MEMBERS_AWAY_HEADER] = ",".join(report.quality["members_away"])
            await response.prepare(request)
            if wanted == "csv":
                await write(csv_head(report.columns))

        async def write(data: bytes) -> None:
            if request.method != "HEAD":
                await response.write(data)

        try:
            await self._database.export(reader_of(request), query, send, lambda: response.prepared)
        except Exception as error:
            if not response.prepared:
                raise
            # What aiohttp writes as the end of the answer finds its connection closed.
            self._abort(request, query, error)
            return response
        await response.write_eof()
        return response

    def _abort(self, request: web.Request, query: str, error: Exception) -> None:
        """Close without an end."""
        if request.transport is not None:
            request.transport.abort()
        if isinstance(error, ConnectionError):
            return  # the reader left
        self._metrics.broken_exports.inc()
        why = error.detail if isinstance(error, ProblemError) else repr(error)
        logger.warning("An export of %s was broken off: %s", query, why)


def in_file(request: web.Request) -> bool:
    """Whether the answer is wanted as CSV or NDJSON."""
    return accepted_format(request.headers.get("Accept")) != "json"


def usual_limit(request: web.Request) -> int:
    """How many rows a table has if nobody says: fewer in one piece than in a stream."""
    return MAX_EXPORT_ROWS if in_file(request) else DEFAULT_LIMIT


def select(connection: Connection, query: bytes, parameters: Mapping[str, Any]) -> Batches:
    """The rows of a query through a server-side cursor; in a transaction."""
    cursor = connection.cursor("report", row_factory=dict_row)
    return CursorBatches(cursor, query, parameters, BATCH_ROWS)


async def shaped(batches: Batches, shape: Callable[[Row], Row]) -> Batches:
    """Every row as ``shape`` makes it."""
    async for batch in batches:
        yield [shape(row) for row in batch]


async def one_batch(rows: list[Row]) -> Batches:
    """Rows that are all there."""
    yield rows


def json_answer(
    answer: Any, headers: Mapping[str, str] | None = None, *, status: int = 200
) -> web.Response:
    """A JSON document."""
    return web.Response(
        body=msgspec.json.encode(answer),
        content_type="application/json",
        headers=headers,
        status=status,
    )


def _encoded(wanted: Format, report: Report, batch: list[Row]) -> bytes:
    if wanted == "csv":
        return csv_rows(report.columns, batch)
    return ndjson_rows(report.rows(batch))
