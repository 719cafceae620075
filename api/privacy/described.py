"""Opting out, what is stored of one user, and erasing it."""

from __future__ import annotations

from typing import Final

from api.http.answers import schemas_of
from api.http.call import SUPPORT, THE_USER, Call
from api.http.parameters import id_parameter
from api.http.words import NAMED
from api.privacy.answers import ERASURE_ID, Erasing, Erasure, Stored, Tracking, TrackingSet
from schemas.bodies.body import object_body
from schemas.bodies.fields import flag_field
from schemas.openapi.answers import REQUEST_ID, ok
from schemas.openapi.forms import Json, ref, text

TAG: Final = {
    "name": "Privacy",
    "description": "A user's own calls want the user's own token and no scope. Those by user id "
    "are for support. An opt-out and an erasure are events of the log, in order with the user's "
    "heartbeats, and repeating them is safe. Without `ROLLCALL_USER_HASH_KEY` and "
    "`ROLLCALL_EVENT_VERSION=2` they are a `503` that says so.",
}

_MAX_ERASURE_ID: Final = 64
SCHEMAS: Final = schemas_of(Tracking, TrackingSet, Erasing, Erasure, Stored)


def _or_later(schema: Json, done: str, later: str) -> dict[str, Json]:
    answers = ok(schema, done)
    return {**answers, "202": {**answers["200"], "description": later}}


_SET: Final = _or_later(
    ref("TrackingSet"),
    "Done: nothing of the user is stored or shown any more; or they count again.",
    "It is in the log, and will be done: the processor did not pass it within 5 s.",
)
_READ: Final = ok(ref("Tracking"), "Whether they are.")
_DATA: Final = ok(ref("Stored"), "All of it.")
_ERASED_LATER: Final = _or_later(
    ref("Erasing"), "Done: it is gone.", "It is in the log, and will be done."
)

#: A name that is not known is a typo, and must not look like an opt-out that was done.
_WANTED: Final = object_body(
    "TrackingWanted",
    {
        "enabled": flag_field(
            "`false` opts out, `true` opts in again.",
            False,
            "is missing: false opts out, true opts in again",
        )
    },
    example='{"enabled": false}',
    max_bytes=1_024,
)
READ_MY_TRACKING: Final = Call(
    "GET",
    "/api/v1/me/tracking",
    "tracking",
    TAG,
    operation="readMyTracking",
    summary="Am I counted?",
    about="Of the user whose token it is.",
    answers=_READ,
    may=THE_USER,
    of_pages=True,
)
SET_MY_TRACKING: Final = Call(
    "PUT",
    "/api/v1/me/tracking",
    "tracking",
    TAG,
    operation="setMyTracking",
    summary="Opt out, or in again",
    about="Opting out erases what is stored of the user, closes their sockets (4403), and lets "
    "nothing in until they opt in; that begins from nothing. Heartbeats are still answered "
    "`200`, with `X-Rollcall-Tracking: off`.",
    answers=_SET,
    may=THE_USER,
    of_pages=True,
    body=_WANTED,
)
READ_MY_DATA: Final = Call(
    "GET",
    "/api/v1/me/data",
    "stored_data",
    TAG,
    operation="readMyData",
    summary="What is stored about me",
    about="Everything, with where it is and until when.",
    answers=_DATA,
    may=THE_USER,
    of_pages=True,
)
ERASE_ME: Final = Call(
    "DELETE",
    "/api/v1/me",
    "erase",
    TAG,
    operation="eraseMe",
    summary="Erase what is stored about me",
    about="No opt-out: what the app sends after half a minute begins from nothing.",
    answers=_ERASED_LATER,
    may=THE_USER,
    of_pages=True,
)
READ_TRACKING: Final = Call(
    "GET",
    "/api/v1/users/{user_id}/tracking",
    "tracking",
    TAG,
    operation="readTracking",
    summary="Is a user counted?",
    about="For support.",
    answers=_READ,
    may=SUPPORT,
    parameters=(NAMED,),
)
SET_TRACKING: Final = Call(
    "PUT",
    "/api/v1/users/{user_id}/tracking",
    "tracking",
    TAG,
    operation="setTracking",
    summary="Opt a user out, or in again",
    about="As users do for themselves.",
    answers=_SET,
    may=SUPPORT,
    parameters=(NAMED,),
    body=_WANTED,
)
READ_USER_DATA: Final = Call(
    "GET",
    "/api/v1/users/{user_id}/data",
    "stored_data",
    TAG,
    operation="readUserData",
    summary="What is stored of a user",
    about="For who answers a user's request for access.",
    answers=_DATA,
    may=SUPPORT,
    parameters=(NAMED,),
)
READ_ERASURE: Final = Call(
    "GET",
    "/api/v1/erasures/{erasure_id}",
    "erasure",
    TAG,
    operation="readErasure",
    summary="What became of an erasure",
    about="The proof of it, without the user's id.",
    answers=ok(ref("Erasure"), "It."),
    may=SUPPORT,
    parameters=(id_parameter("erasure_id", text(*ERASURE_ID), _MAX_ERASURE_ID),),
    refuses=("NoSuchErasure",),
)
ERASE_USER: Final = Call(
    "DELETE",
    "/api/v1/users/{user_id}",
    "erase",
    TAG,
    operation="eraseUser",
    summary="Erase a user",
    about="From every table, by one event of the log. It is no opt-out. Sums that the user was "
    "counted in stay.",
    answers={
        "202": {
            "description": "It is in the log, and will be done.",
            "headers": REQUEST_ID,
            "content": {"application/json": {"schema": ref("Erasing")}},
        }
    },
    may=SUPPORT,
    parameters=(NAMED,),
)
CALLS: Final = (
    READ_MY_TRACKING,
    SET_MY_TRACKING,
    READ_MY_DATA,
    ERASE_ME,
    READ_TRACKING,
    SET_TRACKING,
    READ_USER_DATA,
    READ_ERASURE,
    ERASE_USER,
)
