"""What managers are told of webhooks."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, TypeAlias

from api.http.answers import Answer, count, instant, of, one_of, told
from api.periods.instants import rfc3339
from schemas.webhooks.addresses import MAX_URL
from schemas.webhooks.forms import Listed, State

Why: TypeAlias = Literal["retries", "disabled", "lost"]
_NOON: Final = "2026-03-30T12:00:00.000Z"
_AN_ID: Final = told("Of the webhook.", "wh_5b0c9a2f7d31e846")
_AN_URL: Final = told(
    "Where it goes, or `onesignal`.",
    "https://crm.example.com/rollcall",
    minLength=1,
    maxLength=MAX_URL,
)
_A_SECRET: Final = told(
    "Shown now and never again; `null`: nothing is signed for OneSignal.",
    "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
)


class WebhookMade(Answer):
    id: Annotated[str, _AN_ID]
    url: Annotated[str, _AN_URL]
    filter: Annotated[dict[str, Any], of("WebhookFilter")]
    secret: Annotated[str | None, _A_SECRET]


class Webhook(Answer):
    id: Annotated[str, _AN_ID]
    url: Annotated[str, _AN_URL]
    filter: Annotated[dict[str, Any], of("WebhookFilter")]
    state: Annotated[State, one_of("`disabled`: the receiver answered 410.", State)]
    created_at: Annotated[str, instant("By PostgreSQL's clock.", _NOON)]
    created_by: Annotated[str, told("Who made it.", "admin")]
    previous_secret_until: Annotated[
        str | None,
        instant("Until then the secret before a rotation signs too.", "2026-03-31T12:00:00.000Z"),
    ]
    failing_since: Annotated[
        str | None, instant("The message that is tried again is of then.", _NOON)
    ]
    problem: Annotated[str | None, told("Of the last attempt.", "status 503")]
    dead_letters: Annotated[int, count("Ranges that could not be delivered.", 0)]


class Webhooks(Answer):
    """Oldest first."""

    items: list[Webhook]


class WebhookDeadLetter(Answer):
    """Offsets, and no people."""

    id: Annotated[int, count("Of the dead letter.", 7)]
    partition: Annotated[int, count("Of `presence.changes`.", 3)]
    from_offset: Annotated[int, count("The first offset.", 1200)]
    next_offset: Annotated[int, count("The offset after the last.", 1300)]
    changes: Annotated[int, count("Of them those that the webhook wanted; 0: lost.", 84)]
    why: Annotated[
        Why,
        one_of(
            "`retries`: not delivered in a day. `disabled`: on its way when the receiver was gone. "
            "`lost`: Kafka has deleted them.",
            Why,
        ),
    ]
    first_at: Annotated[str, instant("When it began.", _NOON)]
    last_at: Annotated[str, instant("When it was last added to.", _NOON)]
    replaying_since: Annotated[str | None, instant("Since then.", _NOON)]


class WebhookDeadLetters(Answer):
    """The latest 100, newest first."""

    items: list[WebhookDeadLetter]


class WebhookReplay(Answer):
    dead_letters: Annotated[int, count("How many are replayed.", 2)]


def shown(webhook: Listed) -> Webhook:
    """Everything but secrets."""
    return Webhook(
        id=webhook.id,
        url=webhook.url,
        filter=webhook.filter,
        state=webhook.state,
        created_at=rfc3339(webhook.created_at),
        created_by=webhook.created_by,
        previous_secret_until=rfc3339(webhook.previous_until),
        failing_since=rfc3339(webhook.failing_since),
        problem=webhook.problem if webhook.disabled_at is None else "status 410",
        dead_letters=webhook.dead_letters,
    )


def shown_dead_letter(row: dict[str, Any]) -> WebhookDeadLetter:
    """Of a row of ``dead_letters``."""
    times = ("first_at", "last_at", "replaying_since")
    return WebhookDeadLetter(**{**row, **{name: rfc3339(row[name]) for name in times}})
