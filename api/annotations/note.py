"""What a note may say. PURE.

The policy: a short text, one of a few kinds, and an instant at most a day ahead of the clock and
not before what is kept. So many for a day and in all, that no script which runs wild fills the
charts or the table: who wants more deletes some.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from api.http.json_fields import (
    BadFieldsError,
    Reader,
    document_of,
    from_text,
    one_line,
    read_fields,
    refusal,
    word_of,
)
from api.periods.instants import rfc3339
from api.periods.ranges import parse_instant
from schemas.http.problems import FieldProblem, ProblemError

#: As the migration has them.
KINDS: Final = ("release", "incident", "campaign", "note")
DEFAULT_KIND: Final = "note"
MAX_TEXT: Final = 200
MAX_BODY_BYTES: Final = 4_096
MOST_OF_A_DAY: Final = 50
MOST: Final = 2_000
AHEAD_SECONDS: Final = 86_400


@dataclass(frozen=True, slots=True)
class Note:
    """``at`` is ``None`` for now, by PostgreSQL's clock."""

    text: str
    kind: str
    at: datetime | None


@dataclass(frozen=True, slots=True)
class Room:
    """What is in the way of a note, as the database says: how many there are in all and on its day
    (UTC), whether it is too far ahead, and from when on notes are kept."""

    kept: int
    of_day: int
    is_too_late: bool
    kept_from: datetime | None
    is_too_early: bool


def parse_note(body: bytes) -> Note:
    """Raises ``ProblemError``: ``bad_json``, or ``bad_field`` naming the fields."""
    fields: dict[str, Reader] = {
        "text": one_line(MAX_TEXT),
        "at": from_text(parse_instant),
        "kind": word_of(KINDS),
    }
    try:
        values = read_fields(document_of(body), fields)
    except BadFieldsError as error:
        raise refusal(error.problems) from None
    if "text" not in values:
        raise refusal([FieldProblem("text", "is missing: say what happened")])
    return Note(values["text"], values.get("kind", DEFAULT_KIND), values.get("at"))


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
