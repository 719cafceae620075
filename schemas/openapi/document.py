"""The document: its parts put together once."""

from __future__ import annotations

from typing import Final

from schemas.openapi import (
    alerts,
    audiences,
    count,
    feed,
    health,
    journeys,
    notes,
    over_time,
    people,
    phones,
    privacy,
    reads,
    saved_views,
    screen_habits,
    screen_rules,
    screens,
    timeline,
    webhooks,
)
from schemas.openapi.answers import ANYBODY, HEADERS, REQUEST_ID, RESPONSES, SECURITY, refusals
from schemas.openapi.answers import SCHEMAS as SHARED_SCHEMAS
from schemas.openapi.forms import Json, Part, operation, text

DOCUMENT_PATH: Final = "/api/openapi.json"

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
_ITSELF: Final = operation(
    "readOpenapi",
    "This document",
    "Public; any page may read it.",
    {
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
        **refusals("BadRequest", "HeadersTooLarge", "Failed", "Unavailable"),
    },
    security=ANYBODY,
)


#: In this order on the page.
PARTS: Final = (
    *(phones.PART, count.PART, people.PART, timeline.PART, feed.PART),
    *(screens.PART, screen_habits.PART, screen_rules.PART, journeys.PART, over_time.PART),
    audiences.PART,
    notes.PART,
    saved_views.PART,
    reads.PART,
    health.PART,
    privacy.PART,
    webhooks.PART,
    alerts.PART,
    # Of a path that another part describes.
    Part(privacy.TAG, {"/api/v1/users/{user_id}": {"delete": privacy.ERASE_USER}}, {}),
    Part({"name": "This document"}, {DOCUMENT_PATH: {"get": _ITSELF}}, {}),
)


def _paths() -> Json:
    paths: dict[str, Json] = {}
    for part in PARTS:
        for path, operations in part.paths.items():
            for method, each in operations.items():
                paths.setdefault(path, {})[method] = {"tags": [part.tag["name"]], **each}
    return paths


def document(version: str) -> Json:
    """OpenAPI 3.1 for every call of ingest and the API. ``version`` is the program's."""
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
        "tags": list({part.tag["name"]: part.tag for part in PARTS}.values()),
        "paths": _paths(),
        "components": {
            "schemas": {
                name: schema
                for schemas in (*(part.schemas for part in PARTS), SHARED_SCHEMAS)
                for name, schema in schemas.items()
            },
            "responses": RESPONSES,
            "headers": HEADERS,
            "securitySchemes": SECURITY,
        },
    }
