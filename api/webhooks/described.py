"""Webhooks: made, shown and ended. What they deliver: ``schemas/webhooks/message.schema.json``."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from api.http.answers import schemas_of
from api.http.call import MANAGERS, Call
from api.http.parameters import Parameter
from api.managed.receiver import URL_FIELD
from api.managed.rotation import ROTATION, SecretRotated
from api.webhooks.answers import (
    WebhookDeadLetters,
    WebhookMade,
    WebhookReplay,
    Webhooks,
)
from schemas.bodies.body import object_body
from schemas.bodies.fields import Field, schema_of
from schemas.openapi.answers import REQUEST_ID, accepted, created, ok
from schemas.openapi.forms import (
    Json,
    closed,
    ref,
    text,
    word,
)
from schemas.webhooks.filter import CONDITIONS, OF_AUDIENCES, parse_filter
from schemas.webhooks.push import PUSH
from schemas.webhooks.timer import TIMER_FIELDS

TAG: Final = {
    "name": "Webhooks",
    "description": "Your back ends are told of changes by signed requests (Standard Webhooks). "
    "Without `ROLLCALL_ENCRYPTION_KEY` none can be made: a `503` that says so.",
}

#: Of a timer; the first two make it a live audience.
_OPTIONAL: Final = ("once_in_seconds", "push", "app_version", "platform")


def _timer(lasting: str, about: str) -> Json:
    """A screen is of those on a screen only."""
    fields = dict(TIMER_FIELDS)
    if lasting != "on_screen":
        del fields["screen"]
    described = {name: each.schema for name, each in fields.items()}
    described["while"] = word("Its state.", (lasting,))
    required = [name for name in fields if name not in _OPTIONAL]
    return closed(described, required=required, description=about)


_ID: Final = text("Of the webhook.", "wh_5b0c9a2f7d31e846")
SCHEMAS: Final[dict[str, Json]] = {
    "WebhookFilter": {
        "oneOf": [ref("WebhookConditions"), ref("WebhookOfAudiences"), ref("WebhookTimed")],
        "description": "Which changes are told, or with a timer who stays for so long. That a user "
        "was erased or opted out is always told.",
    },
    "WebhookConditions": schema_of(
        CONDITIONS, description="Changes for which every condition holds."
    ),
    "WebhookOfAudiences": schema_of(
        OF_AUDIENCES, description="No changes, but audiences that are sent here."
    ),
    "WebhookTimed": closed(
        {
            "timer": {
                "oneOf": [
                    _timer("offline", "The user is offline."),
                    _timer("on_screen", "The user is in the foreground on `screen`."),
                ]
            }
        },
        required=("timer",),
        description="Who stays for so long, and no changes. Times are log time; what is due in an "
        "outage is due after it.",
    ),
    "Push": PUSH,
    **schemas_of(WebhookMade, Webhooks, WebhookDeadLetters, SecretRotated, WebhookReplay),
}
_WANTED: Final = object_body(
    "WebhookWanted",
    {
        "url": replace(URL_FIELD, missing=""),
        "filter": Field(ref("WebhookFilter"), parse_filter),
    },
    example='{"url": "https://crm.example.com/rollcall"}',
    max_bytes=65_536,
    description="Without a `url` is a timer with a `push` alone, which goes to OneSignal.",
    anyOf=[{"required": ["url"]}, {"required": ["filter"]}],
)
_NAMED: Final = Parameter("webhook_id", _ID, place="path")
_NOTHING: Final[dict[str, Json]] = {"204": {"description": "Done.", "headers": REQUEST_ID}}


LIST_WEBHOOKS: Final = Call(
    "GET",
    "/api/v1/webhooks",
    "webhooks",
    TAG,
    operation="listWebhooks",
    summary="All webhooks",
    about="Everything but their secrets.",
    answers=ok(ref("Webhooks"), "All."),
    may=MANAGERS,
)
CREATE_WEBHOOK: Final = Call(
    "POST",
    "/api/v1/webhooks",
    "webhooks",
    TAG,
    operation="createWebhook",
    summary="Make a webhook",
    about="It is told of what changes from now on. The answer has its secret, once.",
    answers=created(ref("WebhookMade"), "It is made."),
    may=MANAGERS,
    body=_WANTED,
)
DELETE_WEBHOOK: Final = Call(
    "DELETE",
    "/api/v1/webhooks/{webhook_id}",
    "webhook",
    TAG,
    operation="deleteWebhook",
    summary="End a webhook",
    about="With its dead letters; within seconds nothing more is sent.",
    answers=_NOTHING,
    may=MANAGERS,
    parameters=(_NAMED,),
    refuses=("NoSuchWebhook",),
)
LIST_WEBHOOK_DEAD_LETTERS: Final = Call(
    "GET",
    "/api/v1/webhooks/{webhook_id}/dead-letters",
    "webhook_dead_letters",
    TAG,
    operation="listWebhookDeadLetters",
    summary="What could not be delivered",
    about="As ranges of offsets.",
    answers=ok(ref("WebhookDeadLetters"), "Them."),
    may=MANAGERS,
    parameters=(_NAMED,),
    refuses=("NoSuchWebhook",),
)
ROTATE_WEBHOOK_SECRET: Final = Call(
    "POST",
    "/api/v1/webhooks/{webhook_id}/rotate",
    "webhook_rotate",
    TAG,
    operation="rotateWebhookSecret",
    summary="Another secret",
    about="Both sign for a while, so that the receiver changes when it likes.",
    answers=ok(ref("SecretRotated"), "It signs from now on."),
    may=MANAGERS,
    parameters=(_NAMED,),
    body=ROTATION,
    refuses=("NoSuchWebhook",),
)
REPLAY_WEBHOOK: Final = Call(
    "POST",
    "/api/v1/webhooks/{webhook_id}/replay",
    "webhook_replay",
    TAG,
    operation="replayWebhook",
    summary="Deliver dead letters",
    about="Beside later changes, which go on. What Kafka has deleted cannot be.",
    answers=accepted(ref("WebhookReplay"), "They are on their way."),
    may=MANAGERS,
    parameters=(_NAMED,),
    refuses=("NoSuchWebhook",),
)
ENABLE_WEBHOOK: Final = Call(
    "POST",
    "/api/v1/webhooks/{webhook_id}/enable",
    "webhook_enable",
    TAG,
    operation="enableWebhook",
    summary="Go on with a disabled webhook",
    about="From where it was, as far as Kafka still has the changes.",
    answers=_NOTHING,
    may=MANAGERS,
    parameters=(_NAMED,),
    refuses=("NoSuchWebhook",),
)
CALLS: Final = (
    LIST_WEBHOOKS,
    CREATE_WEBHOOK,
    DELETE_WEBHOOK,
    LIST_WEBHOOK_DEAD_LETTERS,
    ROTATE_WEBHOOK_SECRET,
    REPLAY_WEBHOOK,
    ENABLE_WEBHOOK,
)
