"""Deliveries of audiences as the API and the command have them."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID, uuid4

from schemas.database.named_queries import load_queries
from schemas.managed.manager import Manager

#: On their way at a time: each has the ids of its users here.
MAX_RUNNING: Final = 100
#: In a list.
MAX_SHOWN: Final = 100
#: So long after it failed its users who were not sent are kept, and it can be resumed.
RESUMABLE_HOURS: Final = 24
#: And so long after it was made, however often it is: whom it names is not kept for good.
RESUMABLE_IN_ALL_HOURS: Final = 48
TOO_MANY: Final = f"has to wait: {MAX_RUNNING} deliveries are on their way, cancel some"
NOT_RESUMABLE: Final = (
    f"is of none that failed in the last {RESUMABLE_HOURS} hours, and was made in the last "
    f"{RESUMABLE_IN_ALL_HOURS}: send anew"
)
NO_DESTINATION: Final = (
    "its webhook is gone or disabled: enable it (rollcall webhooks enable), or send a new one"
)


def queries() -> dict[str, bytes]:
    """The statements of ``queries.sql`` by name."""
    return load_queries("schemas.deliveries", "queries.sql")


def asked(delivery: UUID | None) -> dict[str, Any]:
    """What ``deliveries`` takes; ``None``: the latest."""
    return {"id": delivery, "most": MAX_SHOWN, **_hours()}


def resumption(delivery: UUID, by: Manager) -> dict[str, Any]:
    """What ``resume`` takes."""
    return {"id": delivery, "audit": uuid4(), **_hours(), **by._asdict()}


def _hours() -> dict[str, int]:
    return {"hours": RESUMABLE_HOURS, "in_all_hours": RESUMABLE_IN_ALL_HOURS}
