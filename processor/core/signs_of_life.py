"""Signs of life that change nothing that people look at, nor what else is remembered. PURE.

Nearly every event is one. Of its user only what :data:`CHANGED` names is stored, in narrow rows of
their own (design, section 7). The grace after an outage changes no more: it is stored with the
partition, and gives users later deadlines alone. So whatever memory holds of a user beyond their
stored row is among these fields.
"""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from processor.core.model import Timer, User

#: What a sign of life may change, of the user's only device.
CHANGED: Final = ("last_active_ms", "expires_ms", "token", "sockets", "timer")


def is_flat(user: User) -> bool:
    """Whether the columns of ``user`` say everything of their devices: of an only one, and not of
    one that others left behind, by an erasure of what is older."""
    devices = user.devices
    if len(devices) != 1:
        return False
    only = devices[0]
    return (
        not only.replaced
        and only.twin_of is None
        and only.changed_ms == user.changed_ms
        and only.online_since_ms == user.online_since_ms
        and only.reason == user.reason
    )


def only_heard(before: User, after: User) -> bool:
    """Whether all that made ``after`` of ``before`` is a sign of life."""
    if len(before.devices) != 1 or not is_flat(after):
        return False
    device = after.devices[0]
    if not device.online or not _is_timer_kept_so(before.devices[0].timer, device.timer):
        return False
    heard = replace(before.devices[0], **{name: getattr(device, name) for name in CHANGED})
    return heard == device and replace(before, devices=after.devices) == after


def _is_timer_kept_so(before: Timer | None, after: Timer | None) -> bool:
    """Does a narrow row say what ``after`` is? There nothing is no news, and whether it runs on is
    among what people look at."""
    if before == after:
        return True
    if after is None or after.runs_on:
        return False
    return before is None or not before.runs_on
