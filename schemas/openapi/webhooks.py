"""Webhooks: made, shown and ended. What they deliver: ``schemas/webhooks/message.schema.json``."""

from __future__ import annotations

from typing import Final, get_args

from schemas.log.changes import Reason
from schemas.log.events import MAX_TEXT
from schemas.openapi.answers import OF_READERS, REQUEST_ID, ok, refusals
from schemas.openapi.forms import (
    STORED_TEXT,
    Json,
    Part,
    Security,
    in_path,
    instant,
    many,
    nullable,
    operation,
    record,
    ref,
    text,
    whole,
    word,
)
from schemas.openapi.words import STATES

MANAGE_SCOPE: Final = "presence:manage"
TAG: Final = {
    "name": "Webhooks",
    "description": "Your back ends are told of changes by signed requests (Standard Webhooks). "
    "Without `ROLLCALL_ENCRYPTION_KEY` none can be made: a `503` that says so.",
}
MAX_CHOICES: Final = 100
MAX_URL: Final = 2_000
MAX_OVERLAP_HOURS: Final = 168
MOST_TIMER_SECONDS: Final = 86_400
_MANAGERS: Final[Security] = (
    {"staffToken": [MANAGE_SCOPE]},
    {"apiKey": [MANAGE_SCOPE]},
    {"session": []},
)


def _choices(description: str, item: Json) -> Json:
    return many(item, description, minItems=1, maxItems=MAX_CHOICES)


def _texts(description: str, example: str, longest: int) -> Json:
    item = text("One of them.", example, minLength=1, maxLength=longest, pattern=STORED_TEXT)
    return _choices(description, item)


def _timer(lasting: str, description: str, **fields: Json) -> Json:
    seconds = {
        "type": "integer",
        "description": "How long.",
        "minimum": 1,
        "maximum": MOST_TIMER_SECONDS,
        "examples": [600],
    }
    return {
        "type": "object",
        "description": description,
        "required": ["while", *fields, "seconds"],
        "additionalProperties": False,
        "properties": {"while": word("Its state.", (lasting,)), **fields, "seconds": seconds},
    }


_ID: Final = text("Of the webhook.", "wh_5b0c9a2f7d31e846")
_SECRET: Final = text("Shown now and never again.", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
_URL: Final = text(
    "https, at a public address unless the operator allows others.",
    "https://crm.example.com/rollcall",
    minLength=1,
    maxLength=MAX_URL,
)
_SCHEMAS: Final[dict[str, Json]] = {
    "WebhookFilter": {
        "oneOf": [ref("WebhookConditions"), ref("WebhookTimed")],
        "description": "Which changes are told, or with a timer who stays for so long. That a user "
        "was erased or opted out is always told.",
    },
    "WebhookConditions": {
        "type": "object",
        "description": "Changes for which every condition holds.",
        "additionalProperties": False,
        "properties": {
            "of": word("`user`: only what shows in the user's own state.", ("device", "user")),
            "reasons": _choices("Why it changed.", word("One of them.", get_args(Reason))),
            "states": _choices(
                "After the change, of the device or, `of` the `user`, theirs.",
                word("One of them.", STATES),
            ),
            "screens": _texts("After the change, likewise.", "Cart", MAX_TEXT["screen"]),
            "app_versions": _texts("Of the device.", "1.2.0", MAX_TEXT["app_version"]),
        },
    },
    "WebhookTimed": {
        "type": "object",
        "description": "Who stays for so long, and no changes. Times are log time; what is due in "
        "an outage is due after it.",
        "required": ["timer"],
        "additionalProperties": False,
        "properties": {
            "timer": {
                "oneOf": [
                    _timer("offline", "The user is offline."),
                    _timer(
                        *("on_screen", "The user is in the foreground on `screen`."),
                        screen=text(
                            "Of the screen.",
                            "Checkout",
                            minLength=1,
                            maxLength=MAX_TEXT["screen"],
                            pattern=STORED_TEXT,
                        ),
                    ),
                ]
            }
        },
    },
    "WebhookWanted": {
        "type": "object",
        "required": ["url"],
        "additionalProperties": False,
        "properties": {"url": _URL, "filter": ref("WebhookFilter")},
    },
    "WebhookMade": record(
        {"id": _ID, "url": _URL, "filter": ref("WebhookFilter"), "secret": _SECRET}
    ),
    "Webhook": record(
        {
            "id": _ID,
            "url": _URL,
            "filter": ref("WebhookFilter"),
            "state": word(
                "`disabled`: the receiver answered 410.", ("active", "failing", "disabled")
            ),
            "created_at": instant("By PostgreSQL's clock.", "2026-03-30T12:00:00.000Z"),
            "created_by": text("Who made it.", "admin"),
            "previous_secret_until": nullable(
                instant(
                    "Until then the secret before a rotation signs too.", "2026-03-31T12:00:00.000Z"
                )
            ),
            "failing_since": nullable(
                instant("The message that is tried again is of then.", "2026-03-30T12:00:00.000Z")
            ),
            "problem": nullable(text("Of the last attempt.", "status 503")),
            "dead_letters": whole("Ranges that could not be delivered.", 0),
        }
    ),
    "Webhooks": record({"items": many(ref("Webhook"))}, about="Oldest first."),
    "WebhookDeadLetter": record(
        {
            "id": whole("Of the dead letter.", 7),
            "partition": whole("Of `presence.changes`.", 3),
            "from_offset": whole("The first offset.", 1200),
            "next_offset": whole("The offset after the last.", 1300),
            "changes": whole("Of them those that the webhook wanted; 0: lost.", 84),
            "why": word(
                "`retries`: not delivered in a day. `disabled`: on its way when the receiver was "
                "gone. `lost`: Kafka has deleted them.",
                ("retries", "disabled", "lost"),
            ),
            "first_at": instant("When it began.", "2026-03-30T12:00:00.000Z"),
            "last_at": instant("When it was last added to.", "2026-03-30T12:00:00.000Z"),
            "replaying_since": nullable(instant("Since then.", "2026-03-30T12:00:00.000Z")),
        },
        about="Offsets, and no people.",
    ),
    "WebhookDeadLetters": record(
        {"items": many(ref("WebhookDeadLetter"))}, about="The latest 100, newest first."
    ),
    "WebhookRotation": {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "overlap_hours": {
                "type": "integer",
                "description": "How long the secret of before signs too.",
                "minimum": 0,
                "maximum": MAX_OVERLAP_HOURS,
                "default": 24,
                "examples": [24],
            }
        },
    },
    "WebhookRotated": record(
        {
            "secret": _SECRET,
            "previous_until": instant("Until then both sign.", "2026-03-31T12:00:00.000Z"),
        }
    ),
    "WebhookReplay": record({"dead_letters": whole("How many are replayed.", 2)}),
}
_OF_BODY: Final = refusals("BadBody", "BodyTooLarge", "UnsupportedEncoding", "BadField")
_OF_ONE: Final = {**refusals("BadParameter", "NoSuchWebhook"), **OF_READERS}
_NAMED: Final = in_path("webhook_id", _ID)
_NOTHING: Final[dict[str, Json]] = {"204": {"description": "Done.", "headers": REQUEST_ID}}


def _body(name: str, *, required: bool) -> Json:
    return {"required": required, "content": {"application/json": {"schema": ref(name)}}}


def _as(status: str, schema: Json, description: str) -> dict[str, Json]:
    return {status: ok(schema, description)["200"]}


_ONE: Final = "/api/v1/webhooks/{webhook_id}"
_PATHS: Final[dict[str, Json]] = {
    "/api/v1/webhooks": {
        "get": operation(
            "listWebhooks",
            "All webhooks",
            "Everything but their secrets.",
            {**ok(ref("Webhooks"), "All."), **refusals("BadParameter"), **OF_READERS},
            security=_MANAGERS,
        ),
        "post": operation(
            "createWebhook",
            "Make a webhook",
            "It is told of what changes from now on. The answer has its secret, once.",
            {**_as("201", ref("WebhookMade"), "It is made."), **_OF_BODY, **OF_READERS},
            security=_MANAGERS,
            body=_body("WebhookWanted", required=True),
        ),
    },
    _ONE: {
        "delete": operation(
            "deleteWebhook",
            "End a webhook",
            "With its dead letters; within seconds nothing more is sent.",
            {**_NOTHING, **_OF_ONE},
            security=_MANAGERS,
            parameters=(_NAMED,),
        )
    },
    f"{_ONE}/dead-letters": {
        "get": operation(
            "listWebhookDeadLetters",
            "What could not be delivered",
            "As ranges of offsets.",
            {**ok(ref("WebhookDeadLetters"), "Them."), **_OF_ONE},
            security=_MANAGERS,
            parameters=(_NAMED,),
        )
    },
    f"{_ONE}/rotate": {
        "post": operation(
            "rotateWebhookSecret",
            "Another secret",
            "Both sign for a while, so that the receiver changes when it likes.",
            {**ok(ref("WebhookRotated"), "It signs from now on."), **_OF_ONE, **_OF_BODY},
            security=_MANAGERS,
            parameters=(_NAMED,),
            body=_body("WebhookRotation", required=False),
        )
    },
    f"{_ONE}/replay": {
        "post": operation(
            "replayWebhook",
            "Deliver dead letters",
            "Beside later changes, which go on. What Kafka has deleted cannot be.",
            {**_as("202", ref("WebhookReplay"), "They are on their way."), **_OF_ONE},
            security=_MANAGERS,
            parameters=(_NAMED,),
        )
    },
    f"{_ONE}/enable": {
        "post": operation(
            "enableWebhook",
            "Go on with a disabled webhook",
            "From where it was, as far as Kafka still has the changes.",
            {**_NOTHING, **_OF_ONE},
            security=_MANAGERS,
            parameters=(_NAMED,),
        )
    },
}
PART: Final = Part(TAG, _PATHS, _SCHEMAS)
