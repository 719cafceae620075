"""``/api/openapi.json``: the document that describes every call of ingest and the API.

The API's are put together from their declarations, room by room; what phones call is ingest's:
:mod:`schemas.openapi.phones` describes it.
"""

from __future__ import annotations

import hashlib
from functools import cache
from typing import Final

import msgspec
from aiohttp import web

from api.alerts import described as alerts
from api.analytics.described import journeys, over_time, screen_habits, screen_rules, screens
from api.annotations import described as notes
from api.audiences import described as audiences
from api.deliveries import described as deliveries
from api.feed import described as feed
from api.health import described as health
from api.http.call import ANYBODY, Call
from api.http.door import Handler
from api.managed_audit import described as managed_audit
from api.presence.described import count, people, timeline
from api.privacy import described as privacy
from api.reads import described as reads
from api.sharing import described as sharing
from api.views import described as views
from api.webhooks import described as webhooks
from schemas.openapi import phones
from schemas.openapi.answers import HEADERS, REQUEST_ID, RESPONSES, SECURITY
from schemas.openapi.answers import SCHEMAS as SHARED_SCHEMAS
from schemas.openapi.forms import Json, text
from schemas.service.distribution import rollcall_version

#: It changes with an upgrade only.
CACHE_CONTROL: Final = "public, max-age=300"

_ABOUT: Final = """\
- All calls are on one origin: a gateway joins ingest, which phones call, and the API.
- Names are snake_case; times are RFC 3339 in UTC with milliseconds; what is unknown is `null`, \
never missing. Units are in names (`_ms`).
- `as_of` is the time of the log up to which an answer is complete; `stale` says that something \
does not keep up.
- A parameter that is unknown, repeated or cannot be used is a `400` that names it and what would \
be right, as `application/problem+json`. The public count ignores its parameters.
- Where `text/csv` and `application/x-ndjson` are among the answers, `Accept` chooses: they give \
the `items` alone. An export that breaks is cut off without the end that HTTP gives a whole answer.
- `HEAD` is answered wherever `GET` is, the socket aside, and `OPTIONS` (CORS) on the phones' two \
calls; any other method is a `405` with `Allow`.
- Within a major version answers and problems only gain fields.
"""
READ_OPENAPI: Final = Call(
    "GET",
    "/api/openapi.json",
    "openapi",
    {"name": "This document"},
    operation="readOpenapi",
    summary="This document",
    about="Public; any page may read it.",
    answers={
        "200": {
            "description": "OpenAPI 3.1.",
            "headers": {
                **REQUEST_ID,
                "ETag": {"required": True, "schema": {"type": "string"}},
                "Access-Control-Allow-Origin": {"required": True, "schema": {"const": "*"}},
            },
            "content": {
                "application/json": {
                    "schema": {
                        "type": "object",
                        "required": ["openapi", "info", "paths"],
                        "properties": {"openapi": text("Its version.", "3.1.0")},
                    }
                }
            },
        },
        "304": {"description": "It is the one of `If-None-Match`.", "headers": REQUEST_ID},
    },
    may=ANYBODY,
    ignores_parameters=True,
    refuses=("BadRequest", "HeadersTooLarge", "Failed", "Unavailable"),
)
#: In this order on the page.
_ROOMS: Final = (
    *(count, people, timeline, feed),
    *(screens, screen_habits, screen_rules, journeys, over_time),
    *(audiences, deliveries, notes, views, reads, health, privacy, webhooks, alerts, sharing),
    managed_audit,
)
#: Every call of the API.
CALLS: Final = (*(call for room in _ROOMS for call in room.CALLS), READ_OPENAPI)


def document(version: str) -> Json:
    """OpenAPI 3.1 for every call of ingest and the API. ``version`` is the program's."""
    tags = {phones.TAG["name"]: phones.TAG}
    paths: dict[str, Json] = {path: dict(item) for path, item in phones.PATHS.items()}
    for call in CALLS:
        tags.setdefault(call.tag["name"], call.tag)
        paths.setdefault(call.path, {})[call.method.lower()] = call.described()
    schemas = dict(phones.SCHEMAS)
    for room in _ROOMS:
        schemas |= {call.body.name: call.body.schema for call in room.CALLS if call.body}
        schemas |= room.SCHEMAS
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Rollcall",
            "version": version,
            "summary": "Who is online in your mobile apps, on which screen, since when, and why we "
            "say so; and, over time, which screens hold people.",
            "description": _ABOUT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "tags": list(tags.values()),
        "paths": paths,
        "components": {
            "schemas": {**schemas, **SHARED_SCHEMAS},
            "responses": RESPONSES,
            "headers": HEADERS,
            "securitySchemes": SECURITY,
        },
    }


@cache
def _encoded(version: str) -> bytes:
    return msgspec.json.encode(document(version))


class OpenApi:
    """The handler. Public, and any page may read it: it says nothing secret."""

    def __init__(self) -> None:
        self._body = _encoded(rollcall_version())
        self._tag = hashlib.sha256(self._body).hexdigest()[:32]

    def handlers(self) -> dict[Call, Handler]:
        return {READ_OPENAPI: self.openapi}

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
