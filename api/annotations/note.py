"""What a note may say. PURE.

The policy: a short text, one of a few kinds, and an instant at most a day ahead of the clock and
not before what is kept. So many for a day and in all, that no script which runs wild fills the
charts or the table: who wants more deletes some.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from api.periods.instants import rfc3339
from api.periods.ranges import parse_instant
from schemas.bodies.body import object_body, refusal
from schemas.bodies.fields import line_field, parsed_field, word_field
from schemas.http.problems import FieldProblem, ProblemError
from schemas.openapi.forms import text

#: As the migration has them.
KINDS: Final = ("release", "incident", "campaign", "note")
DEFAULT_KIND: Final = "note"
MAX_TEXT: Final = 200
MOST_OF_A_DAY: Final = 50
MOST: Final = 2_000
AHEAD_SECONDS: Final = 86_400


@dataclass(frozen=True, slots=True)
class Note:
    """``at`` is ``None`` for now, by PostgreSQL's clock."""

    text: str
    kind: str = DEFAULT_KIND
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Room:
    """What is in the way of a note, as the database says: how many there are in all and on its day
    (UTC), whether it is too far ahead, and from when on notes are kept."""

    kept: int
    of_day: int
    is_too_late: bool
    kept_from: datetime | None
    is_too_early: bool


TEXT: Final = line_field(
    "What happened.", "Release 4.2 to everybody", MAX_TEXT, "is missing: say what happened"
)
WANTED: Final = object_body(
    "NoteWanted",
    {
        "text": TEXT,
        "at": parsed_field(
            text(
                "When: at most a day ahead, and not before what is kept. Without it: now, by "
                "PostgreSQL's clock.",
                "2026-03-30T12:00:00Z",
                format="date-time",
            ),
            parse_instant,
        ),
        "kind": word_field("Of which kind it is.", KINDS, default=DEFAULT_KIND),
    },
    example='{"text": "Release 4.2"}',
    max_bytes=4_096,
    make=Note,
)


def no_room(room: Room) -> ProblemError:
    """Why a note was not taken."""
    if room.is_too_late:
        return refusal([FieldProblem("at", "must be at most a day ahead of now")])
    if room.is_too_early:
        since = rfc3339(room.kept_from)
        return refusal([FieldProblem("at", f"is before what is kept: notes begin at {since}")])
    if room.of_day >= MOST_OF_A_DAY:
        message = f"is of a day (UTC) that has {MOST_OF_A_DAY} notes already: delete one of them"
        return refusal([FieldProblem("at", message)])
    return ProblemError(
        "bad_field", f"There are {MOST:,} notes, as many as are kept: delete some of them."
    )
