"""What auditors are told of managers."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, TypeAlias

from api.http.answers import Answer, described, instant, one_of, told
from api.http.documents import Row
from api.http.words import PAGED
from api.periods.instants import rfc3339
from schemas.managed.manager import ManagerKind

Kind: TypeAlias = Literal["webhook", "alert", "share_link", "delivery"]
Action: TypeAlias = Literal[
    "made", "rotated", "enabled", "replayed", "resumed", "cancelled", "ended"
]
AN_ID: Final = "wh_5b0c9a2f7d31e846"
_DETAILS: Final = {
    "to": "https://crm.example.com",
    "filter": {"of": "user"},
}


class ManagedChange(Answer):
    """One thing that a manager did."""

    at: Annotated[str, instant("By PostgreSQL's clock.", "2026-03-30T12:00:00.412Z")]
    who_kind: Annotated[
        ManagerKind,
        one_of("Who vouches for `who`. `command`: the user of a shell.", ManagerKind),
    ]
    who: Annotated[str, told("The user, or the name of the API key.", "lead")]
    kind: Annotated[Kind, one_of("Of what.", Kind)]
    id: Annotated[str, told("Of it.", AN_ID)]
    action: Annotated[Action, one_of("`rotated`: its secret. `ended`: deleted.", Action)]
    details: Annotated[
        dict[str, Any],
        told(
            "What it was made of, and how many dead letters were replayed. Of URLs the origin; "
            "never a secret.",
            _DETAILS,
        ),
    ]


class ManagedChanges(Answer):
    """The newest first."""

    items: list[ManagedChange]
    next_cursor: Annotated[str | None, described(PAGED["next_cursor"])]


def shown(row: Row) -> ManagedChange:
    """Of a row of ``managed``."""
    return ManagedChange(
        at=rfc3339(row["at"]),
        who_kind=row["who_kind"],
        who=row["who"],
        kind=row["kind"],
        id=row["managed"],
        action=row["action"],
        details=row["details"],
    )
