"""What is told of audiences that are sent."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, TypeAlias

from api.deliveries.wish import AN_ID
from api.http.answers import Answer, count, instant, of, one_of, told
from api.http.documents import Row
from api.periods.instants import rfc3339
from schemas.tokens.identity import PrincipalKind

State: TypeAlias = Literal["running", "failing", "cancelling", "completed", "cancelled", "failed"]
_PLACE: Final = told("`onesignal`, or the id of a webhook.", "onesignal")


class Delivery(Answer):
    id: Annotated[str, told("Of the delivery and of its row in the audit.", AN_ID)]
    destination: Annotated[str, _PLACE]
    name: Annotated[str, told("What whoever sent it calls it.", "Spring sale")]
    push: Annotated[dict[str, Any], of("Push")] | None
    who: Annotated[
        str, told("The user of the token, or `key:` and the name of the API key.", "marketing")
    ]
    who_kind: Annotated[PrincipalKind, one_of("Who vouches for `who`.", PrincipalKind)]
    created_at: Annotated[str, instant("By PostgreSQL's clock.", "2026-03-30T12:00:01.201Z")]
    as_of: Annotated[str, instant("Log time of which the audience is.", "2026-03-30T12:00:00.800Z")]
    ended_at: Annotated[str | None, instant("`null` while it goes on.", "2026-03-30T12:00:09.377Z")]
    users: Annotated[int, count("In the audience.", 1283)]
    sent: Annotated[int, count("In calls that were accepted.", 1281)]
    left_out: Annotated[int, count("Who opted out or were erased in between.", 2)]
    state: Annotated[
        State, one_of("`failing`: the last call was not accepted, and is tried again.", State)
    ]
    problem: Annotated[str | None, told("Of the last call, or why it failed.", "status 503")]
    resumed_at: Annotated[
        str | None, instant("The last time; `null`: never.", "2026-03-30T15:00:00.000Z")
    ]
    resumable_until: Annotated[
        str | None,
        instant("`null`: it did not fail, and cannot be.", "2026-03-31T12:00:00.000Z"),
    ]


class DeliveryDestination(Answer):
    id: Annotated[str, _PLACE]
    address: Annotated[str, told("Where that is.", "https://crm.example.com")]


class Deliveries(Answer):
    items: Annotated[list[Delivery], told("The latest 100, newest first.")]
    destinations: Annotated[list[DeliveryDestination], told("Where an audience can go.")]


def shown(row: Row) -> Delivery:
    """Of a row of ``deliveries``."""
    times = ("created_at", "as_of", "ended_at", "resumed_at", "resumable_until")
    return Delivery(**{**row, **{name: rfc3339(row[name]) for name in times}})
