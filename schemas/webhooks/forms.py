"""A webhook as it is made and shown, whoever does it: the API or a command."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, TypeAlias

from schemas.database.named_queries import load_queries
from schemas.managed.manager import Manager, origin
from schemas.webhooks.filter import ChangeFilter
from schemas.webhooks.secret_box import SecretBox
from schemas.webhooks.signing import new_secret

State: TypeAlias = Literal["active", "failing", "disabled"]

#: Each reads every change.
MAX_WEBHOOKS: Final = 100
#: In a list.
MAX_DEAD_LETTERS: Final = 100
#: How long the secret of before a rotation signs too.
OVERLAP_HOURS: Final = 24
MAX_OVERLAP_HOURS: Final = 24 * 7
NO_KEY: Final = (
    "Webhooks need ROLLCALL_ENCRYPTION_KEY: set it, to the same of 32 characters or more, for the "
    "API, notify and the commands."
)
#: Instead of an address: a live audience's, and as where an audience is sent.
ONESIGNAL: Final = "onesignal"
NO_ONESIGNAL: Final = (
    "goes to OneSignal, which is not set up: set ROLLCALL_ONESIGNAL_APP_ID for the API and notify"
)
_ID: Final = re.compile(r"wh_[0-9a-f]{16}")


def queries() -> dict[str, bytes]:
    """The statements of ``queries.sql`` by name."""
    return load_queries("schemas.webhooks", "queries.sql")


def is_webhook_id(text: str) -> bool:
    """Whether it looks like one."""
    return _ID.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class Made:
    """The secret is shown now and never again."""

    id: str
    secret: str
    row: Mapping[str, Any]


def new_webhook(url: str, wanted: ChangeFilter, by: Manager, box: SecretBox) -> Made:
    """What ``create`` takes."""
    webhook_id, secret = f"wh_{secrets.token_hex(8)}", new_secret()
    row = {
        "id": webhook_id,
        "url": url,
        "filter": json.dumps(wanted.document),
        "created_by": by.created_by,
        "details": json.dumps({"to": origin(url), "filter": wanted.document}),
        **by._asdict(),
        "secret": box.close(secret, webhook_id),
        "most": MAX_WEBHOOKS,
    }
    return Made(webhook_id, secret, row)


def rotated(webhook_id: str, overlap_hours: int, by: Manager, box: SecretBox) -> Made:
    """What ``rotate`` takes."""
    secret = new_secret()
    row = {
        "id": webhook_id,
        "secret": box.close(secret, webhook_id),
        "overlap_seconds": overlap_hours * 3600,
        **by._asdict(),
    }
    return Made(webhook_id, secret, row)


@dataclass(frozen=True, slots=True)
class Listed:
    """A row of ``list``: everything but secrets."""

    id: str
    url: str
    filter: dict[str, Any]
    created_at: datetime
    created_by: str
    previous_until: datetime | None
    disabled_at: datetime | None
    disabled_why: str | None
    failing_since: datetime | None
    problem: str | None
    dead_letters: int

    @property
    def state(self) -> State:
        if self.disabled_at is not None:
            return "disabled"
        return "failing" if self.failing_since is not None else "active"
