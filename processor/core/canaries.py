"""Canaries: synthetic users whose state somebody knows, and who are in no count. PURE.

Ingest marks the events whose token carries the claim of a canary; so the issuer of tokens says who
is one, and nobody hides from a count by a name of their choice. The event that begins a user's
time online, and counts, decides: if it is marked, the user is a canary until they are offline. So
nobody moves into a count, or out of it, while they are online.

A canary has a row in ``presence``, which follows the same rules as every other one, and nothing
else: no change that is stored or published, no span, session, sum, sample, day or place among the
screens. Their events do not show that phones reach us, and none is due from them (``outage``).
"""

from __future__ import annotations

from msgspec.structs import replace

from processor.core.model import User
from schemas.log.events import ClientEvent, Disconnect


def marked(before: User | None, user: User, event: ClientEvent) -> User:
    """``user``, who was ``before`` until ``event`` counted, as the canary that it makes of them."""
    if isinstance(event, Disconnect) or (before is not None and before.online):
        return user
    return user if user.canary is event.canary else replace(user, canary=event.canary)
