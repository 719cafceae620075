"""Notes on the time axis."""

from __future__ import annotations

from typing import Final

from schemas.openapi.answers import OF_READERS, READERS, REQUEST_ID, created, ok, refusals
from schemas.openapi.forms import (
    VISIBLE_TEXT,
    Json,
    Part,
    Security,
    closed,
    flag,
    in_path,
    instant,
    many,
    operation,
    query,
    record,
    ref,
    text,
    whole,
    word,
)
from schemas.openapi.reads import PRINCIPAL_KINDS

MANAGE_SCOPE: Final = "presence:manage"
TAG: Final = {
    "name": "Notes",
    "description": "What somebody says happened then, such as a release: charts mark it. Up to 50 "
    "of a day (UTC) and 2,000 in all, kept as long as rollups (400 days). Readers see who wrote "
    "them; write no user's id or name into one.",
}
KINDS: Final = ("release", "incident", "campaign", "note")
MAX_NOTE: Final = 200
MOST_SHOWN: Final = 500
_MANAGERS: Final[Security] = (
    {"staffToken": [MANAGE_SCOPE]},
    {"apiKey": [MANAGE_SCOPE]},
    {"session": []},
)

_ID: Final = text("Finds the note.", "6f1d0a9be2c44be08f0b8f6a1ac2f3d7", pattern="^[0-9a-f]{32}$")
_TEXT: Final = text(
    "What happened.",
    "Release 4.2 to everybody",
    minLength=1,
    maxLength=MAX_NOTE,
    pattern=VISIBLE_TEXT,
)
_KIND: Final = word("Of which kind it is.", KINDS)
_SCHEMAS: Final[dict[str, Json]] = {
    "NoteWanted": closed(
        {
            "text": _TEXT,
            "at": text(
                "When: at most a day ahead, and not before what is kept. Without it: now, by "
                "PostgreSQL's clock.",
                "2026-03-30T12:00:00Z",
                format="date-time",
            ),
            "kind": {**_KIND, "default": "note"},
        },
        required=("text",),
    ),
    "Note": record(
        {
            "id": _ID,
            "at": instant("When it happened.", "2026-03-30T12:00:00.000Z"),
            "kind": word("`alert`: a product alert fired.", (*KINDS, "alert")),
            "text": _TEXT,
            "who_kind": word("Who vouches for `who`.", (*PRINCIPAL_KINDS, "alert")),
            "who": text(
                "The user of the token or sign-on, the name of the API key, or the alert's id.",
                "ci",
            ),
            "created_at": instant("When it was written.", "2026-03-30T12:00:03.412Z"),
        },
        about="A note.",
    ),
    "Notes": record(
        {
            "items": many(ref("Note")),
            "complete": flag("Whether these are all of the range.", True),
        },
        about="The newest first.",
    ),
}


def _bound(name: str, description: str, example: str) -> Json:
    return query(name, text(description, example, format="date-time"))


_PATHS: Final[dict[str, Json]] = {
    "/api/v1/annotations": {
        "get": operation(
            "listNotes",
            "Notes of a range",
            "The newest first.",
            {**ok(ref("Notes"), "Them."), **refusals("BadParameter"), **OF_READERS},
            security=READERS,
            parameters=(
                _bound("from", "Begins then.", "2026-03-01T00:00:00Z"),
                _bound("to", "Ends then; not included.", "2026-03-31T00:00:00Z"),
                query(
                    "limit",
                    whole(
                        "How many at most.", 50, minimum=1, maximum=MOST_SHOWN, default=MOST_SHOWN
                    ),
                ),
            ),
        ),
        "post": operation(
            "addNote",
            "Write a note",
            "A request that is sent again writes a second one.",
            {
                **created(ref("Note"), "It is kept."),
                **refusals("BadBody", "BodyTooLarge", "UnsupportedEncoding", "BadField"),
                **OF_READERS,
            },
            security=_MANAGERS,
            body={
                "required": True,
                "content": {"application/json": {"schema": ref("NoteWanted")}},
            },
        ),
    },
    "/api/v1/annotations/{id}": {
        "delete": operation(
            "deleteNote",
            "Delete a note",
            "Of anybody.",
            {
                "204": {"description": "It is gone.", "headers": REQUEST_ID},
                **refusals("BadParameter", "NotThere"),
                **OF_READERS,
            },
            security=_MANAGERS,
            parameters=(in_path("id", _ID),),
        )
    },
}
PART: Final = Part(TAG, _PATHS, _SCHEMAS)
