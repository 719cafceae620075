"""What is to be sent where, as it is asked for. PURE."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any, Final

from api.audiences.filter import MAX_BODY_BYTES, AudienceFilter, filter_of
from schemas.bodies.body import object_body, refusal
from schemas.bodies.fields import Field, line_field, number_field, parsed_field, text_field
from schemas.http.problems import FieldProblem
from schemas.openapi.forms import number, ref, text
from schemas.webhooks.forms import ONESIGNAL
from schemas.webhooks.push import Push, parse_push

#: In one call.
MOST_OF_ONESIGNAL, MOST_OF_WEBHOOK = 20_000, 1_000
LEAST_CALLS, MOST_CALLS, CALLS_PER_SECOND = 0.1, 100, 5.0
AN_ID: Final = "0d9c7a2e-52f4-4d0f-9d2e-6a1c6f0e9b1d"


@dataclass(frozen=True, slots=True)
class Wish:
    """``destination``: ``onesignal``, or the id of a webhook."""

    id: uuid.UUID
    filter: AudienceFilter
    destination: str
    name: str
    push: Push | None
    users_per_call: int
    calls_per_second: float


def _wish(
    *,
    to: str,
    filter: AudienceFilter,  # noqa: A002 - a field's name
    name: str,
    id: uuid.UUID | None = None,  # noqa: A002 - the same
    push: Push | None = None,
    users_per_call: int | None = None,
    calls_per_second: float = CALLS_PER_SECOND,
) -> Wish:
    """Raises ``ProblemError``."""
    if to == ONESIGNAL and push is None:
        message = "is missing: say what OneSignal is to tell, by text or template_id"
        raise refusal([FieldProblem("push", message)])
    most = MOST_OF_ONESIGNAL if to == ONESIGNAL else MOST_OF_WEBHOOK
    users = most if users_per_call is None else users_per_call
    if users > most:
        raise refusal([FieldProblem("users_per_call", f"must be at most {most} for {to}")])
    return Wish(id or uuid.uuid4(), filter, to, name, push, users, calls_per_second)


def _uuid(said: str) -> uuid.UUID:
    try:
        return uuid.UUID(said)
    except ValueError:
        raise ValueError(f"must be a UUID such as {AN_ID}") from None


def _calls_per_second(value: Any) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not LEAST_CALLS <= value <= MOST_CALLS:
        raise ValueError(f"must be a number from {LEAST_CALLS} to {MOST_CALLS}")
    return float(value)


WISH: Final = object_body(
    "DeliveryWanted",
    {
        "filter": Field(ref("AudienceFilter"), filter_of, "is missing: {} is every known user"),
        "to": text_field(
            "`onesignal`, or the id of a webhook with the filter `of: audience`.",
            ONESIGNAL,
            64,
            "is missing: onesignal, or the id of a webhook of audiences",
        ),
        "name": line_field(
            "What you call it: the receiver gets it too.",
            "Spring sale",
            100,
            "is missing: say what you call it",
        ),
        "push": Field(ref("Push"), parse_push),
        "id": parsed_field(
            text("Sent twice with the same one it is one delivery.", AN_ID, format="uuid"), _uuid
        ),
        "users_per_call": number_field(
            "At most; by default 20,000 for OneSignal, and 1,000, which is the most, for a "
            "webhook.",
            1_000,
            1,
            MOST_OF_ONESIGNAL,
        ),
        "calls_per_second": Field(
            number(
                "At most.", 5, minimum=LEAST_CALLS, maximum=MOST_CALLS, default=CALLS_PER_SECOND
            ),
            _calls_per_second,
        ),
    },
    example='{"filter": {"online": true}, "to": "onesignal", "name": "Spring", "push": {…}}',
    max_bytes=MAX_BODY_BYTES,
    make=_wish,
    anyOf=[
        {"required": ["push"]},
        {"properties": {"to": {"not": {"const": ONESIGNAL}}}},
    ],
)
