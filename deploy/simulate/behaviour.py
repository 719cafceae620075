"""What somebody does with the app, as an endless sequence of actions. PURE, and deterministic.

- A visit begins on the first screen and goes from one to another (``deploy/simulate/screens.py``).
  While somebody stays on one, the sample's timer beats; now and then they look at another app.
- Who leaves the app mostly puts it into the background: to come back soon, or for so long that the
  system ends it. A few log out. Sometimes it ends without a word: a crash, an empty battery.
- A token is of one login. It is kept from visit to visit until the logout; the next visit then
  begins with another login. The sample keeps its observer after a logout, so that its beats with
  the old token still arrive.
- A socket may break at any time, and iPhones break it soon after the app went into the background.
- Absences are random, and shorter when the fleet is busy: a day with its evening, and two waves of
  25 and 7 minutes, so that there is something to see within any quarter of an hour.

Actions say how long after the previous one they happen, not when: whatever held one up (a server
that was away) moves all later ones.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from random import Random
from typing import Final

from deploy.simulate.people import Phone
from deploy.simulate.screens import FIRST_SCREEN, next_screen, stay_seconds

#: Those who are there from the beginning, at any hour, and how long it takes them to arrive.
THERE_FROM_THE_BEGINNING: Final = 0.33
ARRIVAL_SECONDS: Final = 15.0
#: Between two visits, at the busiest time.
MEAN_ABSENCE_SECONDS: Final = 420.0
INTERRUPTED_STAYS: Final = 0.05
BROKEN_SOCKETS: Final = 0.005
#: How somebody leaves the app.
LEAVING: Final = {"for a moment": 40, "for long": 42, "logs out": 11, "ends without a word": 7}
#: A sample that was logged out: the app goes into the background, and comes back.
AFTERTHOUGHT: Final = 0.6
SECOND_AFTERTHOUGHT: Final = 0.3

_DAY_SECONDS: Final = 86_400
_BUSIEST_HOUR_UTC: Final = 19


class Kind(Enum):
    """What can happen to a phone."""

    START = "start"
    SHOW = "show"
    BEAT = "beat"
    BACKGROUND = "background"
    RESUME = "resume"
    #: The connection breaks, the app goes on.
    DROP = "drop"
    LOG_OUT = "log out"
    #: The sample's beats with the token of a login that has ended.
    LATE_BACKGROUND = "late background"
    LATE_RESUME = "late resume"
    #: The app ends without a word.
    DIE = "die"


class State(Enum):
    """What a phone is doing."""

    AWAY = "away"
    FOREGROUND = "foreground"
    BACKGROUND = "background"


#: The state after an action of a kind; those that are not here leave it as it was.
STATES: Final = {
    Kind.START: State.FOREGROUND,
    Kind.RESUME: State.FOREGROUND,
    Kind.BACKGROUND: State.BACKGROUND,
    Kind.LOG_OUT: State.AWAY,
    Kind.DIE: State.AWAY,
}


@dataclass(frozen=True, slots=True)
class Action:
    """``after_seconds`` the one before. ``login`` counts the logins of this phone: each has a token
    of its own. ``screen`` is the one that is shown, or would be."""

    after_seconds: float
    kind: Kind
    login: int
    screen: str


def activity(at_seconds: float) -> float:
    """How busy the fleet is at a Unix time: 1 at its busiest, never below a quarter."""
    hour = at_seconds % _DAY_SECONDS / 3600
    day = 0.75 + 0.25 * math.cos((hour - _BUSIEST_HOUR_UTC) * math.tau / 24)
    waves = 0.2 * math.sin(at_seconds * math.tau / 1500) + 0.1 * math.sin(
        at_seconds * math.tau / 420
    )
    return day * (1 + waves) / 1.3


def life(phone: Phone, begins_at_seconds: float, silent_deaths: float = 0.0) -> Iterator[Action]:
    """All that happens to a phone from a Unix time on; without an end. ``silent_deaths`` is the
    share of departures that say nothing, beside those that do so anyway."""
    return _Life(phone, begins_at_seconds, silent_deaths).actions()


class _Life:
    """The state behind :func:`life`: clock, login, screen and the timer's next beat."""

    def __init__(self, phone: Phone, begins_at_seconds: float, silent_deaths: float) -> None:
        self._silent_deaths = silent_deaths
        self._random = Random(f"life of {phone.key}")  # noqa: S311 - nothing secret
        self._phone = phone
        self._now = begins_at_seconds
        self._acted_at = begins_at_seconds
        self._login = 0
        self._screen = FIRST_SCREEN
        self._next_beat = math.inf

    def actions(self) -> Iterator[Action]:
        if self._happens(THERE_FROM_THE_BEGINNING):
            self._now += self._random.uniform(0, ARRIVAL_SECONDS)
        else:
            self._stay_away()
        while True:
            yield from self._visit()
            self._stay_away()

    def _visit(self) -> Iterator[Action]:
        self._screen = FIRST_SCREEN
        yield self._act(Kind.START)
        self._start_timer()
        while True:
            yield from self._stay(stay_seconds(self._screen, self._random))
            screen = next_screen(self._screen, self._random)
            if screen is not None:
                self._screen = screen
                yield self._act(Kind.SHOW)
                continue
            [how] = self._random.choices([*LEAVING], [*LEAVING.values()])
            if self._silent_deaths and self._happens(self._silent_deaths):
                how = "ends without a word"
            if how == "for a moment":
                yield from self._look_away()
            elif how == "for long":
                yield from self._put_away()
                return
            elif how == "logs out":
                yield from self._log_out()
                return
            else:
                yield self._act(Kind.DIE)
                return

    def _stay(self, seconds: float) -> Iterator[Action]:
        if self._happens(INTERRUPTED_STAYS):
            yield from self._watch(seconds / 2)
            yield from self._look_away()
            seconds /= 2
        elif self._phone.on_socket and self._happens(BROKEN_SOCKETS):
            yield from self._watch(seconds / 2)
            yield self._act(Kind.DROP)
            seconds /= 2
        yield from self._watch(seconds)

    def _watch(self, seconds: float) -> Iterator[Action]:
        until = self._now + seconds
        while self._next_beat < until:
            self._now = self._next_beat
            self._start_timer()
            yield self._act(Kind.BEAT)
        self._now = until

    def _look_away(self) -> Iterator[Action]:
        yield self._act(Kind.BACKGROUND)
        seconds = min(240.0, self._about(25))
        suspended_after = self._random.uniform(5, 15)
        if (
            self._phone.on_socket
            and not self._phone.device.keeps_sockets
            and seconds > suspended_after
        ):
            self._now += suspended_after
            yield self._act(Kind.DROP)
            seconds -= suspended_after
        self._now += seconds
        yield self._act(Kind.RESUME)
        self._start_timer()

    def _put_away(self) -> Iterator[Action]:
        yield self._act(Kind.BACKGROUND)
        self._now += self._about(200 if self._phone.device.keeps_sockets else 15)
        yield self._act(Kind.DIE)

    def _log_out(self) -> Iterator[Action]:
        yield self._act(Kind.LOG_OUT)
        if not self._phone.on_socket and self._happens(AFTERTHOUGHT):
            self._now += self._about(4)
            yield self._act(Kind.LATE_BACKGROUND)
            if self._happens(SECOND_AFTERTHOUGHT):
                self._now += self._about(60)
                yield self._act(Kind.LATE_RESUME)
        self._login += 1

    def _stay_away(self) -> None:
        """Arrivals at the busiest rate, of which those in quieter times do not happen."""
        self._next_beat = math.inf
        while True:
            self._now += self._random.expovariate(1 / MEAN_ABSENCE_SECONDS)
            if self._happens(activity(self._now)):
                return

    def _start_timer(self) -> None:
        timer_seconds = self._phone.app.timer_seconds
        self._next_beat = math.inf if timer_seconds is None else self._now + timer_seconds

    def _act(self, kind: Kind) -> Action:
        after_seconds = self._now - self._acted_at
        self._acted_at = self._now
        return Action(after_seconds, kind, self._login, self._screen)

    def _about(self, median_seconds: float) -> float:
        return median_seconds * self._random.lognormvariate(0.0, 0.8)

    def _happens(self, share: float) -> bool:
        return self._random.random() < share
