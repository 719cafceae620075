"""What a user did: changes with their reasons, spans, sessions."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias, get_args

from api.http.call import Call
from api.http.parameters import CURSOR, LIMIT, word_parameter
from api.http.words import (
    ENDINGS,
    NAMED,
    PAGED,
    REASONS,
    STATES,
    USER_ID,
    about_device,
    screen_shown,
)
from api.presence.described.people import TAG
from schemas.openapi.answers import QUALITY, ok
from schemas.openapi.forms import (
    Json,
    flag,
    instant,
    many,
    nullable,
    record,
    ref,
    text,
    whole,
    word,
)

Kind: TypeAlias = Literal["span", "session", "change"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
_STAY: Final = {
    "device": text("The device's key.", "phone-1"),
    "started_at": instant("When it began.", "2026-03-30T11:42:10.250Z"),
}
_END: Final = {
    "at": instant("When presence stopped showing it.", "2026-03-30T11:58:02.114Z"),
    "shown_until": instant("The same.", "2026-03-30T11:58:02.114Z"),
    "ended_at": instant(
        "When it ended for engagement: after a time-out the last sign of life.",
        "2026-03-30T11:58:02.114Z",
    ),
    "ended_by": word("Why it ended.", ENDINGS),
}
SCHEMAS: Final[dict[str, Json]] = {
    "Span": record(
        {
            "type": {"const": "span"},
            **{name: nullable(field) for name, field in _END.items()},
            **_STAY,
            "state": word("The state it was in.", STATES[:2]),
            "screen": nullable(screen_shown("The screen it was on.")),
            "is_view": nullable(
                flag("In the foreground, on another screen than the session's visit before.", True)
            ),
            "changed_at": instant("When what was shown changed.", "2026-03-30T11:42:10.250Z"),
            "session_start": instant("When its session began.", "2026-03-30T11:42:10.250Z"),
            **about_device(),
        },
        about="One device in one state on one screen, unbroken. While it is open, `at` and its "
        "end are `null`.",
    ),
    "Session": record(
        {
            "type": {"const": "session"},
            **_END,
            **_STAY,
            "views": whole("Visits of another screen than the visit before.", 4),
            "visits": whole("Unbroken stays in the foreground on a screen.", 6),
            "foreground_ms": whole("Time on screens, in milliseconds.", 520_000),
            "entry_screen": nullable(text("Of the first view.", "Home")),
            "exit_screen": nullable(text("Of the last view.", "Film")),
            **about_device(),
        },
        about="One device from online to offline.",
    ),
    "Change": record(
        {
            "type": {"const": "change"},
            "at": instant("When it happened.", "2026-03-30T11:58:02.114Z"),
            "device": text("The device's key.", "phone-1"),
            "reason": word("Why.", REASONS),
            "previous_state": word("The device's state before.", STATES),
            "state": word("The device's state after.", STATES),
            "previous_screen": nullable(screen_shown("The device's screen before.")),
            "screen": nullable(screen_shown("The device's screen after.")),
            "user_state": word("The user's state after.", STATES),
            "user_screen": nullable(screen_shown("The user's screen after.")),
            **{name: about_device()[name] for name in ("app_version", "platform")},
        },
        about="A change of a device's state or screen.",
    ),
    "Timeline": record(
        {
            "user_id": USER_ID,
            "items": many(
                {
                    "oneOf": [ref("Span"), ref("Session"), ref("Change")],
                    "discriminator": {
                        "propertyName": "type",
                        "mapping": {
                            name.lower(): f"#/components/schemas/{name}"
                            for name in ("Span", "Session", "Change")
                        },
                    },
                },
                "Newest first. Open spans come before all, on the first page, beside its `limit` "
                "others.",
            ),
            **PAGED,
            **QUALITY,
        }
    ),
}

READ_TIMELINE: Final = Call(
    "GET",
    "/api/v1/users/{user_id}/timeline",
    "timeline",
    TAG,
    operation="readTimeline",
    summary="What a user did",
    about="Changes with their reasons, spans and sessions, newest first. A user whose id ends "
    "with `/timeline` is asked for with `%2Ftimeline`.",
    answers=ok(ref("Timeline"), "A page of it."),
    parameters=(
        NAMED,
        word_parameter("type", "Only these.", KINDS),
        LIMIT,
        CURSOR,
    ),
    refuses=("UnknownUser",),
)
CALLS: Final = (READ_TIMELINE,)
