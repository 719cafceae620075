"""The page's download of an audience: a form that the browser sends, not its script.

A script would hold the whole file in memory before it could be saved; what answers a form goes to
disk as it comes, shows its progress, and is marked as failed if it breaks. What is refused before
it began is a page for a person, with the way back: the page's address holds the filter.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

from aiohttp import web

from api.access.readers import Readers
from api.audiences.audit import FileFormat
from api.audiences.export import Exporter
from api.audiences.filter import MAX_BODY_BYTES, parse_filter
from api.dashboard.pages import trouble
from api.dashboard.security import SECURITY_HEADERS
from api.http.bodies import form_fields, read_body
from api.http.door import Door, method_not_allowed, request_id_of_answer
from api.metrics import ApiMetrics
from api.page_table import PAGES
from api.scopes import EXPORT_SCOPE
from schemas.http.problems import ProblemError

PATH: Final = "/audience/export"
#: A filter as forms encode it: most characters of JSON are three bytes there.
MAX_FORM_BYTES: Final = 3 * MAX_BODY_BYTES
_PAGE: Final = next(page for page in PAGES if page.scope == EXPORT_SCOPE)


class AudienceDownload:
    """The handler. The form has the fields ``filter`` and ``format``."""

    def __init__(self, readers: Readers, exporter: Exporter, metrics: ApiMetrics) -> None:
        self._readers = readers
        self._exporter = exporter
        self._body_timeouts = metrics.http.timeouts["body"]

    def add_routes(self, router: web.UrlDispatcher, door: Door) -> None:
        route = "audience_download"
        router.add_post(PATH, door.guard(route, self.download, SECURITY_HEADERS))
        router.add_route("*", PATH, door.guard(route, method_not_allowed("POST")))

    async def download(self, request: web.Request) -> web.StreamResponse:
        """The file. Only from our own page, whose cookie comes along."""
        try:
            reader = await self._readers.admit(request, cookie=True, scope=EXPORT_SCOPE)
            body = await read_body(request, MAX_FORM_BYTES, self._body_timeouts)
            fields = form_fields(body)
            wanted = parse_filter(fields.get("filter", "").encode())
            file_format: FileFormat = "csv" if fields.get("format") == "csv" else "ndjson"
            return await self._exporter.answer(request, reader, wanted, file_format)
        except ProblemError as problem:
            if problem.status == 401:
                location = f"/login?next={quote(_PAGE.path, safe='')}"
                return web.Response(status=303, headers={"Location": location})
            return trouble(request, problem, request_id_of_answer(request), {"back": _PAGE})
