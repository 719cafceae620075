"""Audiences: whom a filter finds, their ids as a file, and the audit of files."""

from __future__ import annotations

from typing import Final, get_args

from schemas.log.events import MAX_TEXT
from schemas.openapi.answers import (
    AS_TABLE,
    EXPORTERS,
    OF_READERS,
    QUALITY,
    REQUEST_ID,
    ok,
    refusals,
)
from schemas.openapi.forms import (
    STORED_TEXT,
    Json,
    Part,
    flag,
    instant,
    many,
    nullable,
    operation,
    record,
    ref,
    text,
    whole,
    word,
)
from schemas.openapi.people import PAGED, USER_ID
from schemas.openapi.words import CURSOR, LIMIT, STATES, a_screen
from schemas.tokens.identity import PrincipalKind

TAG: Final = {
    "name": "Audiences",
    "description": "Whom to send a push message. An audience says who was active, not who agreed "
    "to be messaged.",
}
MAX_EXCLUDED: Final = 10_000
MAX_CAP: Final = 10_000_000
MAX_SEED: Final = 64
MAX_SECONDS: Final = 10 * 366 * 86_400
OPERATORS: Final = ("<", "<=", "=", ">=", ">")
OUTCOMES: Final = ("running", "completed", "cancelled", "failed", "unknown")
FORMATS: Final = ("csv", "ndjson")
PRINCIPAL_KINDS: Final = get_args(PrincipalKind)


def _seconds(description: str, example: int) -> Json:
    return whole(description, example, minimum=1, maximum=MAX_SECONDS)


def _moment(description: str, example: str) -> Json:
    kinds = [{"format": "date-time"}, {"format": "date"}]
    return text(description, example, anyOf=kinds)


_START: Final = {
    "within_seconds": _seconds("Begins so long before `as_of`.", 604_800),
    "from": _moment("Begins then: an instant, or the start of a date in `tz`.", "2026-03-23"),
}
_END: Final = {
    "not_within_seconds": _seconds("Ends so long before `as_of`.", 86_400),
    "to": _moment("Ends then; not included.", "2026-03-30"),
}


def _together(fields: tuple[str, ...]) -> Json:
    return {"not": {"required": list(fields)}}


_BOUNDS_ONCE: Final = [_together(tuple(_START)), _together(tuple(_END))]


def _closed(properties: dict[str, Json], about: str, **keywords: object) -> Json:
    """What is sent is checked to its last field."""
    return {
        "type": "object",
        "description": about,
        "properties": properties,
        "additionalProperties": False,
        **keywords,
    }


_FILTER: Final = _closed(
    {
        "last_active": ref("AudiencePeriod"),
        "online": flag("Online now, or not.", True),
        "state": word("Of users online now.", STATES[:2]),
        "screen": a_screen("Of users online now."),
        "saw": ref("AudienceSight"),
        "did_not_see": ref("AudienceSight"),
        "app_version": _closed(
            {
                "op": word("How the user's version compares.", OPERATORS),
                "version": text(
                    "1.10 is after 1.9; builds count only if it names one.",
                    "1.10.0",
                    minLength=1,
                    maxLength=MAX_TEXT["app_version"],
                    pattern=STORED_TEXT,
                ),
            },
            "Versions in their order; an unknown one is in none.",
            required=["op", "version"],
        ),
        "platform": text(
            "As in breakdowns, whatever the case.",
            "android",
            minLength=1,
            maxLength=MAX_TEXT["platform"],
            pattern=STORED_TEXT,
        ),
        "exclude_user_ids": many(USER_ID, "Everybody but these.", maxItems=MAX_EXCLUDED),
        "cap": whole(
            "At most so many, drawn at random by `seed`, always the same.",
            1_000,
            minimum=1,
            maximum=MAX_CAP,
        ),
        "seed": text(
            "Another one draws anew.",
            "spring",
            minLength=1,
            maxLength=MAX_SEED,
            pattern=STORED_TEXT,
        ),
        "tz": text("IANA time zone of dates; by default the reporting zone.", "Europe/Berlin"),
    },
    "All conditions must hold; none: every known user. No field may be `null`.",
    dependentRequired={"seed": ["cap"]},
    # Who is offline has neither.
    dependentSchemas={
        name: {"properties": {"online": {"const": True}}} for name in ("state", "screen")
    },
)
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
    "format": word("Of the file.", FORMATS),
    "filter": {
        "type": "object",
        "description": "As it was sent, with the number of `exclude_user_ids` instead of them.",
        "additionalProperties": True,
        "examples": [{"online": True, "exclude_user_ids": {"count": 3}}],
    },
    "outcome": word("`cancelled`: the client left. `unknown`: nobody could write it.", OUTCOMES),
    "rows": whole("Users handed to the connection.", 1283),
    "as_of": QUALITY["as_of"],
    "problem": nullable(text("Why it failed.", "The database took too long for this answer.")),
}
_SCHEMAS: Final[dict[str, Json]] = {
    "AudienceFilter": _FILTER,
    "AudiencePeriod": _closed(
        {**_START, **_END},
        "Half-open; with a start, an end or both. Seconds are counted back from `as_of`.",
        minProperties=1,
        allOf=_BOUNDS_ONCE,
    ),
    "AudienceSight": _closed(
        {"screen": a_screen("On which the user was in the foreground."), **_START, **_END},
        "A screen, and a period that has a start.",
        required=["screen"],
        anyOf=[{"required": [name]} for name in _START],
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
_BODY: Final[Json] = {
    "required": True,
    "content": {"application/json": {"schema": ref("AudienceFilter")}},
}
_REFUSED: Final = {
    **refusals("BadBody", "BodyTooLarge", "UnsupportedEncoding", "BadField"),
    **OF_READERS,
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
_PATHS: Final[dict[str, Json]] = {
    "/api/v1/audiences/preview": {
        "post": operation(
            "previewAudience",
            "How many, and who for example",
            "The count is exact unless counting takes too long; then it is an estimate, and says "
            "so. A POST only because filters are long.",
            {**ok(ref("AudiencePreview"), "Of one moment."), **_REFUSED},
            security=EXPORTERS,
            body=_BODY,
        )
    },
    "/api/v1/audiences/export": {
        "post": operation(
            "exportAudience",
            "The user ids as a file",
            "User ids and nothing else, in no order. Every export is recorded before the first "
            "user is sent.",
            {"200": _FILE, **_REFUSED},
            security=EXPORTERS,
            body=_BODY,
        )
    },
    "/api/v1/audiences/exports": {
        "get": operation(
            "listAudienceExports",
            "The audit of exports",
            "Who took what, and how it ended; newest first.",
            {**ok(ref("AudienceExports"), "A page of them."), **refusals("BadList"), **OF_READERS},
            security=EXPORTERS,
            parameters=(LIMIT, CURSOR),
        )
    },
}
PART: Final = Part(TAG, _PATHS, _SCHEMAS)
