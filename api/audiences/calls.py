"""``/api/v1/audiences``: whom a filter finds, how many, and their user ids as a file.

Both calls are POSTs only because filters are long; neither changes presence. They and the audit
want the scope ``presence:export``, and take the dashboard's cookie from our own page.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from aiohttp import web

from api.access.readers import Readers
from api.audiences.audit import ExportAudit, FileFormat
from api.audiences.export import Exporter, while_connected
from api.audiences.filter import MAX_BODY_BYTES, AudienceFilter, parse_filter
from api.audiences.store import AudienceStore
from api.http import parameters
from api.http.bodies import read_body
from api.http.documents import json_answer
from api.http.door import Door, Handler, method_not_allowed
from api.http.parameters import DEFAULT_LIMIT
from api.http.routes import add_get
from api.http.tabular import accepted_format
from api.metrics import ApiMetrics
from api.presence.answers import user_answer
from api.presence.rows import UserRow
from api.quality import Quality
from api.reads.audit import ReadAudit
from api.scopes import EXPORT_SCOPE
from schemas.tokens.identity import Identity

PATH: Final = "/api/v1/audiences"


class AudienceCalls:
    """The handlers."""

    def __init__(
        self,
        readers: Readers,
        store: AudienceStore,
        exporter: Exporter,
        audit: ExportAudit,
        reads: ReadAudit,
        quality: Quality,
        metrics: ApiMetrics,
    ) -> None:
        self._readers = readers
        self._store = store
        self._exporter = exporter
        self._audit = audit
        self._reads = reads
        self._quality = quality
        self._body_timeouts = metrics.http.timeouts["body"]

    def add_routes(self, router: web.UrlDispatcher, door: Door) -> None:
        posts: tuple[tuple[str, str, Handler], ...] = (
            ("preview", "audience_preview", self.preview),
            ("export", "audience_export", self.export),
        )
        for name, route, handler in posts:
            router.add_post(f"{PATH}/{name}", door.guard(route, handler))
            router.add_route("*", f"{PATH}/{name}", door.guard(route, method_not_allowed("POST")))
        add_get(router, door, f"{PATH}/exports", "audience_exports", self.exports)

    async def preview(self, request: web.Request) -> web.Response:
        reader, wanted = await self._asked(request)
        found = await while_connected(request, self._store.preview(reader, wanted))
        document = msgspec.json.encode(wanted.document)
        await self._reads.filter(reader, "audience_preview", document, len(found.sample))
        count = found.matching if wanted.cap is None else min(found.matching, wanted.cap)
        return json_answer(
            {
                "count": count,
                "matching": found.matching,
                "is_exact": found.estimated_from is None,
                "estimated_from": found.estimated_from,
                "sample": [
                    user_answer(UserRow(**{n: v for n, v in row.items() if n != "matching"}))
                    for row in found.sample
                ],
                **self._quality.fields(found.freshness),
            }
        )

    async def export(self, request: web.Request) -> web.StreamResponse:
        """CSV where it is accepted, else NDJSON."""
        reader, wanted = await self._asked(request)
        accepted = accepted_format(request.headers.get("Accept"))
        file_format: FileFormat = "csv" if accepted == "csv" else "ndjson"
        return await self._exporter.answer(request, reader, wanted, file_format)

    async def exports(self, request: web.Request) -> web.Response:
        """The audit."""
        await self._readers.admit(request, cookie=True, scope=EXPORT_SCOPE)
        values: dict[str, Any] = parameters.parse(
            request.rel_url.raw_query_string,
            {"limit": parameters.limit, "cursor": parameters.cursor},
        )
        page = await self._audit.page(values.get("cursor"), values.get("limit", DEFAULT_LIMIT))
        return json_answer(
            {
                "items": page.items,
                "next_cursor": page.next_cursor,
                **self._quality.fields(page.freshness),
            }
        )

    async def _asked(self, request: web.Request) -> tuple[Identity, AudienceFilter]:
        reader = await self._readers.admit(request, cookie=True, scope=EXPORT_SCOPE)
        parameters.refuse_parameters(request.rel_url.raw_query_string)
        body = await read_body(request, MAX_BODY_BYTES, self._body_timeouts)
        return reader, parse_filter(body)
