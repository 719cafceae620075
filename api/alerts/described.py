"""Product alerts: made, tried, shown and ended."""

from __future__ import annotations

from dataclasses import replace
from typing import Final, get_args

from api.alerts.answers import TARGETS, AlertMade, Alerts, AlertTrial
from api.http.answers import schemas_of
from api.http.call import MANAGERS, Call
from api.http.parameters import Parameter
from api.managed.receiver import URL_FIELD
from api.managed.rotation import ROTATION, SecretRotated
from schemas.alerts.address import ADDRESS_PATTERN, MAX_ADDRESS, check_email
from schemas.alerts.message import Target
from schemas.alerts.rule import (
    RULE_FIELDS,
    parse_rule,
)
from schemas.bodies.body import object_body
from schemas.bodies.fields import Field, schema_of, word_field
from schemas.openapi.answers import REQUEST_ID, created, ok
from schemas.openapi.forms import (
    Json,
    ref,
    text,
)

TAG: Final = {
    "name": "Alerts",
    "description": "You are told when a number moves, by a signed webhook, by Slack or by e-mail. "
    "Rules are looked at as log time goes on; an outage of ours is a gap, no drop. Without "
    "`ROLLCALL_ENCRYPTION_KEY` none can be made: a `503` that says so.",
}
_ID: Final = text("Of the alert.", "al_5b0c9a2f7d31e846")
SCHEMAS: Final[dict[str, Json]] = {
    "AlertRule": schema_of(RULE_FIELDS),
    **schemas_of(AlertMade, Alerts, AlertTrial, SecretRotated),
}
_EXAMPLE: Final = '{"rule": {"name": "Few people", "of": "online", "is": "below", "value": 100}}'
_RULE: Final = Field(ref("AlertRule"), parse_rule, "is missing: say what is looked at")
_WANTED: Final = object_body(
    "AlertWanted",
    {
        "rule": _RULE,
        "target": word_field(
            TARGETS,
            get_args(Target),
            default="webhook",
        ),
        "url": replace(URL_FIELD, missing=""),
        "email": Field(
            text(
                "Of the target `email`, which has no `url`.",
                "ops@example.com",
                minLength=3,
                maxLength=MAX_ADDRESS,
                pattern=ADDRESS_PATTERN,
            ),
            check_email,
        ),
    },
    example=_EXAMPLE,
    max_bytes=16_384,
)
_TRIED: Final = object_body("AlertTried", {"rule": _RULE}, example=_EXAMPLE, max_bytes=16_384)
LIST_ALERTS: Final = Call(
    "GET",
    "/api/v1/alerts",
    "alerts",
    TAG,
    operation="listAlerts",
    summary="All alerts",
    about="Everything but their secrets.",
    answers=ok(ref("Alerts"), "All."),
    may=MANAGERS,
)
CREATE_ALERT: Final = Call(
    "POST",
    "/api/v1/alerts",
    "alerts",
    TAG,
    operation="createAlert",
    summary="Make an alert",
    about="It looks at what comes from now on. The answer has its secret, once.",
    answers=created(ref("AlertMade"), "It is made."),
    may=MANAGERS,
    body=_WANTED,
)
TRY_ALERT: Final = Call(
    "POST",
    "/api/v1/alerts/try",
    "alert_try",
    TAG,
    operation="tryAlert",
    summary="Try a rule on the last week",
    about="How often it would have fired, and when. Nothing is made or told.",
    answers=ok(ref("AlertTrial"), "What it would have done."),
    may=MANAGERS,
    body=_TRIED,
)
DELETE_ALERT: Final = Call(
    "DELETE",
    "/api/v1/alerts/{alert_id}",
    "alert",
    TAG,
    operation="deleteAlert",
    summary="End an alert",
    about="With what it had to tell.",
    answers={"204": {"description": "Done.", "headers": REQUEST_ID}},
    may=MANAGERS,
    parameters=(Parameter("alert_id", _ID, place="path"),),
    refuses=("NotThere",),
)
ROTATE_ALERT_SECRET: Final = Call(
    "POST",
    "/api/v1/alerts/{alert_id}/rotate",
    "alert_rotate",
    TAG,
    operation="rotateAlertSecret",
    summary="Another secret",
    about="Of an alert that tells a signed webhook. Both sign for a while, so that the receiver "
    "changes when it likes.",
    answers=ok(ref("SecretRotated"), "It signs from now on."),
    may=MANAGERS,
    parameters=(Parameter("alert_id", _ID, place="path"),),
    body=ROTATION,
    refuses=("NotThere",),
)
CALLS: Final = (
    LIST_ALERTS,
    CREATE_ALERT,
    TRY_ALERT,
    DELETE_ALERT,
    ROTATE_ALERT_SECRET,
)
