"""Notes on the time axis."""

from __future__ import annotations

from typing import Final

from api.annotations.answers import Notes
from api.annotations.note import WANTED
from api.http.answers import schemas_of
from api.http.call import MANAGERS, Call
from api.http.parameters import id_parameter, number_parameter
from api.periods.parameters import instant_parameter
from schemas.openapi.answers import REQUEST_ID, created, ok
from schemas.openapi.forms import (
    ref,
    text,
)

TAG: Final = {
    "name": "Notes",
    "description": "What somebody says happened then, such as a release: charts mark it. Up to 50 "
    "of a day (UTC) and 2,000 in all, kept as long as rollups (400 days). Readers see who wrote "
    "them; write no user's id or name into one.",
}

#: In an answer.
MOST_SHOWN: Final = 500
_MAX_ID: Final = 64
_ID: Final = text("Finds the note.", "6f1d0a9be2c44be08f0b8f6a1ac2f3d7", pattern="^[0-9a-f]{32}$")
SCHEMAS: Final = schemas_of(Notes)
LIST_NOTES: Final = Call(
    "GET",
    "/api/v1/annotations",
    "annotations",
    TAG,
    operation="listNotes",
    summary="Notes of a range",
    about="The newest first.",
    answers=ok(ref("Notes"), "Them."),
    parameters=(
        instant_parameter("from", "Begins then.", "2026-03-01T00:00:00Z"),
        instant_parameter("to", "Ends then; not included.", "2026-03-31T00:00:00Z"),
        number_parameter("limit", "How many at most.", 50, MOST_SHOWN, default=MOST_SHOWN),
    ),
)
ADD_NOTE: Final = Call(
    "POST",
    "/api/v1/annotations",
    "annotations",
    TAG,
    operation="addNote",
    summary="Write a note",
    about="A request that is sent again writes a second one.",
    answers=created(ref("Note"), "It is kept."),
    may=MANAGERS,
    body=WANTED,
)
DELETE_NOTE: Final = Call(
    "DELETE",
    "/api/v1/annotations/{id}",
    "annotation",
    TAG,
    operation="deleteNote",
    summary="Delete a note",
    about="Of anybody.",
    answers={"204": {"description": "It is gone.", "headers": REQUEST_ID}},
    may=MANAGERS,
    parameters=(id_parameter("id", _ID, _MAX_ID),),
    refuses=("NotThere",),
)
CALLS: Final = (
    LIST_NOTES,
    ADD_NOTE,
    DELETE_NOTE,
)
