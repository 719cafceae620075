"""Audiences: whom a filter finds, their ids as a file, and the audit of files."""

from __future__ import annotations

from typing import Final

from api.audiences.filter import (
    ENDS,
    FILTER,
    PERIOD,
    SIGHT,
    STARTS,
)
from api.http.call import EXPORTERS, Call
from api.http.parameters import CURSOR, LIMIT
from api.http.words import PAGED, PRINCIPAL_KINDS
from schemas.bodies.fields import Fields, schema_of
from schemas.openapi.answers import AS_TABLE, QUALITY, REQUEST_ID, ok
from schemas.openapi.forms import (
    Json,
    flag,
    instant,
    many,
    nullable,
    record,
    ref,
    text,
    whole,
    word,
)

TAG: Final = {
    "name": "Audiences",
    "description": "Whom to send a push message. An audience says who was active, not who agreed "
    "to be messaged.",
}
OUTCOMES: Final = ("running", "completed", "cancelled", "failed", "unknown")
FORMATS: Final = ("csv", "ndjson", "push")


def _together(fields: Fields) -> Json:
    return {"not": {"required": list(fields)}}


_BOUNDS_ONCE: Final = [_together(STARTS), _together(ENDS)]
_EXPORT: Final = {
    "id": text("As in `X-Rollcall-Export-ID`.", "0d9c7a2e-52f4-4d0f-9d2e-6a1c6f0e9b1d"),
    "started_at": instant("By PostgreSQL's clock.", "2026-03-30T12:00:01.201Z"),
    "ended_at": nullable(instant("`null` while it runs.", "2026-03-30T12:00:02.377Z")),
    "who": text("The user of the token, or `key:` and the name of the API key.", "marketing"),
    "who_kind": nullable(
        word(
            "Who vouches for `who`: a token's issuer may name a user `key:CRM`. `null`: exported "
            "before this was kept.",
            PRINCIPAL_KINDS,
        )
    ),
    "format": word("Of the file; `push`: none, it was sent to a provider.", FORMATS),
    "filter": {
        "type": "object",
        "description": "As it was sent, with the number of `exclude_user_ids` instead of them.",
        "additionalProperties": True,
        "examples": [{"online": True, "exclude_user_ids": {"count": 3}}],
    },
    "outcome": word("`cancelled`: the client left. `unknown`: nobody could write it.", OUTCOMES),
    "rows": whole("Users handed to the connection, or in calls that were accepted.", 1283),
    "as_of": QUALITY["as_of"],
    "problem": nullable(text("Why it failed.", "The database took too long for this answer.")),
    "destination": nullable(text("Where it was sent; `null`: a file.", "onesignal")),
}
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
    "AudiencePreview": record(
        {
            "count": whole("Users that an export would have.", 1_000),
            "matching": whole("Before the cap.", 18_211),
            "is_exact": flag("Counted, not estimated.", True),
            "estimated_from": nullable(
                whole("How many users the estimate looked at; `null`: it is exact.", 20_112)
            ),
            "sample": many(ref("User"), "Up to 20 of them; with a cap the first that it leaves."),
            **QUALITY,
        }
    ),
    "AudienceExport": record(_EXPORT, about="A row of the audit."),
    "AudienceExports": record(
        {"items": many(ref("AudienceExport")), **PAGED, **QUALITY}, about="Newest first."
    ),
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
