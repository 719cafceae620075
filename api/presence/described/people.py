"""Who is online: lists of users, one user, many at once."""

from __future__ import annotations

from typing import Final

from api.http.answers import schemas_of
from api.http.call import Call
from api.http.words import NAMED, USER_ID
from api.periods.parameters import AT
from api.presence.answers import USER_FIELDS, LookedUp, Users
from api.presence.filters import KNOWN_USERS, LOOKUP, MAX_LOOKUP, ONLINE_USERS
from schemas.openapi.answers import QUALITY, ok, table
from schemas.openapi.forms import (
    Json,
    flag,
    instant,
    many,
    nullable,
    record,
    ref,
    text,
)

TAG: Final = {
    "name": "Who is online",
    "description": "Users as they are, or were at an instant. Online is foreground or background.",
}

_LISTED: Final = schemas_of(Users, LookedUp)
_USER: Final[dict[str, Json]] = {
    name: schema for name, schema in _LISTED["User"]["properties"].items() if name in USER_FIELDS
}
_CANARY: Final = {"canary": _LISTED["User"]["properties"]["canary"]}
#: Of a device as of the user who has it.
_SHOWN: Final = {
    name: schema
    for name, schema in _USER.items()
    if name not in ("user_id", "name", "device_count")
}
_DEVICE: Final = {
    "device": text("The device's key.", "phone-1"),
    **_SHOWN,
    "timer_runs_on": nullable(
        flag(
            "The app's timer runs on in the background: the device looks as if it were in the "
            "foreground, and nothing tells of a person. `null` at an instant of the past.",
            False,
        )
    ),
    "twin_of": nullable(
        text(
            "The name that the phone gives itself, if another phone of the user bore it first: an "
            "installation id that a restored backup brought along, or a `device_info` that both "
            "say and nothing else. `null` at an instant of the past.",
            "phone-1",
        )
    ),
    "other_users": nullable(
        many(
            USER_ID,
            "Other users who began a session under the same installation id within the days that "
            "changes are kept, the latest first, at most eight, and have not logged out there: "
            "one phone whose user changed without a logout, or a copied id. `null` at an instant "
            "of the past.",
        )
    ),
}
_AT_SHOWN: Final = {
    "at": instant("The instant that was asked for, if one was.", "2026-03-30T11:50:00.000Z")
}
SCHEMAS: Final[dict[str, Json]] = {
    **_LISTED,
    "Device": record(_DEVICE, about="A device of a user."),
    "UserWithDevices": record(
        {
            **_USER,
            "devices": many(
                ref("Device"),
                "All that are remembered, those online first; at an instant of the past those "
                "that were online.",
            ),
            "offline_since": nullable(instant("`null` while online.", "2026-03-30T12:03:10.000Z")),
        },
        sometimes={**_CANARY, **_AT_SHOWN, **QUALITY},
        about="A user with every device. `at`, `as_of` and `stale` are there if `at` was given.",
    ),
}

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
