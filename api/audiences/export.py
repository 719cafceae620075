"""An audience as a file of user ids, streamed.

The file has user ids and nothing else: that is what a push provider addresses people by, and what
has left cannot be erased by us (promise 8). NDJSON has an object a line with the id as it is. CSV
has the header ``user_id`` and protects spreadsheets as ``api.http.tabular`` says, but leaves what
is a plus or minus and digits alone: it is a number to a spreadsheet, nothing to run, and telephone
numbers are ids of many fleets.

The status is sent before the last user is known: an export that breaks is cut off without the end
that HTTP gives a whole answer.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Coroutine
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import msgspec
from aiohttp import web

from api.audiences.audit import End, ExportAudit, FileFormat
from api.audiences.filter import AudienceFilter
from api.audiences.store import AudienceStore
from api.http.documents import AS_OF_HEADER, STALE_HEADER
from api.http.door import common_headers
from api.http.tabular import CONTENT_TYPES, csv_head, csv_ids, ndjson_rows
from api.metrics import ApiMetrics
from api.periods.instants import rfc3339
from api.postgres.database import Connection, Database
from api.quality import Quality
from api.reads.audit import ReadAudit
from schemas.http.problems import ProblemError
from schemas.tokens.identity import Identity

T = TypeVar("T")

COLUMN: Final = "user_id"
EXPORT_ID_HEADER: Final = "X-Rollcall-Export-ID"
#: How often it is looked whether a client that waits is still there.
LOOK_SECONDS: Final = 0.2

logger = logging.getLogger(__name__)


class Exporter:
    """Answers with files, each with its row in the audit."""

    def __init__(
        self,
        database: Database,
        store: AudienceStore,
        audit: ExportAudit,
        reads: ReadAudit,
        quality: Quality,
        metrics: ApiMetrics,
    ) -> None:
        self._database = database
        self._store = store
        self._audit = audit
        self._reads = reads
        self._quality = quality
        self._metrics = metrics

    async def answer(
        self,
        request: web.Request,
        reader: Identity,
        wanted: AudienceFilter,
        file_format: FileFormat,
    ) -> web.StreamResponse:
        """The file.

        Raises ``ProblemError`` as :class:`AudienceStore` does as long as nothing has been sent;
        afterwards the connection is closed.
        """
        document = msgspec.json.encode(wanted.document)
        await self._reads.filter(reader, "audience_export", document, 0)
        export = await self._audit.begin(reader, wanted, file_format)
        file = _File(request, file_format, export)
        try:
            return await self._answer(request, reader, wanted, file)
        finally:
            if file.rows:
                self._reads.filter_later(reader, "audience_export", document, file.rows, calls=0)

    async def _answer(
        self, request: web.Request, reader: Identity, wanted: AudienceFilter, file: _File
    ) -> web.StreamResponse:
        export = file.export
        try:
            await while_connected(
                request,
                self._database.export(
                    reader,
                    "audience_export",
                    lambda connection: self._send(connection, file, wanted),
                    lambda: file.response.prepared,
                ),
            )
            await file.response.write_eof()
        except ConnectionError:
            await self._audit.end(export, End("cancelled", file.rows, file.as_of))
            raise
        except BaseException as error:
            why = error.detail if isinstance(error, ProblemError) else type(error).__name__
            await self._audit.end(export, End("failed", file.rows, file.as_of, why))
            if not file.response.prepared or isinstance(error, asyncio.CancelledError):
                raise
            self._metrics.broken_exports.inc()
            logger.warning("The export %s was broken off: %s", export, why)
            if request.transport is not None:
                request.transport.abort()
            return file.response
        await self._audit.end(export, End("completed", file.rows, file.as_of))
        return file.response

    async def _send(self, connection: Connection, file: _File, wanted: AudienceFilter) -> None:
        async with self._store.opened(connection, wanted) as (freshness, batches):
            file.as_of = freshness.as_of
            await file.begin(self._quality.fields(freshness))
            async for user_ids in batches:
                await file.write(user_ids)


class _File:
    """What is sent, and how much of it so far."""

    def __init__(self, request: web.Request, file_format: FileFormat, export: uuid.UUID) -> None:
        self._request = request
        self._format: FileFormat = file_format
        self.export = export
        name = f"audience-{datetime.now(UTC):%Y%m%d-%H%M%S}.{file_format}"
        self.response = web.StreamResponse(
            headers={
                "Content-Type": CONTENT_TYPES[file_format],
                "Content-Disposition": f'attachment; filename="{name}"',
                "Vary": "Accept",
                EXPORT_ID_HEADER: str(export),
            }
        )
        self.rows = 0
        self.as_of: datetime | None = None

    async def begin(self, quality: dict[str, Any]) -> None:
        headers = self.response.headers
        headers.update(common_headers(self._request))
        headers[AS_OF_HEADER] = rfc3339(self.as_of) or ""
        headers[STALE_HEADER] = "true" if quality["stale"] else "false"
        await self.response.prepare(self._request)
        if self._format == "csv":
            await self.response.write(csv_head((COLUMN,)))

    async def write(self, user_ids: list[str]) -> None:
        if self._format == "csv":
            data = csv_ids(user_ids)
        else:
            data = ndjson_rows({COLUMN: user_id} for user_id in user_ids)
        await self.response.write(data)
        self.rows += len(user_ids)


async def while_connected(request: web.Request, work: Coroutine[Any, Any, T]) -> T:
    """What ``work`` gives, unless the client leaves before: then PostgreSQL is told to stop, and
    ``ConnectionResetError`` is raised."""
    task = asyncio.create_task(work)
    try:
        while not (await asyncio.wait({task}, timeout=LOOK_SECONDS))[0]:
            if request.transport is None or request.transport.is_closing():
                raise ConnectionResetError("the client left")
        return task.result()
    finally:
        task.cancel()
