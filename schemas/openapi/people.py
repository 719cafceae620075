"""Who is online: lists of users, one user, many at once."""

from __future__ import annotations

from typing import Final

from schemas.log.events import MAX_NAME, MAX_TEXT, MAX_USER_ID
from schemas.openapi.answers import (
    OF_READERS,
    QUALITY,
    READERS,
    ok,
    refusals,
    table,
)
from schemas.openapi.forms import (
    STORED_TEXT,
    Json,
    Part,
    flag,
    in_path,
    instant,
    many,
    nullable,
    operation,
    query,
    record,
    ref,
    text,
    whole,
    word,
)
from schemas.openapi.words import (
    AT,
    CURSOR,
    FILE_LIMIT,
    REASONS,
    STATES,
    about_device,
    screen_shown,
)

TAG: Final = {
    "name": "Who is online",
    "description": "Users as they are, or were at an instant. Online is foreground or background.",
}
MAX_LOOKUP: Final = 1_000

USER_ID: Final = text(
    "The token's user claim.", "ada", minLength=1, maxLength=MAX_USER_ID, pattern=STORED_TEXT
)
_SHOWN: Final = {
    "state": word("`foreground`, `background` or `offline`.", STATES),
    "reason": nullable(
        word("Why the state or the screen is what it is; `null`: not kept so far back.", REASONS)
    ),
    "screen": nullable(
        screen_shown("The screen shown; in the background the last one. `null`: none was named.")
    ),
    **about_device(),
    "last_active": nullable(
        instant(
            "Log time of the last sign of life; `null` at an instant of the past.",
            "2026-03-30T11:59:41.007Z",
        )
    ),
    "online_since": nullable(
        instant("Since when without a break; `null` if offline.", "2026-03-30T11:42:10.250Z")
    ),
    "changed_at": nullable(
        instant("When state or screen changed last.", "2026-03-30T11:58:02.114Z")
    ),
}
_USER: Final = {
    "user_id": USER_ID,
    "name": nullable(text("The token's name claim.", "Ada Lovelace")),
    **_SHOWN,
    "device_count": whole("Devices that are online.", 1),
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
PAGED: Final = {
    "next_cursor": nullable(
        text("Give it as `cursor` for the next page; `null` on the last.", "kXy3b1")
    ),
}
_AT_SHOWN: Final = {
    "at": instant("The instant that was asked for, if one was.", "2026-03-30T11:50:00.000Z")
}
_SCHEMAS: Final[dict[str, Json]] = {
    "User": record(_USER, about="A user; screen, version, device and platform are one device's."),
    "Users": record(
        {"items": many(ref("User")), **PAGED, **QUALITY},
        sometimes={
            **_AT_SHOWN,
            "count": whole("Users in the whole list, if `count` was `true`.", 37),
            "count_is_exact": flag("`false`: there are more than `count`.", True),
        },
        about="A page of users.",
    ),
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
        sometimes={**_AT_SHOWN, **QUALITY},
        about="A user with every device. `at`, `as_of` and `stale` are there if `at` was given.",
    ),
    "Lookup": {
        "type": "object",
        "required": ["user_ids"],
        "additionalProperties": False,
        "properties": {
            "user_ids": many(USER_ID, "Whom to look up.", minItems=1, maxItems=MAX_LOOKUP)
        },
    },
    "LookedUp": record(
        {
            "items": many(ref("User"), "Those who are known, in the order asked for."),
            "unknown": many(text("A user id.", "bob"), "Those who are not known."),
            **QUALITY,
        }
    ),
}

_Q: Final = query(
    "q",
    text(
        "The start of the user id, or of the name (whatever the case). Empty: no filter.",
        "ada",
        maxLength=max(MAX_USER_ID, MAX_NAME),
        pattern=STORED_TEXT,
    ),
)
_SEARCH: Final = query(
    "search",
    text(
        "Anywhere in the user id or the name, whatever the case and the accents; as `q` where it "
        "is shorter than 3 characters. Empty: no filter.",
        "lace",
        maxLength=max(MAX_USER_ID, MAX_NAME),
        pattern=STORED_TEXT,
    ),
)
_COUNT: Final = query("count", word("`true`: the answer has `count`, too.", ("true", "false")))
SORTS: Final = ("-changed_at", "-online_since", "-last_active", "user_id")
KNOWN_SORTS: Final = ("-changed_at", "-last_active", "user_id")


def _sort(sorts: tuple[str, ...]) -> Json:
    return query(
        "sort",
        word(
            "Newest change first, the default; last online first (of those online); last active "
            "first (of the first 10,000); or by user id, the only one with `at` and the default "
            "there.",
            sorts,
        ),
    )


_LISTED: Final = (_Q, _SEARCH, FILE_LIMIT, CURSOR, _COUNT)
_NEXT: Final = {
    "X-Rollcall-Next-Cursor": {
        "description": "Of CSV and NDJSON: the `next_cursor`, where there is one.",
        "schema": {"type": "string"},
    }
}

_LIST: Final = {
    **table(ref("Users"), "User", "A page of them.", _NEXT),
    **refusals("BadList"),
    **OF_READERS,
}


def _equal(name: str, example: str) -> Json:
    return query(
        name,
        text(
            "Equal, case-sensitive.",
            example,
            minLength=1,
            maxLength=MAX_TEXT[name],
            pattern=STORED_TEXT,
        ),
    )


NAMED: Final = in_path("user_id", {**USER_ID, "description": "Percent-encoded: `a/b` is `a%2Fb`."})
_PATHS: Final[dict[str, Json]] = {
    "/api/v1/online-users": {
        "get": operation(
            "listOnlineUsers",
            "Who is online",
            "Filters compare with what the list shows. Under the sorts other than `-changed_at` a "
            "user who does not change while you page is seen exactly once. With `at`: who was "
            "online at that instant.",
            _LIST,
            security=READERS,
            parameters=(
                _equal("screen", "Cart"),
                query("state", word("Only these.", STATES[:2])),
                _equal("app_version", "1.10.0"),
                query(
                    "platform",
                    text(
                        "As the breakdown by platform tells it, whatever the case.",
                        "android",
                        minLength=1,
                        maxLength=MAX_TEXT["platform"],
                        pattern=STORED_TEXT,
                    ),
                ),
                query(
                    "device",
                    text(
                        "Anywhere in `device_info`, whatever the case. Empty: no filter.",
                        "Pixel",
                        maxLength=MAX_TEXT["device_info"],
                        pattern=STORED_TEXT,
                    ),
                ),
                AT,
                _sort(SORTS),
                *_LISTED,
            ),
        )
    },
    "/api/v1/users": {
        "get": operation(
            "listUsers",
            "Every known user",
            "Online or not.",
            _LIST,
            security=READERS,
            parameters=(
                query("state", word("Only these.", STATES)),
                _sort(KNOWN_SORTS),
                *_LISTED,
            ),
        )
    },
    "/api/v1/users/{user_id}": {
        "get": operation(
            "readUser",
            "One user",
            "With all devices, and why they are online or not. With `at`: as they were.",
            {
                **ok(ref("UserWithDevices"), "The user."),
                **refusals("BadParameter", "UnknownUser"),
                **OF_READERS,
            },
            security=READERS,
            parameters=(NAMED, AT),
        )
    },
    "/api/v1/users/lookup": {
        "post": operation(
            "lookUpUsers",
            "Many users by id",
            f"At most {MAX_LOOKUP:,} at once. It changes nothing: it is a POST only because ids "
            "are long. The dashboard's session counts for our own pages only.",
            {
                **ok(ref("LookedUp"), "Those who are known."),
                **refusals("BadBody", "BodyTooLarge", "UnsupportedEncoding", "BadField"),
                **OF_READERS,
            },
            security=READERS,
            body={
                "required": True,
                "content": {"application/json": {"schema": ref("Lookup")}},
            },
        )
    },
}
PART: Final = Part(TAG, _PATHS, _SCHEMAS)
