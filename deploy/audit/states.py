"""What the audit's evaluator keeps of users, devices and partitions between two records. PURE.

All of it is written to the state file as it stands (msgpack): a run goes on where the last one
ended. Times are milliseconds of log time.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import msgspec

Shown = tuple[str, str | None]  # state and screen
NOTHING: Final[Shown] = ("offline", None)
RANK: Final = {"offline": 0, "background": 1, "foreground": 2}


class Finding(NamedTuple):
    """A row that the log asks for, by table; for ``left`` the user who is gone from all of them."""

    table: str
    row: Any


class Policy(msgspec.Struct, frozen=True):
    """The durations in force, as ``policies`` has them; one that came later has its older value."""

    offline_after_ms: int
    logout_fence_ms: int
    reconnect_grace_ms: int
    outage_gap_ms: int = 15_000
    outage_hold_ms: int = 900_000
    disconnect_grace_ms: int = 30_000
    client_interval_ms: int = 180_000
    background_timer_ms: int = 0
    max_screens: int = 200
    reporting_time_zone: str = "UTC"


class GaveWay(msgspec.Struct):
    """A mark that another one followed on its device, and what was shown then."""

    mark: str
    state: str
    screen: str | None
    changed: int


class Lost(msgspec.Struct):
    """The last socket is gone, and the grace after it runs until ``deadline``."""

    at: int
    silent: int
    deadline: int


class Told(NamedTuple):
    """What a phone and its user said of themselves."""

    name: str | None
    app_version: str | None
    device_info: str | None
    platform: str | None


class Device(msgspec.Struct):
    """A device of a user, with the session that runs on it."""

    device: str
    named: str | None  # what its phone calls itself, where another device has that name
    token: str
    last_active: int
    state: str = "offline"
    screen: str | None = None
    reason: str = ""
    changed: int = 0
    online_since: int = 0
    device_info: str | None = None
    app_version: str | None = None
    platform: str | None = None
    silence_deadline: int = 0
    #: Earliest deadline with which it waits in the queue; 0: it does not.
    queued: int = 0
    #: Id and until when it is remembered, least recently seen first.
    connections: list[tuple[str, int]] = []
    http_deadline: int | None = None
    lost: Lost | None = None
    signed_out: bool = False
    ended_in_foreground: bool = False
    #: Beats so far that may be a timer's which runs on, and its period; -1: it is no timer.
    timer_beats: int = -1
    timer_period: int = 0
    #: When the timer beat; 0: unknown, and in the foreground when the session began.
    timer_grid: int = 0
    gave_way: list[GaveWay] = []
    # The span and the session that run.
    span_start: int = 0
    span_is_view: bool = False
    told_before: list[tuple[int, Told]] = []
    visits: int = 0
    views: int = 0
    foreground_ms: int = 0
    entry_screen: str | None = None
    last_view: str | None = None
    #: Screen of the last visit that began, once there was one.
    visited: bool = False
    last_visit: str | None = None

    @property
    def online(self) -> bool:
        return self.state != "offline"

    @property
    def deadline(self) -> int:
        """When it goes offline if nothing more is heard of it."""
        return self.lost.deadline if self.lost is not None else self.silence_deadline

    def told(self, name: str | None) -> Told:
        return Told(name, self.app_version, self.device_info, self.platform)


class SignOut(msgspec.Struct):
    """A logout that may still keep events out."""

    token: str
    tokens: set[str]
    fence_until: int
    expires: int | None
    devices: list[str]
    spared: list[str]


class User(msgspec.Struct):
    """A user, as they show."""

    devices: dict[str, Device] = {}
    name: str | None = None
    state: str = "offline"
    screen: str | None = None
    reason: str = "logged_out"
    changed: int = 0
    online_since: int | None = None
    sign_outs: list[SignOut] = []
    #: Offset of the last record that concerned the user.
    touched: int = 0
    #: From which offset on the log tells what the tables must say; -1: it does not yet.
    known_from: int = -1
    #: Where the log is not there in full: when the user was last heard of, and by which token and
    #: name the session that counts is known.
    heard: int = -1
    known_by: tuple[str, str | None, str | None] | None = None
    #: Days since 1970 in the reporting zone.
    first_day: int | None = None
    active_day: int | None = None
    #: Synthetic: in no count, and nothing but the row is stored of them.
    canary: bool = False

    @property
    def shown(self) -> Shown:
        return self.state, self.screen


class Outage(msgspec.Struct):
    """``to`` is absent while it lasts; nobody goes offline in it before ``hold``."""

    kind: str
    start: int
    to: int | None
    hold: int


class PartitionState(msgspec.Struct):
    """A partition of the log, evaluated up to ``next_offset``."""

    partition: int
    first_offset: int
    next_offset: int
    #: It was read from its very beginning: everything that the tables say is known.
    full: bool
    began: bool = False
    #: Log time at which reading began.
    began_at: int = 0
    now: int = 0
    highest: int = 0
    users: dict[str, User] = {}
    opted_out: set[str] = set()
    erasure_fences: dict[str, int] = {}
    #: Until when whoever loses the last socket is kept, by the outages so far.
    kept_until: int = 0
    muted: Outage | None = None
    ever_heard: bool = False
    last_heard: int = 0
    last_heard_foreground: int = 0
    foreground_devices: int = 0
    foreground: int = 0
    background: int = 0
    by_screen: dict[str | None, int] = {}
    sampled_through: int = -1
    #: After a step back: instants that were sampled already.
    sampled: set[int] = set()
    outage_offset: int = -1
    step_offset: int = -1
    #: Sums of windows from ``sums_from`` on, which may still grow: by minute and screen, and by
    #: quarter-hour and the two screens.
    sums_from: int = 0
    minutes: dict[tuple[int, str], list[Any]] = {}
    transitions: dict[tuple[int, str, str], int] = {}
