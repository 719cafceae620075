"""The ``data`` of the feed's events. PURE.

A ``snapshot`` has every section and the latest changes, a ``delta`` the sections that are other
than before; :mod:`api.feed.events` puts them together.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal, TypeAlias

from msgspec import UNSET, UnsetType

from api.analytics.answers.over_time import Peaks
from api.http.answers import Answer, AsOf, MembersAway, Stale, count, instant, one_of, told
from api.http.words import AppVersion, OutageKind, Platform
from api.presence.answers import WindowSeconds
from schemas.log.changes import Reason, State

OutagePhase: TypeAlias = Literal["lasting", "grace"]

_INSTANT: Final = "2026-03-30T12:00:00.412Z"
_Screen: TypeAlias = str | None


class FeedFreshness(Answer):
    """How good the state is."""

    as_of: AsOf
    stale: Stale
    age_seconds: Annotated[float | None, told("`read_at` less `as_of`, in seconds.", 0.4)]
    read_at: Annotated[str, instant("By PostgreSQL's clock.", _INSTANT)]
    window_seconds: WindowSeconds
    stale_after_seconds: Annotated[
        float, told("The age of `as_of` above which it is stale.", 10, exclusiveMinimum=0)
    ]
    interval_seconds: Annotated[float, told("How often the state is read.", 1, exclusiveMinimum=0)]
    members_away: MembersAway = UNSET


_Online: TypeAlias = Annotated[int, count("Users who are online.", 1283)]
_Foreground: TypeAlias = Annotated[int, count("With the app in front.", 1031)]
_Background: TypeAlias = Annotated[int, count("With the app in the background.", 252)]


class FeedOnline(Answer):
    count: _Online
    foreground: _Foreground
    background: _Background


class FeedFleet(Answer):
    """`online` at the moment of `screens` and `mix`, which add up to it."""

    as_of: AsOf
    count: _Online
    foreground: _Foreground
    background: _Background


class FeedOutage(Answer):
    """What keeps users online who are not heard of; `null`: nothing does."""

    phase: Annotated[OutagePhase, one_of("Phones cannot reach us; or they can again.", OutagePhase)]
    kind: Annotated[OutageKind | None, one_of("As in concurrency's `gaps`.", OutageKind)]
    started_at: Annotated[str | None, instant("When it began.", _INSTANT)]
    ended_at: Annotated[str | None, instant("`null` while it lasts.", _INSTANT)]
    held_until: Annotated[
        str | None, instant("Before it nobody who was online then goes offline.", _INSTANT)
    ]


class FeedMovement(Answer):
    """Of users in the last minute."""

    seconds: Annotated[int, count("What is counted so far, a minute at most.", 60, maximum=60)]
    arrivals: Annotated[int, count("Users who came online.", 41)]
    departures: Annotated[int, count("Users who went offline.", 38)]
    estimated: Annotated[bool, told("There were too many to count.", False)]


class FeedScreen(Answer):
    screen: Annotated[str | None, told("The screen; `null`: none named.", "Cart")]
    foreground: Annotated[int, count("Users in the foreground there.", 412, minimum=1)]


class FeedScreens(Answer):
    as_of: AsOf
    items: Annotated[list[FeedScreen], told("The 20 fullest.", maxItems=20)]
    foreground: Annotated[int, count("Users in the foreground.", 1031)]
    screens: Annotated[int, count("Screens in all.", 18)]


class FeedValue(Answer):
    value: Annotated[str | None, told("`null`: unknown; `(other)`: all others.", "1.10.0")]
    users: Annotated[int, count("Users online who have it.", 1000)]
    timers_run_on: Annotated[
        int, count("Devices online whose app's timer runs on in the background.", 3)
    ]


class FeedMix(Answer):
    as_of: AsOf
    app_version: Annotated[list[FeedValue], told("Users online by version: the 8 most frequent.")]
    platform: Annotated[list[FeedValue], told("Users online by platform: the 8 most frequent.")]


class FeedChange(Answer):
    """A change of a device's state or screen."""

    at: Annotated[str, instant("When it happened.", "2026-03-30T11:58:02.114Z")]
    user_id: Annotated[str, told("Whose.", "ada")]
    name: Annotated[str | None, told("The user's name.", "Ada Lovelace")]
    device: Annotated[str, told("The device's key.", "phone-1")]
    reason: Annotated[Reason, one_of("Why.", Reason)]
    previous_state: Annotated[State, one_of("The device's state before.", State)]
    state: Annotated[State, one_of("The device's state after.", State)]
    previous_screen: Annotated[_Screen, told("The device's screen before.", "Cart")]
    screen: Annotated[_Screen, told("The device's screen after.", "Cart")]
    user_state: Annotated[State, one_of("The user's state after.", State)]
    user_screen: Annotated[_Screen, told("The user's screen after.", "Cart")]
    previous_user_state: Annotated[
        State | None,
        one_of("The user's state before; `null`: no change of a day before is kept.", State),
    ]
    previous_user_screen: Annotated[_Screen, told("The user's screen before.", "Cart")]
    app_version: AppVersion
    platform: Platform


class FeedChanges(Answer):
    """At most 20 a second, 50 in a snapshot."""

    items: Annotated[list[FeedChange], told("Oldest first.")]
    total: Annotated[int, count("How many there were.", 7)]
    sampled: Annotated[bool, told("`items` are not all.", False)]


_Anyone: TypeAlias = Annotated[bool, told("Whether any user is known, online or not.", True)]


class FeedSnapshot(Answer):
    """The `data` of an event `snapshot`."""

    freshness: FeedFreshness
    online: FeedOnline
    anyone: _Anyone
    outage: FeedOutage | None
    movement: FeedMovement | None
    fleet: FeedFleet | None
    screens: FeedScreens | None
    mix: FeedMix | None
    peaks: Peaks | None
    changes: FeedChanges


class FeedDelta(Answer, kw_only=True):
    """The `data` of an event `delta`: the sections that are other than before."""

    freshness: FeedFreshness | UnsetType = UNSET
    online: FeedOnline | UnsetType = UNSET
    anyone: _Anyone | UnsetType = UNSET
    outage: FeedOutage | UnsetType | None = UNSET
    movement: FeedMovement | UnsetType | None = UNSET
    fleet: FeedFleet | UnsetType | None = UNSET
    screens: FeedScreens | UnsetType | None = UNSET
    mix: FeedMix | UnsetType | None = UNSET
    peaks: Peaks | UnsetType | None = UNSET
    changes: FeedChanges


class FeedTrouble(Answer):
    """The `data` of an event `trouble`."""

    detail: Annotated[str, told("Why there is no new state.", "PostgreSQL does not answer.")]
