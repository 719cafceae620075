"""What is told of an alert: a sentence, and the bodies of messages. PURE."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import Any, Final, Literal

from schemas.alerts.evaluate import Notice
from schemas.alerts.rule import AlertRule

Target = Literal["webhook", "slack", "email"]
TYPE: Final = "presence.alert"
MAX_TEXT: Final = 200
MAX_SUBJECT: Final = 150


def notice_id(alert_id: str, notice: Notice) -> str:
    """The same whoever finds it, and however often."""
    digest = hashlib.sha256(f"{alert_id}:{notice.at}:{notice.kind}".encode()).hexdigest()
    return f"msg_{digest[:24]}"


def sentence(rule: AlertRule, notice: Notice) -> str:
    """Such as ``Few people: users online are 7, below 10, since 12:05 (UTC)``."""
    what = _measured(rule)
    value, limit = _number(notice.value), _number(notice.limit)
    side = "above" if rule.above else "below"
    since = datetime.fromtimestamp(notice.since, UTC).strftime("%Y-%m-%d %H:%M UTC")
    if notice.kind == "recovered":
        return f"{rule.name}: over. {what} {value} (limit {limit}); began {since}"
    again = "still " if notice.kind == "repeated" else ""
    return f"{rule.name}: {what} {value}, {again}{side} {_held_against(rule)}{limit}; since {since}"


def note_text(rule: AlertRule, notice: Notice) -> str:
    """What a chart says where it fired."""
    side = "above" if rule.above else "below"
    value, limit = _number(notice.value), _number(notice.limit)
    said = f"{_measured(rule)} {value}, {side} {_held_against(rule)}{limit}"
    return f"{rule.name}: {said}"[:MAX_TEXT]


def body(target: Target, alert_id: str, rule: AlertRule, notice: Notice) -> bytes:
    """The bytes of a message."""
    text = sentence(rule, notice)
    if target == "slack":
        # Slack's markup: a name may hold none of its own.
        safe = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        return _json({"text": safe})
    if target == "email":
        # Of what the mail is made, the same at each attempt: processor/alerts/mail.py.
        return _json({"subject": text[:MAX_SUBJECT], "text": text, "at": notice.at})
    told = {
        "alert": {"id": alert_id, **rule.document},
        "kind": notice.kind,
        "at": rfc3339(notice.at),
        "since": rfc3339(notice.since),
        "value": notice.value,
        "limit": notice.limit,
        "text": text,
    }
    return _json({"type": TYPE, "timestamp": rfc3339(notice.at), "data": told})


def rfc3339(at: int) -> str:
    """Unix seconds as Rollcall writes instants."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def _measured(rule: AlertRule) -> str:
    if rule.of == "online":
        return "users online"
    if rule.of == "screen":
        return f"users on {rule.screen}"
    if rule.of == "version_share":
        return f"% of sessions with version {rule.app_version}:"
    where = f" on {rule.screen}" if rule.screen is not None else ""
    return f"{rule.of}{where} in 15 minutes"


def _held_against(rule: AlertRule) -> str:
    return {
        "number": "",
        "yesterday": f"yesterday's {'+' if rule.above else '-'}{rule.value:g} %: ",
        "last_week": f"last week's {'+' if rule.above else '-'}{rule.value:g} %: ",
        "band": "its band: ",
        "peak": "the highest so far: ",
    }[rule.than]


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else f"{value:,.1f}"


def _json(document: dict[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
