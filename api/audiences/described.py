"""Audiences: whom a filter finds, their ids as a file, and the audit of files."""

from __future__ import annotations

from typing import Final

from api.audiences.answers import AudienceExports, AudiencePreview
from api.audiences.filter import (
    ENDS,
    FILTER,
    PERIOD,
    SIGHT,
    STARTS,
)
from api.http.answers import schemas_of
from api.http.call import EXPORTERS, Call
from api.http.parameters import CURSOR, LIMIT
from schemas.bodies.fields import Fields, schema_of
from schemas.openapi.answers import AS_TABLE, REQUEST_ID, ok
from schemas.openapi.forms import Json, ref

TAG: Final = {
    "name": "Audiences",
    "description": "Whom to send a push message. An audience says who was active, not who agreed "
    "to be messaged.",
}


def _together(fields: Fields) -> Json:
    return {"not": {"required": list(fields)}}


_BOUNDS_ONCE: Final = [_together(STARTS), _together(ENDS)]
SCHEMAS: Final[dict[str, Json]] = {
    "AudiencePeriod": schema_of(
        PERIOD,
        description="Half-open; with a start, an end or both. Seconds are counted back from "
        "`as_of`.",
        minProperties=1,
        allOf=_BOUNDS_ONCE,
    ),
    "AudienceSight": schema_of(
        SIGHT,
        description="A screen, and a period that has a start.",
        anyOf=[{"required": [name]} for name in STARTS],
        allOf=_BOUNDS_ONCE,
    ),
    **schemas_of(AudiencePreview, AudienceExports),
}
_FILE: Final[Json] = {
    "description": "The file, as it is found: `Accept` chooses, NDJSON without it. One that breaks "
    "is cut off without the end of a whole answer.",
    "headers": {
        **REQUEST_ID,
        **AS_TABLE,
        "Content-Disposition": {
            "description": "An attachment with a name.",
            "required": True,
            "schema": {"type": "string"},
        },
        "X-Rollcall-Export-ID": {
            "description": "Its `id` in the audit.",
            "required": True,
            "schema": {"type": "string", "format": "uuid"},
        },
    },
    "content": {
        "application/x-ndjson": {
            "schema": {"type": "string", "description": '`{"user_id": "ada"}` a line.'}
        },
        "text/csv": {
            "schema": {
                "type": "string",
                "description": "The header `user_id`, then an id a line. One that begins with "
                "`=`, `+`, `-` or `@` gets a leading apostrophe, unless it is a sign and digits.",
            }
        },
    },
}

PREVIEW_AUDIENCE: Final = Call(
    "POST",
    "/api/v1/audiences/preview",
    "audience_preview",
    TAG,
    operation="previewAudience",
    summary="How many, and who for example",
    about="The count is exact unless counting takes too long; then it is an estimate, and says "
    "so. A POST only because filters are long.",
    answers=ok(ref("AudiencePreview"), "Of one moment."),
    may=EXPORTERS,
    body=FILTER,
)
EXPORT_AUDIENCE: Final = Call(
    "POST",
    "/api/v1/audiences/export",
    "audience_export",
    TAG,
    operation="exportAudience",
    summary="The user ids as a file",
    about="User ids and nothing else, in no order. Every export is recorded before the first "
    "user is sent.",
    answers={"200": _FILE},
    may=EXPORTERS,
    body=FILTER,
)
LIST_AUDIENCE_EXPORTS: Final = Call(
    "GET",
    "/api/v1/audiences/exports",
    "audience_exports",
    TAG,
    operation="listAudienceExports",
    summary="The audit of exports",
    about="Who took what, and how it ended; newest first.",
    answers=ok(ref("AudienceExports"), "A page of them."),
    may=EXPORTERS,
    parameters=(LIMIT, CURSOR),
)
CALLS: Final = (
    PREVIEW_AUDIENCE,
    EXPORT_AUDIENCE,
    LIST_AUDIENCE_EXPORTS,
)
