"""The feed: server-sent events, as far as OpenAPI can say them."""

from __future__ import annotations

from typing import Final

from api.analytics.described.over_time import PEAKS
from api.http.call import Call
from api.http.parameters import Parameter
from api.http.words import OUTAGES, REASONS, STATES, about_device, screen_shown
from api.presence.described.count import WINDOW_SECONDS
from api.presence.described.people import TAG
from schemas.openapi.answers import QUALITY, REQUEST_ID
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

_AS_OF: Final = {"as_of": QUALITY["as_of"]}
_INSTANT: Final = "2026-03-30T12:00:00.412Z"


def _seconds(description: str, example: float) -> Json:
    return {
        "type": "number",
        "exclusiveMinimum": 0,
        "description": description,
        "examples": [example],
    }


def _most_used(what: str, example: str) -> Json:
    return many(
        record(
            {
                "value": nullable(text("`null`: unknown; `(other)`: all others.", example)),
                "users": whole("Users online who have it.", 1000),
                "timers_run_on": whole(
                    "Devices online whose app's timer runs on in the background.", 3
                ),
            }
        ),
        f"Users online by {what}: the 8 most frequent.",
    )


_ONLINE: Final = {
    "count": whole("Users who are online.", 1283),
    "foreground": whole("With the app in front.", 1031),
    "background": whole("With the app in the background.", 252),
}
_SECTIONS: Final = {
    "freshness": record(
        {
            **QUALITY,
            "age_seconds": nullable(
                {
                    "type": "number",
                    "description": "`read_at` less `as_of`, in seconds.",
                    "examples": [0.4],
                }
            ),
            "read_at": instant("By PostgreSQL's clock.", _INSTANT),
            "window_seconds": WINDOW_SECONDS,
            "stale_after_seconds": _seconds("The age of `as_of` above which it is stale.", 10),
            "interval_seconds": _seconds("How often the state is read.", 1),
        },
        about="How good the state is.",
    ),
    "online": record(_ONLINE),
    "fleet": nullable(
        record(
            {**_AS_OF, **_ONLINE},
            about="`online` at the moment of `screens` and `mix`, which add up to it.",
        )
    ),
    "anyone": flag("Whether any user is known, online or not.", True),
    "outage": nullable(
        record(
            {
                "phase": word(
                    "Phones cannot reach us; or they can again.",
                    ("lasting", "grace"),
                ),
                "kind": nullable(word("As in concurrency's `gaps`.", OUTAGES)),
                "started_at": nullable(instant("When it began.", _INSTANT)),
                "ended_at": nullable(instant("`null` while it lasts.", _INSTANT)),
                "held_until": nullable(
                    instant("Before it nobody who was online then goes offline.", _INSTANT)
                ),
            },
            about="What keeps users online who are not heard of; `null`: nothing does.",
        )
    ),
    "movement": nullable(
        record(
            {
                "seconds": whole("What is counted so far, a minute at most.", 60, maximum=60),
                "arrivals": whole("Users who came online.", 41),
                "departures": whole("Users who went offline.", 38),
                "estimated": flag("There were too many to count.", False),
            },
            about="Of users in the last minute.",
        )
    ),
    "screens": nullable(
        record(
            {
                **_AS_OF,
                "items": many(
                    record(
                        {
                            "screen": nullable(text("The screen; `null`: none named.", "Cart")),
                            "foreground": whole("Users in the foreground there.", 412, minimum=1),
                        }
                    ),
                    "The 20 fullest.",
                    maxItems=20,
                ),
                "foreground": whole("Users in the foreground.", 1031),
                "screens": whole("Screens in all.", 18),
            }
        )
    ),
    "mix": nullable(
        record(
            {
                **_AS_OF,
                "app_version": _most_used("version", "1.10.0"),
                "platform": _most_used("platform", "android"),
            }
        )
    ),
    "peaks": nullable(PEAKS),
}
_CHANGES: Final = record(
    {
        "items": many(ref("FeedChange"), "Oldest first."),
        "total": whole("How many there were.", 7),
        "sampled": flag("`items` are not all.", False),
    },
    about="At most 20 a second, 50 in a snapshot.",
)
SCHEMAS: Final[dict[str, Json]] = {
    "FeedChange": record(
        {
            "at": instant("When it happened.", "2026-03-30T11:58:02.114Z"),
            "user_id": text("Whose.", "ada"),
            "name": nullable(text("The user's name.", "Ada Lovelace")),
            "device": text("The device's key.", "phone-1"),
            "reason": word("Why.", REASONS),
            "previous_state": word("The device's state before.", STATES),
            "state": word("The device's state after.", STATES),
            "previous_screen": nullable(screen_shown("The device's screen before.")),
            "screen": nullable(screen_shown("The device's screen after.")),
            "user_state": word("The user's state after.", STATES),
            "user_screen": nullable(screen_shown("The user's screen after.")),
            "previous_user_state": nullable(
                word("The user's state before; `null`: no change of a day before is kept.", STATES)
            ),
            "previous_user_screen": nullable(screen_shown("The user's screen before.")),
            **{name: about_device()[name] for name in ("app_version", "platform")},
        },
        about="A change of a device's state or screen.",
    ),
    "FeedSnapshot": record(
        {**_SECTIONS, "changes": _CHANGES}, about="The `data` of an event `snapshot`."
    ),
    "FeedDelta": record(
        {"changes": _CHANGES},
        sometimes=_SECTIONS,
        about="The `data` of an event `delta`: the sections that are other than before.",
    ),
    "FeedTrouble": record(
        {"detail": text("Why there is no new state.", "PostgreSQL does not answer.")},
        about="The `data` of an event `trouble`.",
    ),
}

FOLLOW_FEED: Final = Call(
    "GET",
    "/api/v1/feed",
    "feed",
    TAG,
    operation="followFeed",
    summary="What changes, as it changes",
    about="Server-sent events: first a `snapshot`, then at most once a second a `delta`. A "
    "`trouble` says that there is no new state, and why. Comments show that the connection "
    "lives. Whoever comes back within a minute with `Last-Event-ID` gets what was missed. "
    "It does not end: try it with `curl -N`.",
    answers={
        "200": {
            "description": "Events, until the token ends or the server does.",
            "headers": REQUEST_ID,
            "content": {
                "text/event-stream": {
                    "schema": {
                        "type": "string",
                        "contentMediaType": "text/event-stream",
                        "contentSchema": {
                            "description": "The `data` of each event, as JSON.",
                            "anyOf": [
                                ref("FeedSnapshot"),
                                ref("FeedDelta"),
                                ref("FeedTrouble"),
                            ],
                        },
                    }
                }
            },
        }
    },
    parameters=(
        Parameter(
            "Last-Event-ID",
            text("The `id` of the last event that arrived.", "5f0c1d2e-41"),
            place="header",
        ),
    ),
)
CALLS: Final = (FOLLOW_FEED,)
