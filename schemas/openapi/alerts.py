"""Product alerts: made, tried, shown and ended."""

from __future__ import annotations

from typing import Final, get_args

from schemas.alerts.message import Target
from schemas.alerts.rule import (
    DEFAULT_DAYS,
    DEFAULT_FOR_MINUTES,
    LEAST_DAYS,
    LEAST_REPEAT_MINUTES,
    MAX_DAYS,
    MAX_FOR_MINUTES,
    MAX_NAME,
    MAX_REPEAT_MINUTES,
    Is,
    Of,
    Than,
)
from schemas.log.events import MAX_TEXT
from schemas.openapi.answers import OF_READERS, REQUEST_ID, created, ok, refusals
from schemas.openapi.forms import (
    STORED_TEXT,
    Json,
    Part,
    Security,
    closed,
    flag,
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

MANAGE_SCOPE: Final = "presence:manage"
TAG: Final = {
    "name": "Alerts",
    "description": "You are told when a number moves, by a signed webhook or by Slack. Rules "
    "are looked at as log time goes on; an outage of ours is a gap, no drop. Without "
    "`ROLLCALL_ENCRYPTION_KEY` none can be made: a `503` that says so.",
}
_MANAGERS: Final[Security] = (
    {"staffToken": [MANAGE_SCOPE]},
    {"apiKey": [MANAGE_SCOPE]},
    {"session": []},
)
MAX_URL: Final = 2_000
_CLOCK: Final = "^([01][0-9]|2[0-3]):[0-5][0-9]$"


def _name(about: str, example: str, longest: int) -> Json:
    return text(about, example, minLength=1, maxLength=longest, pattern=STORED_TEXT)


_ID: Final = text("Of the alert.", "al_5b0c9a2f7d31e846")
_TARGET: Final = word('`webhook`: signed. `slack`: `{"text": …}`, unsigned.', get_args(Target))
_RULE: Final[dict[str, Json]] = {
    "name": _name("What the alert is called.", "Few people", MAX_NAME),
    "of": word(
        "What is measured. Each minute: users online, or in the foreground on a screen. Each "
        "quarter-hour, 15 minutes after its end: sessions that began or ended, or a version's "
        "percentage of those that ended.",
        get_args(Of),
    ),
    "is": word("On which side. A peak is above.", get_args(Is)),
    "than": {
        **word(
            "What it is held against: a number; a day or a week before; the mean of the same hour "
            "on earlier days and its spread; the highest of all.",
            get_args(Than),
        ),
        "default": "number",
    },
    "value": {
        "type": "number",
        "description": "The number; by how many percent it is passed; how many times its spread a "
        "band is wide. Not of a peak.",
        "minimum": 0,
        "examples": [100],
    },
    "screen": _name(
        "Of `screen`; `arrivals` and `exits` may have one.", "Cart", MAX_TEXT["screen"]
    ),
    "app_version": _name("Of `version_share`.", "1.2.0", MAX_TEXT["app_version"]),
    "days": {
        **whole("Of a band: how many earlier days.", DEFAULT_DAYS),
        "minimum": LEAST_DAYS,
        "maximum": MAX_DAYS,
    },
    "for_minutes": {
        **whole("How long it must hold, and not hold for a recovery.", DEFAULT_FOR_MINUTES),
        "minimum": 1,
        "maximum": MAX_FOR_MINUTES,
    },
    "repeat_minutes": {
        **whole("It is told again so often while it holds; without it never.", 60),
        "minimum": LEAST_REPEAT_MINUTES,
        "maximum": MAX_REPEAT_MINUTES,
    },
    "recovery": {**flag("Whether it is told that it is over.", True), "default": True},
    "quiet_hours": closed(
        {
            "from": text("Time of day.", "22:00", pattern=_CLOCK),
            "to": text("Time of day, perhaps of the next.", "07:00", pattern=_CLOCK),
            "time_zone": {**text("Of the IANA time zones.", "Europe/Berlin"), "default": "UTC"},
        },
        required=("from", "to"),
    ),
}
_SCHEMAS: Final[dict[str, Json]] = {
    "AlertRule": closed(_RULE, required=("name", "of")),
    "AlertWanted": closed(
        {
            "rule": ref("AlertRule"),
            "target": {**_TARGET, "default": "webhook"},
            "url": text(
                "https, at a public address unless the operator allows others.",
                "https://crm.example.com/rollcall",
                minLength=1,
                maxLength=MAX_URL,
            ),
        },
        required=("rule", "url"),
    ),
    "AlertTried": closed({"rule": ref("AlertRule")}, required=("rule",)),
    "AlertMade": record(
        {
            "id": _ID,
            "rule": ref("AlertRule"),
            "target": _TARGET,
            "address": text("Of Slack no more than its host.", "https://crm.example.com/rollcall"),
            "secret": nullable(
                text("Signs; shown now and never again.", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
            ),
        }
    ),
    "Alert": record(
        {
            "id": _ID,
            "rule": ref("AlertRule"),
            "target": _TARGET,
            "address": text("Of Slack no more than its host.", "https://crm.example.com/rollcall"),
            "created_at": instant("By PostgreSQL's clock.", "2026-03-30T12:00:00.000Z"),
            "created_by": text("Who made it.", "admin"),
            "firing_since": nullable(
                instant("Log time; null: it does not fire.", "2026-03-30T12:00:00.000Z")
            ),
            "last_told_at": nullable(
                instant("Of the latest notice that it fired.", "2026-03-30T12:00:00.000Z")
            ),
            "waiting": whole("Notices that are not delivered yet.", 0),
            "given_up": whole("Notices of 30 days that could not be delivered.", 0),
            "problem": nullable(text("Of the last attempt.", "status 503")),
        }
    ),
    "Alerts": record({"items": many(ref("Alert"))}, about="Oldest first."),
    "AlertTrial": record(
        {
            "from": instant("The first point that was looked at.", "2026-03-23T12:01:00.000Z"),
            "to": instant("The last one.", "2026-03-30T12:00:00.000Z"),
            "fired": whole("How often it would have fired.", 3),
            "fired_at": many(
                instant("When, in quiet hours too.", "2026-03-24T03:05:00.000Z"),
                "The latest 100.",
            ),
            "notices": whole("How many messages it would have been, quiet hours regarded.", 6),
            "still_firing": flag("Whether it would fire now.", False),
            "known_percent": {
                "type": "number",
                "description": "How much of the week is known: the rest are outages of ours, or "
                "was not kept.",
                "examples": [99.8],
            },
        },
        about="What a rule would have done in the last week.",
    ),
}


def _body(name: str) -> Json:
    return {"required": True, "content": {"application/json": {"schema": ref(name)}}}


_OF_BODY: Final = refusals("BadBody", "BodyTooLarge", "UnsupportedEncoding", "BadField")
_PATHS: Final[dict[str, Json]] = {
    "/api/v1/alerts": {
        "get": operation(
            "listAlerts",
            "All alerts",
            "Everything but their secrets.",
            {**ok(ref("Alerts"), "All."), **refusals("BadParameter"), **OF_READERS},
            security=_MANAGERS,
        ),
        "post": operation(
            "createAlert",
            "Make an alert",
            "It looks at what comes from now on. The answer has its secret, once.",
            {**created(ref("AlertMade"), "It is made."), **_OF_BODY, **OF_READERS},
            security=_MANAGERS,
            body=_body("AlertWanted"),
        ),
    },
    "/api/v1/alerts/try": {
        "post": operation(
            "tryAlert",
            "Try a rule on the last week",
            "How often it would have fired, and when. Nothing is made or told.",
            {**ok(ref("AlertTrial"), "What it would have done."), **_OF_BODY, **OF_READERS},
            security=_MANAGERS,
            body=_body("AlertTried"),
        )
    },
    "/api/v1/alerts/{alert_id}": {
        "delete": operation(
            "deleteAlert",
            "End an alert",
            "With what it had to tell.",
            {
                "204": {"description": "Done.", "headers": REQUEST_ID},
                **refusals("BadParameter", "NotThere"),
                **OF_READERS,
            },
            security=_MANAGERS,
            parameters=(in_path("alert_id", _ID),),
        )
    },
}
PART: Final = Part(TAG, _PATHS, _SCHEMAS)
