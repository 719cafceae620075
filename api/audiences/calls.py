"""``/api/v1/audiences``: whom a filter finds, how many, and their user ids as a file.

Both calls are POSTs only because filters are long; neither changes presence. They and the audit
want the scope ``presence:export``, and take the dashboard's cookie from our own page.
"""

from __future__ import annotations

import msgspec
from aiohttp import web

from api.access.readers import reader_of
from api.audiences.answers import AudienceExports, AudiencePreview
from api.audiences.audit import ExportAudit, FileFormat
from api.audiences.described import EXPORT_AUDIENCE, LIST_AUDIENCE_EXPORTS, PREVIEW_AUDIENCE
from api.audiences.export import Exporter, while_connected
from api.audiences.filter import AudienceFilter
from api.audiences.store import AudienceStore
from api.http.call import Call
from api.http.documents import json_answer
from api.http.door import Handler
from api.http.parameters import DEFAULT_LIMIT
from api.http.routes import body_of, values_of
from api.http.tabular import accepted_format
from api.presence.answers import user_answer
from api.presence.rows import UserRow
from api.quality import Quality
from api.reads.audit import ReadAudit


class AudienceCalls:
    """The handlers."""

    def __init__(
        self,
        store: AudienceStore,
        exporter: Exporter,
        audit: ExportAudit,
        reads: ReadAudit,
        quality: Quality,
    ) -> None:
        self._store = store
        self._exporter = exporter
        self._audit = audit
        self._reads = reads
        self._quality = quality

    def handlers(self) -> dict[Call, Handler]:
        return {
            PREVIEW_AUDIENCE: self.preview,
            EXPORT_AUDIENCE: self.export,
            LIST_AUDIENCE_EXPORTS: self.exports,
        }

    async def preview(self, request: web.Request) -> web.Response:
        reader = reader_of(request)
        wanted: AudienceFilter = body_of(request)
        found = await while_connected(request, self._store.preview(reader, wanted))
        document = msgspec.json.encode(wanted.document)
        await self._reads.filter(reader, "audience_preview", document, len(found.sample))
        count = found.matching if wanted.cap is None else min(found.matching, wanted.cap)
        return json_answer(
            AudiencePreview(
                count=count,
                matching=found.matching,
                is_exact=found.estimated_from is None,
                estimated_from=found.estimated_from,
                sample=[
                    user_answer(UserRow(**{n: v for n, v in row.items() if n != "matching"}))
                    for row in found.sample
                ],
                **self._quality.fields(found.freshness),
            )
        )

    async def export(self, request: web.Request) -> web.StreamResponse:
        """CSV where it is accepted, else NDJSON."""
        reader = reader_of(request)
        wanted: AudienceFilter = body_of(request)
        accepted = accepted_format(request.headers.get("Accept"))
        file_format: FileFormat = "csv" if accepted == "csv" else "ndjson"
        return await self._exporter.answer(request, reader, wanted, file_format)

    async def exports(self, request: web.Request) -> web.Response:
        """The audit."""
        values = values_of(request)
        page = await self._audit.page(values.get("cursor"), values.get("limit", DEFAULT_LIMIT))
        return json_answer(
            AudienceExports(
                items=page.items,
                next_cursor=page.next_cursor,
                **self._quality.fields(page.freshness),
            )
        )
