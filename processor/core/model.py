"""The state that presence is made of: frozen, so that an event which fails leaves no trace.

All times are Unix milliseconds of log time (design, section 2).
"""

from __future__ import annotations

import sys
from typing import Final

import msgspec

from schemas.log.changes import Reason, State

MAX_DEVICES: Final = 16
MAX_CONNECTIONS: Final = 8
MAX_SIGN_OUTS: Final = 16
MAX_TOLD: Final = 16
MAX_REPLACED: Final = 4
DEFAULT_DEVICE: Final = "default"

#: From worst to best; a user has the best state of their devices.
STATE_RANK: Final[dict[State, int]] = {"offline": 0, "background": 1, "foreground": 2}


class Policy(msgspec.Struct, frozen=True):
    """The durations that presence is a function of. Stored with each partition (promise 4); a
    field that came later has the value that held before it was stored."""

    offline_after_ms: int
    logout_fence_ms: int
    reconnect_grace_ms: int
    outage_gap_ms: int = 15_000
    outage_hold_ms: int = 900_000
    disconnect_grace_ms: int = 30_000
    max_screens: int = 200
    reporting_time_zone: str = "UTC"
    client_interval_ms: int = 180_000
    #: 0: whatever comes from a device in the background is a person (``processor/core/timers.py``).
    background_timer_ms: int = 0


class Connection(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A socket that is open as far as the log tells, until ``forgotten_ms`` if nothing more is
    heard of it."""

    id: str
    forgotten_ms: int


class Lost(msgspec.Struct, frozen=True, gc=False):
    """The last socket is gone, and the grace after it runs: ``expires_ms`` of the device is its
    end. ``at_ms`` is the disconnect, ``silent_ms`` the silence before it, ``silence_expires_ms``
    the deadline that the device has without the grace."""

    at_ms: int
    silent_ms: int
    silence_expires_ms: int


class Sockets(msgspec.Struct, frozen=True, gc=False):
    """What a device knows of its sockets in this session. ``connections`` are ordered from the one
    least recently seen; ``http_expires_ms`` is the deadline that the last HTTP heartbeat gives."""

    connections: tuple[Connection, ...] = ()
    http_expires_ms: int | None = None
    lost: Lost | None = None


class Told(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What was known of a phone and its user until ``until_ms``, when they told something else."""

    until_ms: int
    name: str | None
    app_version: str | None
    device_info: str | None
    platform: str | None


class Stay(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What an online device remembers of its session, for
    ``processor/core/analytics/spans_and_sessions.py``: when its present span began and whether that
    is a view; of the spans before it how many were views (this one included) and visits, their time
    in the foreground, and the screen of the first view. And what it reported earlier in the present
    span, the oldest first (16 at most)."""

    since_ms: int
    is_view: bool = False
    views: int = 0
    visits: int = 0
    foreground_ms: int = 0
    entry_screen: str | None = None
    told_before: tuple[Told, ...] = ()


class Timer(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What the beats since a device was last in the background look like
    (``processor/core/timers.py``). ``beats`` counts to 3; after one ``period_ms`` is how long it
    took to come. ``runs_on``: these are a timer's, and nothing tells of a person. ``beat_ms`` is
    when the timer beat, where the policy knows its period; in the foreground 0 is the beginning of
    the session."""

    beats: int = 0
    period_ms: int = 0
    runs_on: bool = False
    beat_ms: int = 0


class Replaced(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A mark that gave way to another one on a device (``processor/core/twins.py``): a token, or a
    ``device_info``; and what the device showed then, since when."""

    mark: str
    state: State
    screen: str | None
    changed_ms: int


class Device(msgspec.Struct, frozen=True, gc=False):
    """One device of a user. ``expires_ms`` counts only while it is online, and an offline device
    has no screen. ``token`` is the identity of the last token seen with it. ``sockets`` is
    ``None`` where this session has been heard of over HTTP alone; ``ended_in_foreground`` is of
    the last session, while offline. ``twin_of`` is the ``device_info`` by which alone the device
    is known, if that is not its name; ``replaced`` are the tokens that gave way on it in this
    session, the oldest first. ``timer`` is ``None`` where nothing tells of one that runs on in the
    background."""

    device: str
    state: State
    reason: Reason
    changed_ms: int
    last_active_ms: int
    expires_ms: int
    online_since_ms: int | None = None
    screen: str | None = None
    app_version: str | None = None
    device_info: str | None = None
    platform: str | None = None
    token: str | None = None
    signed_out: bool = False
    sockets: Sockets | None = None
    ended_in_foreground: bool = False
    stay: Stay | None = None
    twin_of: str | None = None
    replaced: tuple[Replaced, ...] = ()
    timer: Timer | None = None

    @property
    def online(self) -> bool:
        return self.state != "offline"


class SignOut(msgspec.Struct, frozen=True, gc=False):
    """A logout as long as it matters (promise 5).

    Until ``fence_until_ms`` events with one of ``tokens`` are ignored unless they are of a device
    in ``spared``; until ``expires_ms`` (``None``: for ever) ``token`` alone needs evidence to open
    a session on one of ``devices``.
    """

    token: str
    fence_until_ms: int
    expires_ms: int | None
    tokens: tuple[str, ...]
    devices: tuple[str, ...]
    spared: tuple[str, ...]

    def alive(self, now_ms: int) -> bool:
        return now_ms < self.fence_until_ms or self.expires_ms is None or now_ms < self.expires_ms

    def fences(self, token: str, now_ms: int) -> bool:
        return now_ms < self.fence_until_ms and token in self.tokens


class User(msgspec.Struct, frozen=True, gc=False):
    """A user and their devices, ordered as they were first seen. ``changed_ms`` and ``reason`` are
    of the last change of what :func:`visible_device` shows. ``first_day`` and ``active_day`` are
    the first and the last day of the reporting zone (days since 1970-01-01) on which the user was
    in the foreground. A ``canary`` is in no count (``processor/core/canaries.py``)."""

    user_id: str
    state: State
    reason: Reason
    changed_ms: int
    name: str | None = None
    screen: str | None = None
    online_since_ms: int | None = None
    devices: tuple[Device, ...] = ()
    sign_outs: tuple[SignOut, ...] = ()
    first_day: int | None = None
    active_day: int | None = None
    canary: bool = False

    @property
    def online(self) -> bool:
        return self.state != "offline"


class Changed(msgspec.Struct, frozen=True, gc=False):
    """A device's state or screen changed; what :class:`schemas.log.changes.Change` is made of.
    ``connections`` are the sockets that this signed out. What the user showed before is published,
    and not stored."""

    at_ms: int
    user_id: str
    device: str
    reason: Reason
    previous_state: State
    state: State
    previous_screen: str | None
    screen: str | None
    user_state: State
    user_screen: str | None
    app_version: str | None
    platform: str | None
    connections: tuple[str, ...] = ()
    previous_user_state: State | None = None
    previous_user_screen: str | None = None


def shared(text: str | None) -> str | None:
    """One object for a text that many users have: a screen, a version, a phone's name."""
    return None if text is None else sys.intern(text)


def visible_device(devices: tuple[Device, ...]) -> Device | None:
    """The device whose state and screen are the user's: of those in the best state the one that
    changed last, on a tie the smaller name (design, section 2)."""
    if len(devices) == 1:
        return devices[0]
    best: Device | None = None
    for device in devices:
        if best is None or _shows_before(device, best):
            best = device
    return best


def _shows_before(one: Device, other: Device) -> bool:
    if one.state != other.state:
        return STATE_RANK[one.state] > STATE_RANK[other.state]
    if one.changed_ms != other.changed_ms:
        return one.changed_ms > other.changed_ms
    return one.device < other.device


def next_expiry_ms(user: User) -> int | None:
    """When the first of the user's online devices goes offline; ``None`` without one."""
    if len(user.devices) == 1:
        device = user.devices[0]
        return device.expires_ms if device.state != "offline" else None
    return min((d.expires_ms for d in user.devices if d.state != "offline"), default=None)
