"""What managers are told of product alerts."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec

from api.http.answers import Answer, count, instant, of, one_of, told
from api.periods.instants import rfc3339
from schemas.alerts.forms import Listed
from schemas.alerts.message import Target
from schemas.alerts.reading import Tried, shown_trial
from schemas.alerts.reading import instant as instant_of

_NOON: Final = "2026-03-30T12:00:00.000Z"
_AN_ID: Final = told("Of the alert.", "al_5b0c9a2f7d31e846")
TARGETS: Final = (
    '`webhook`: signed. `slack`: `{"text": …}`, unsigned. `email`: plain text, where the operator '
    "set a mail server."
)
_A_TARGET: Final = one_of(TARGETS, Target)
_AN_ADDRESS: Final = told("Of Slack no more than its host.", "https://crm.example.com/rollcall")


class AlertMade(Answer):
    id: Annotated[str, _AN_ID]
    rule: Annotated[dict[str, Any], of("AlertRule")]
    target: Annotated[Target, _A_TARGET]
    address: Annotated[str, _AN_ADDRESS]
    secret: Annotated[
        str | None,
        told("Signs; shown now and never again.", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
    ]


class Alert(Answer):
    id: Annotated[str, _AN_ID]
    rule: Annotated[dict[str, Any], of("AlertRule")]
    target: Annotated[Target, _A_TARGET]
    address: Annotated[str, _AN_ADDRESS]
    created_at: Annotated[str, instant("By PostgreSQL's clock.", _NOON)]
    created_by: Annotated[str, told("Who made it.", "admin")]
    previous_secret_until: Annotated[
        str | None, instant("Until then the secret of before signs too.", _NOON)
    ]
    firing_since: Annotated[str | None, instant("Log time; null: it does not fire.", _NOON)]
    last_told_at: Annotated[str | None, instant("Of the latest notice that it fired.", _NOON)]
    waiting: Annotated[int, count("Notices that are not delivered yet.", 0)]
    given_up: Annotated[int, count("Notices of 30 days that could not be delivered.", 0)]
    problem: Annotated[str | None, told("Of the last attempt.", "status 503")]


class Alerts(Answer):
    """Oldest first."""

    items: list[Alert]


class AlertTrial(Answer):
    """What a rule would have done in the last week."""

    since: Annotated[
        str, instant("The first point that was looked at.", "2026-03-23T12:01:00.000Z")
    ] = msgspec.field(name="from")
    to: Annotated[str, instant("The last one.", _NOON)]
    fired: Annotated[int, count("How often it would have fired.", 3)]
    fired_at: Annotated[
        list[Annotated[str, instant("When, in quiet hours too.", "2026-03-24T03:05:00.000Z")]],
        told("The latest 100."),
    ]
    notices: Annotated[int, count("How many messages it would have been, quiet hours regarded.", 6)]
    still_firing: Annotated[bool, told("Whether it would fire now.", False)]
    known_percent: Annotated[
        float,
        told("How much of the week is known: the rest are outages of ours, or was not kept.", 99.8),
    ]


def shown_tried(found: Tried) -> AlertTrial:
    """Of what a rule would have done."""
    trial = dict(shown_trial(found))
    return AlertTrial(
        since=rfc3339(trial.pop("from")),
        to=rfc3339(trial.pop("to")),
        fired_at=[rfc3339(at) for at in trial.pop("fired_at")],
        **trial,
    )


def shown(alert: Listed) -> Alert:
    """Everything but secrets."""
    firing = alert.firing_since
    return Alert(
        id=alert.id,
        rule=alert.rule,
        target=alert.target,
        address=alert.address,
        created_at=rfc3339(alert.created_at),
        created_by=alert.created_by,
        previous_secret_until=rfc3339(alert.previous_until),
        firing_since=None if firing is None else rfc3339(instant_of(firing)),
        last_told_at=rfc3339(alert.last_fired_at),
        waiting=alert.waiting,
        given_up=alert.given_up,
        problem=alert.problem,
    )
