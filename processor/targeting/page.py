"""One page of an audience: its ids, its bytes, and what an attempt means for it. PURE.

1. A page has the same ids and bytes whoever sends it and how often: both are made of what is stored
   of it alone. Only who has opted out or was erased is taken out of it, for good.
2. What is refused for what it is, by OneSignal, or by a receiver that says that it is gone, ends
   the delivery. Everything else is tried again, with pauses as webhooks have them.
3. A delivery that is older than ``give_up_seconds``, since it was made or resumed, and cannot go on
   ends. So no list of users stays here longer than that and the days in which it may be resumed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal, TypeAlias
from uuid import UUID, uuid5

from processor.notify.onesignal import message_of
from processor.notify.sender import Attempt
from schemas.webhooks.forms import ONESIGNAL
from schemas.webhooks.message import audience_body
from schemas.webhooks.push import Push

Kind: TypeAlias = Literal["onesignal", "webhook"]
Next: TypeAlias = Literal["go_on", "again", "end"]


@dataclass(frozen=True, slots=True)
class Page:
    """The next one of a delivery that this process holds. ``number`` is from 0."""

    delivery: UUID
    destination: str
    name: str
    push: dict[str, Any] | None
    as_of: datetime
    created_at: datetime
    pages: int
    number: int
    attempts: int
    user_ids: list[str]
    cancel_wanted: bool

    @property
    def kind(self) -> Kind:
        return "onesignal" if self.destination == ONESIGNAL else "webhook"

    @property
    def message_id(self) -> str:
        return f"msg_{self.delivery.hex}_{self.number}"

    def message(self) -> bytes:
        """For a webhook."""
        return audience_body(
            delivery=str(self.delivery),
            name=self.name,
            page=self.number + 1,
            pages=self.pages,
            push=self.push,
            user_ids=self.user_ids,
            at=self.as_of.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        )

    def for_onesignal(self, app_id: str) -> bytes:
        """Its key is of the delivery and the page."""
        key = uuid5(self.delivery, str(self.number))
        return message_of(app_id, Push(**(self.push or {})), self.user_ids, key, self.name)


def what_next(attempt: Attempt, page: Page, now: datetime, give_up_seconds: float) -> Next:
    """After an attempt."""
    if attempt.outcome == "delivered":
        return "go_on"
    if attempt.outcome == "gone":
        return "end"
    is_old = now >= page.created_at + timedelta(seconds=give_up_seconds)
    return "end" if is_old else "again"


#: To end what this process cannot send at all.
NO_WEBHOOK: Final = "the webhook was deleted or is disabled"
