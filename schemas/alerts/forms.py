"""An alert as it is made and shown, whoever does it: the API or a command."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from schemas.alerts.message import Target
from schemas.alerts.rule import AlertRule
from schemas.database.named_queries import load_queries
from schemas.managed.manager import Manager, origin
from schemas.webhooks.secret_box import SecretBox
from schemas.webhooks.signing import new_secret

#: Each minute one query looks at all of them.
MAX_ALERTS: Final = 100
NO_KEY: Final = (
    "Alerts need ROLLCALL_ENCRYPTION_KEY: set it, to the same of 32 characters or more, for the "
    "API, notify and the commands."
)
NOT_YET: Final = "Nothing can be tried yet: the processor has stored no time of the log so far."
_ID: Final = re.compile(r"al_[0-9a-f]{16}")


def queries() -> dict[str, bytes]:
    """The statements of ``queries.sql`` by name."""
    return load_queries("schemas.alerts", "queries.sql")


def is_alert_id(text: str) -> bool:
    """Whether it looks like one."""
    return _ID.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class Made:
    """``secret`` (what signs, of a webhook) is shown now and never again."""

    id: str
    address: str
    secret: str | None
    row: Mapping[str, Any]


def new_alert(rule: AlertRule, target: Target, to: str, by: Manager, box: SecretBox) -> Made:
    """What ``create`` takes; ``to`` is a URL or an e-mail address. The URL of a Slack webhook is
    itself a secret: it is kept as one."""
    alert_id = f"al_{secrets.token_hex(8)}"
    secret = new_secret() if target == "webhook" else None
    address = to
    if target == "slack":
        address = f"{origin(to)}/…"
    row = {
        "id": alert_id,
        "rule": json.dumps(rule.document),
        "target": target,
        "address": address,
        "secret": box.close(secret or to, alert_id),
        "created_by": by.created_by,
        "details": json.dumps({"target": target, "to": origin(to), "rule": rule.document}),
        **by._asdict(),
        "most": MAX_ALERTS,
    }
    return Made(alert_id, address, secret, row)


@dataclass(frozen=True, slots=True)
class Listed:
    """A row of ``list``: everything but secrets."""

    id: str
    rule: dict[str, Any]
    target: Target
    address: str
    state: dict[str, Any] | None
    created_at: datetime
    created_by: str
    previous_until: datetime | None
    waiting: int
    given_up: int
    problem: str | None
    last_fired_at: datetime | None

    @property
    def firing_since(self) -> int | None:
        """Unix seconds of log time."""
        return (self.state or {}).get("firing_since")
