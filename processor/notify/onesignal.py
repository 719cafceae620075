"""OneSignal's create-message call, as its reference has it: who is told what. PURE but for sending.

``POST /notifications`` with ``Authorization: Key …``: ``include_aliases.external_id`` takes up to
20,000 of the ids that the app gives to OneSignal when somebody logs in, and ``target_channel`` says
that it is a push. One ``idempotency_key``, a UUID, is one message for 30 days, however often it is
asked for. A 429 says by ``Retry-After`` when to come again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final
from uuid import UUID

import msgspec

from processor.notify.pace import Pace
from processor.notify.sender import Attempt, Sender
from schemas.webhooks.push import Push

MOST_USERS: Final = 20_000
NOT_SET_UP: Final = (
    "OneSignal is not set up: give notify ROLLCALL_ONESIGNAL_APP_ID and ROLLCALL_ONESIGNAL_API_KEY"
)
#: What a request like it gets too: the key, the app or the message is wrong.
_FINAL: Final = frozenset(range(400, 500)) - {408, 409, 425, 429}


def message_of(
    app_id: str, push: Push, user_ids: Sequence[str], key: UUID, name: str | None = None
) -> bytes:
    """The body. ``name`` is for whoever looks into OneSignal."""
    said: dict[str, Any] = {
        "app_id": app_id,
        "target_channel": "push",
        "include_aliases": {"external_id": list(user_ids)},
        "idempotency_key": str(key),
    }
    if name is not None:
        said["name"] = name
    if push.template_id is not None:
        said["template_id"] = push.template_id
    if push.text is not None:
        # English is what everybody gets for whom there is no other.
        said["contents"] = {"en": push.text}
    if push.title is not None:
        said["headings"] = {"en": push.title}
    return msgspec.json.encode(said)


class OneSignal:
    """One app of theirs, by the REST key of the app."""

    def __init__(self, app_id: str, api_key: str, url: str, pace: Pace) -> None:
        self.app_id = app_id
        self._headers = {"Authorization": f"Key {api_key}"}
        self._url = url.rstrip("/") + "/notifications"
        self._pace = pace

    async def send(self, sender: Sender, body: bytes) -> Attempt:
        """As soon as there is a turn. ``gone``: asking again is of no use."""
        await self._pace.turn()
        attempt = await sender.post(self._url, body, self._headers)
        if attempt.status in _FINAL:
            problem = f"OneSignal refuses it: status {attempt.status}"
            return replace(attempt, outcome="gone", problem=problem)
        return attempt
