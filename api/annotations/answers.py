"""What readers are told of notes."""

from __future__ import annotations

from typing import Annotated, Any, Final

from api.annotations.note import KINDS, TEXT
from api.http.answers import Answer, described, instant, told
from api.http.words import PRINCIPAL_KINDS
from api.periods.instants import rfc3339

_ID: Final = "6f1d0a9be2c44be08f0b8f6a1ac2f3d7"


class Note(Answer):
    """A note."""

    id: Annotated[str, told("Finds the note.", _ID, pattern="^[0-9a-f]{32}$")]
    at: Annotated[str, instant("When it happened.", "2026-03-30T12:00:00.000Z")]
    kind: Annotated[str, told("`alert`: a product alert fired.", enum=[*KINDS, "alert"])]
    text: Annotated[str, described(TEXT.schema)]
    who_kind: Annotated[str, told("Who vouches for `who`.", enum=[*PRINCIPAL_KINDS, "alert"])]
    who: Annotated[
        str,
        told("The user of the token or sign-on, the name of the API key, or the alert's id.", "ci"),
    ]
    created_at: Annotated[str, instant("When it was written.", "2026-03-30T12:00:03.412Z")]


class Notes(Answer):
    """The newest first."""

    items: list[Note]
    complete: Annotated[bool, told("Whether these are all of the range.", True)]


def shown(row: dict[str, Any]) -> Note:
    """Of a row as the queries give it."""
    times = {name: rfc3339(row[name]) for name in ("at", "created_at")}
    return Note(**{**row, **times})
