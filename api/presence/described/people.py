"""Who is online: lists of users, one user, many at once."""

from __future__ import annotations

from typing import Final

from api.http.answers import schemas_of
from api.http.call import Call
from api.http.words import NAMED
from api.periods.parameters import AT
from api.presence.answers import LookedUp, Users, UserWithDevices
from api.presence.filters import KNOWN_USERS, LOOKUP, MAX_LOOKUP, ONLINE_USERS
from schemas.openapi.answers import ok, table
from schemas.openapi.forms import ref

TAG: Final = {
    "name": "Who is online",
    "description": "Users as they are, or were at an instant. Online is foreground or background.",
}

SCHEMAS: Final = schemas_of(Users, LookedUp, UserWithDevices)

_NEXT: Final = {
    "X-Rollcall-Next-Cursor": {
        "description": "Of CSV and NDJSON: the `next_cursor`, where there is one.",
        "schema": {"type": "string"},
    }
}

_LIST: Final = table(ref("Users"), "User", "A page of them.", _NEXT)

LIST_ONLINE_USERS: Final = Call(
    "GET",
    "/api/v1/online-users",
    "online_users",
    TAG,
    operation="listOnlineUsers",
    summary="Who is online",
    about="Filters compare with what the list shows. Under the sorts other than `-changed_at` a "
    "user who does not change while you page is seen exactly once. With `at`: who was "
    "online at that instant.",
    answers=_LIST,
    parameters=ONLINE_USERS,
)
LIST_USERS: Final = Call(
    "GET",
    "/api/v1/users",
    "users",
    TAG,
    operation="listUsers",
    summary="Every known user",
    about="Online or not.",
    answers=_LIST,
    parameters=KNOWN_USERS,
)
READ_USER: Final = Call(
    "GET",
    "/api/v1/users/{user_id}",
    "user",
    TAG,
    operation="readUser",
    summary="One user",
    about="With all devices, and why they are online or not. With `at`: as they were.",
    answers=ok(ref("UserWithDevices"), "The user."),
    parameters=(NAMED, AT),
    refuses=("UnknownUser",),
)
LOOK_UP_USERS: Final = Call(
    "POST",
    "/api/v1/users/lookup",
    "lookup",
    TAG,
    operation="lookUpUsers",
    summary="Many users by id",
    about=f"At most {MAX_LOOKUP:,} at once. It changes nothing: it is a POST only because ids "
    "are long. The dashboard's session counts for our own pages only.",
    answers=ok(ref("LookedUp"), "Those who are known."),
    body=LOOKUP,
)
CALLS: Final = (
    LIST_ONLINE_USERS,
    LIST_USERS,
    READ_USER,
    LOOK_UP_USERS,
)
