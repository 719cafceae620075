"""``/api/openapi.json``: the document that describes every call of ingest and the API."""

from __future__ import annotations

import hashlib
from typing import Final

import msgspec
from aiohttp import web

from api.http.door import Door
from api.http.routes import add_get
from schemas.openapi.document import DOCUMENT_PATH, document
from schemas.service.distribution import rollcall_version

#: It changes with an upgrade only.
CACHE_CONTROL: Final = "public, max-age=300"


class OpenApi:
    """The handler. Public, and any page may read it: it says nothing secret."""

    def __init__(self) -> None:
        self._body = msgspec.json.encode(document(rollcall_version()))
        self._tag = hashlib.sha256(self._body).hexdigest()[:32]

    def add_routes(self, router: web.UrlDispatcher, door: Door) -> None:
        add_get(router, door, DOCUMENT_PATH, "openapi", self.openapi)

    async def openapi(self, request: web.Request) -> web.Response:
        headers = {"Cache-Control": CACHE_CONTROL, "Access-Control-Allow-Origin": "*"}
        known = request.if_none_match or ()
        if any(tag.value in (self._tag, "*") for tag in known):
            response = web.Response(status=304, headers=headers)
        else:
            response = web.Response(
                body=self._body, content_type="application/json", headers=headers
            )
        response.etag = self._tag
        return response
