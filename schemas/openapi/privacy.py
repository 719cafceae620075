"""Opting out, what is stored of one user, and erasing it."""

from __future__ import annotations

from typing import Final

from schemas.openapi.answers import OF_READERS, REQUEST_ID, ok, refusals
from schemas.openapi.forms import (
    Json,
    Part,
    Security,
    flag,
    in_path,
    instant,
    many,
    nullable,
    operation,
    record,
    ref,
    text,
    word,
)
from schemas.openapi.people import NAMED, USER_ID

PRIVACY_SCOPE: Final = "presence:privacy"
TAG: Final = {
    "name": "Privacy",
    "description": "A user's own calls want the user's own token and no scope. Those by user id "
    "are for support. An opt-out and an erasure are events of the log, in order with the user's "
    "heartbeats, and repeating them is safe. Without `ROLLCALL_USER_HASH_KEY` and "
    "`ROLLCALL_EVENT_VERSION=2` they are a `503` that says so.",
}
_ME: Final[Security] = ({"phoneToken": []},)
_SUPPORT: Final[Security] = ({"staffToken": [PRIVACY_SCOPE]}, {"apiKey": [PRIVACY_SCOPE]})

_ENABLED: Final = flag("Whether the user is counted and shown.", True)
_DONE: Final = flag(
    "The processor has passed it: nothing of the user is stored or shown any more, or they count "
    "again. `false`: it is in the log, and will be.",
    True,
)
_ERASURE_ID: Final = text("Finds the erasure.", "6f1d0a9be2c44be08f0b8f6a1ac2f3d7")
_SCHEMAS: Final[dict[str, Json]] = {
    "Tracking": record({"enabled": _ENABLED}),
    "TrackingSet": record({"enabled": _ENABLED, "done": _DONE}),
    "TrackingWanted": {
        "type": "object",
        "required": ["enabled"],
        "additionalProperties": False,
        "properties": {"enabled": flag("`false` opts out, `true` opts in again.", False)},
    },
    "Erasing": record({"erasure_id": _ERASURE_ID, "done": _DONE}),
    "Erasure": record(
        {
            "erasure_id": _ERASURE_ID,
            "kind": word("What it was part of.", ("erased", "opted_out")),
            "requested_at": instant("When it was asked for.", "2026-03-30T12:00:00.412Z"),
            "erased_at": nullable(
                instant("Log time of its event; `null` until then.", "2026-03-30T12:00:00.530Z")
            ),
            "removed": nullable(
                {
                    "type": "object",
                    "description": "Rows removed by table; `null` until then.",
                    "additionalProperties": {"type": "integer", "minimum": 0},
                    "examples": [{"presence": 1, "changes": 42}],
                }
            ),
            "events_gone_by": nullable(
                instant(
                    "By then Kafka's retention has dropped what the app had sent, with "
                    "`ROLLCALL_LOG_RETENTION_HOURS`. `null` until then, and where the log is kept "
                    "for ever.",
                    "2026-04-02T18:00:00.530Z",
                )
            ),
            "changes_gone_by": nullable(
                instant("The same of `presence.changes`.", "2026-04-07T02:00:00.530Z")
            ),
        },
        about="An erasure. It holds a keyed hash of the user's id, never the id.",
    ),
    "Stored": record(
        {
            "user_id": USER_ID,
            "tracking": ref("Tracking"),
            "stored": many(
                record(
                    {
                        "where": text("The table.", "the table changes"),
                        "about": text("What it tells.", "When your state or screen changed."),
                        "until": text("How long it is kept.", "7 days after each"),
                        "rows": many({"type": "object"}, "As they are stored, the latest first."),
                        "complete": flag("Whether these are all.", True),
                    }
                )
            ),
            "not_listed": many(
                record(
                    {
                        "where": text("What is not searched.", "the topic presence.events"),
                        "about": text("What it tells.", "What your app sent."),
                        "until": text("How long it is kept.", "72 hours after each"),
                    }
                )
            ),
        },
        about="Everything that is stored of one user.",
    ),
}


def _or_later(schema: Json, done: str, later: str) -> dict[str, Json]:
    answers = ok(schema, done)
    return {**answers, "202": {**answers["200"], "description": later}}


_SET: Final = _or_later(
    ref("TrackingSet"),
    "Done: nothing of the user is stored or shown any more; or they count again.",
    "It is in the log, and will be done: the processor did not pass it within 5 s.",
)
_BODY: Final[Json] = {
    "required": True,
    "content": {"application/json": {"schema": ref("TrackingWanted")}},
}
_OF_BODY: Final = refusals("BadBody", "BodyTooLarge", "UnsupportedEncoding", "BadField")
_OF_ME: Final = {
    **refusals("TokenRefused", "ScopeMissing", "HeadersTooLarge", "RateLimited"),
    **refusals("Failed", "Unavailable"),
}
_READ: Final = ok(ref("Tracking"), "Whether they are.")
_DATA: Final = ok(ref("Stored"), "All of it.")
_PARAMETER: Final = refusals("BadParameter")
_ERASED_LATER: Final = _or_later(
    ref("Erasing"), "Done: it is gone.", "It is in the log, and will be done."
)
_PATHS: Final[dict[str, Json]] = {
    "/api/v1/me/tracking": {
        "get": operation(
            "readMyTracking",
            "Am I counted?",
            "Of the user whose token it is.",
            {**_READ, **_PARAMETER, **_OF_ME},
            security=_ME,
        ),
        "put": operation(
            "setMyTracking",
            "Opt out, or in again",
            "Opting out erases what is stored of the user, closes their sockets (4403), and lets "
            "nothing in until they opt in; that begins from nothing. Heartbeats are still answered "
            "`200`, with `X-Rollcall-Tracking: off`.",
            {**_SET, **_OF_BODY, **_OF_ME},
            security=_ME,
            body=_BODY,
        ),
    },
    "/api/v1/me/data": {
        "get": operation(
            "readMyData",
            "What is stored about me",
            "Everything, with where it is and until when.",
            {**_DATA, **_PARAMETER, **_OF_ME},
            security=_ME,
        )
    },
    "/api/v1/me": {
        "delete": operation(
            "eraseMe",
            "Erase what is stored about me",
            "No opt-out: what the app sends after half a minute begins from nothing.",
            {**_ERASED_LATER, **_PARAMETER, **_OF_ME},
            security=_ME,
        )
    },
    "/api/v1/users/{user_id}/tracking": {
        "get": operation(
            "readTracking",
            "Is a user counted?",
            "For support.",
            {**_READ, **_PARAMETER, **OF_READERS},
            security=_SUPPORT,
            parameters=(NAMED,),
        ),
        "put": operation(
            "setTracking",
            "Opt a user out, or in again",
            "As users do for themselves.",
            {**_SET, **_OF_BODY, **OF_READERS},
            security=_SUPPORT,
            parameters=(NAMED,),
            body=_BODY,
        ),
    },
    "/api/v1/users/{user_id}/data": {
        "get": operation(
            "readUserData",
            "What is stored of a user",
            "For who answers a user's request for access.",
            {**_DATA, **_PARAMETER, **OF_READERS},
            security=_SUPPORT,
            parameters=(NAMED,),
        )
    },
    "/api/v1/erasures/{erasure_id}": {
        "get": operation(
            "readErasure",
            "What became of an erasure",
            "The proof of it, without the user's id.",
            {**ok(ref("Erasure"), "It."), **_PARAMETER, **refusals("NoSuchErasure"), **OF_READERS},
            security=_SUPPORT,
            parameters=(in_path("erasure_id", _ERASURE_ID),),
        )
    },
}
ERASE_USER: Final = operation(
    "eraseUser",
    "Erase a user",
    "From every table, by one event of the log. It is no opt-out. Sums that the user was counted "
    "in stay.",
    {
        "202": {
            "description": "It is in the log, and will be done.",
            "headers": REQUEST_ID,
            "content": {"application/json": {"schema": ref("Erasing")}},
        },
        **_PARAMETER,
        **OF_READERS,
    },
    security=_SUPPORT,
    parameters=(NAMED,),
)
PART: Final = Part(TAG, _PATHS, _SCHEMAS)
