"""The guide's app in the background, in virtual time: what two rules show of it. PURE.

People are the simulator's (``deploy/simulate/behaviour.py``), all with the guide's app: its timer
begins with the app, beats every two minutes (three in the oldest version), and is stopped by the
logout alone. What becomes of it while nobody looks is the system's (:data:`SYSTEMS`):

- *ends*: the app goes on for some seconds, then it is ended. Who comes back starts it anew;
- *freezes*: the app stands still 5 to 15 s after the pause. On return the beat that was missed
  comes beside the resume. In half of the absences the phone sleeps for a part of them, and its
  clock with it: the timer's grid is later by that from then on;
- *runs*: the app goes on as if it was seen, for two hours on average, and is ended;
- *slows*: it goes on for one to ten minutes; then the phone sleeps, and lets it beat now and then,
  a quarter of an hour apart on average, late, and never on its grid.

A beat leaves up to half a second late, a call takes 0.2 s on average, and 1 % come twice.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from random import Random
from typing import Final

from deploy.simulate.behaviour import Action, Kind, life
from deploy.simulate.people import Phone, phones
from processor.core.effects import Effects, Record
from processor.core.model import Policy
from processor.core.partition import Partition
from schemas.log.events import ClientEvent, Event, Heartbeat, Logout, Tick
from tests.bench.accuracy.measure import BEGINS_MS

#: The shares of systems that are assumed, unless told otherwise.
SYSTEMS: Final = {"ends": 0.2, "freezes": 0.5, "runs": 0.15, "slows": 0.15}
TICK_SECONDS: Final = 5.0
RUNS_ON_SECONDS: Final = 7_200.0
WINDOW_SECONDS: Final = 900.0
SURVIVES_FROZEN: Final = 0.6
SLEEPS: Final = 0.5
_RECORDS_OF_A_BATCH: Final = 1_000
LATENCY_SECONDS: Final = 0.2
DUPLICATES: Final = 0.01

FOREGROUND, PAUSED, GONE = "foreground", "paused", "gone"
#: When something begins to hold, in seconds, and what.
Course = list[tuple[float, str]]


@dataclass
class Lived:
    """What a phone sent, as it arrives, and what was true of it meanwhile."""

    user: str
    truth: Course = field(default_factory=lambda: [(0.0, GONE)])
    arrives: list[tuple[float, ClientEvent]] = field(default_factory=list)


class _App:
    """The guide's app on one phone."""

    def __init__(self, phone: Phone, system: str, loss: float, random: Random) -> None:
        self.lived = Lived(phone.user)
        self._phone, self._system, self._loss, self._random = phone, system, loss, random
        self._period = phone.app.timer_seconds or 120.0
        self._login = 0
        self._runs = False
        self._next_beat = 0.0
        self._paused_at: float | None = None
        self._ends_at = 0.0
        self._awake_until = 0.0

    def act(self, now: float, action: Action) -> None:
        """The timer up to now, then the action."""
        self._beat_until(now)
        match action.kind:
            case Kind.START | Kind.RESUME:
                self._comes(now, action.login)
            case Kind.SHOW:
                self._say(now, action.screen)
            case Kind.BACKGROUND:
                self._pause(now)
            case Kind.LOG_OUT:
                self._send(now, Logout(user=self._phone.user, token=self._token))
                self._runs = False
                self._is(now, GONE)
            case Kind.LATE_BACKGROUND:
                self._say(now, "background")
            case Kind.LATE_RESUME:
                self._say(now, "Unknown")
            case Kind.DIE if self._paused_at is None:
                self._runs = False
                self._is(now, GONE)
            case Kind.DIE if self._system == "ends":
                self._runs = False
            case _:
                pass

    @property
    def _token(self) -> str:
        return f"{self._phone.key} {self._login}"

    def _comes(self, now: float, login: int) -> None:
        if self._system == "freezes" and self._paused_at is not None:
            self._thaw(now)
        self._paused_at = None
        if not self._runs or login != self._login:
            self._login, self._runs = login, True
            self._next_beat = now + self._period
        self._say(now, "Unknown")
        self._is(now, FOREGROUND)

    def _pause(self, now: float) -> None:
        self._say(now, "background")
        self._is(now, PAUSED)
        self._paused_at = now
        self._awake_until = now + self._random.uniform(5, 15)
        if self._system == "slows":
            self._awake_until = now + self._random.uniform(60, 600)
        self._ends_at = now + self._random.expovariate(1 / RUNS_ON_SECONDS)

    def _thaw(self, now: float) -> None:
        """What happened while the app stood still, as it notices."""
        assert self._paused_at is not None
        away = now - self._awake_until
        if away > 300 and self._random.random() >= SURVIVES_FROZEN:
            self._runs = False
        if self._runs and away > 0:
            if self._random.random() < SLEEPS:
                self._next_beat += self._random.uniform(0, away)
            if self._next_beat < now:
                self._say(now + self._random.uniform(0, 0.5), "Unknown")
                self._next_beat += self._period * (1 + (now - self._next_beat) // self._period)

    def _beat_until(self, now: float) -> None:
        while self._runs and self._next_beat < now:
            at = self._next_beat
            if self._paused_at is not None:
                if self._system == "freezes" and at > self._awake_until:
                    return
                if self._system in ("runs", "slows") and at > self._ends_at:
                    self._runs = False
                    return
                if self._system == "slows" and at > self._awake_until:
                    self._next_beat = at + self._random.expovariate(1 / WINDOW_SECONDS)
                    self._say(self._next_beat, "Unknown")
                    self._next_beat += self._period
                    continue
            self._next_beat += self._period
            self._say(at + self._random.uniform(0, 0.5), "Unknown")

    def _say(self, at: float, screen: str) -> None:
        self._send(
            at,
            Heartbeat(
                user=self._phone.user,
                token=self._token,
                device_info=self._phone.device.text,
                app_version=self._phone.app.version,
                screen=screen,
            ),
        )

    def _send(self, at: float, event: ClientEvent) -> None:
        for _ in range(1 + (self._random.random() < DUPLICATES)):
            if self._random.random() >= self._loss:
                arrives = at + self._random.expovariate(1 / LATENCY_SECONDS)
                self.lived.arrives.append((arrives, event))

    def _is(self, at: float, what: str) -> None:
        self.lived.truth.append((at, what))


def lives(
    users: int, hours: float, loss: float, systems: Mapping[str, float], seed: int
) -> list[Lived]:
    """What so many phones, one a person, live through."""
    found = []
    for phone in phones(users, 0.0, seed):
        if not phone.key.endswith("/0"):
            continue
        random = Random(f"background {phone.key} {loss} {sorted(systems.items())}")
        [system] = random.choices([*systems], [*systems.values()])
        app, now = _App(phone, system, loss, random), 0.0
        for action in life(phone, BEGINS_MS / 1000):
            now += action.after_seconds
            if now >= hours * 3600:
                break
            app.act(now, action)
        app.lived.arrives.sort(key=lambda each: each[0])
        found.append(app.lived)
    return found


@dataclass(frozen=True, slots=True)
class Shown:
    """Seconds by what is true and what is shown, and episodes of what is false. ``marked``: seconds
    that are shown in the foreground with a mark, by what is true."""

    seconds: Counter[tuple[str, str]]
    episodes: Counter[tuple[str, str]]
    marked: Counter[str]
    hours: float

    def minutes(self, true: str, shown: str) -> float:
        """In 1,000 phone-hours."""
        return self.seconds[true, shown] / 60 / self.hours * 1000

    def times(self, true: str, shown: str) -> float:
        """In 1,000 phone-hours."""
        return self.episodes[true, shown] / self.hours * 1000

    @property
    def wrong_minutes(self) -> float:
        """All that was false, in 1,000 phone-hours."""
        return (
            self.minutes(FOREGROUND, "offline")
            + self.minutes(FOREGROUND, "background")
            + self.minutes(PAUSED, "foreground")
        )


def shown_of(fleet: Sequence[Lived], hours: float, policy: Policy) -> Shown:
    """What the core shows of the fleet under the policy."""
    partition = Partition(0, 1, policy, next_offset=0)
    courses: dict[str, Course] = {lived.user: [(0.0, "offline")] for lived in fleet}
    marks: dict[str, Course] = {lived.user: [(0.0, "")] for lived in fleet}
    effects = Effects()
    for number, (at, events) in enumerate(_records(fleet, hours * 3600), 1):
        record = Record(partition.next_offset, BEGINS_MS + round(at * 1000), events)
        partition.apply(record, effects)
        for logged in effects.changes:
            changed = logged.changed
            seconds = (changed.at_ms - BEGINS_MS) / 1000
            courses[changed.user_id].append((seconds, changed.user_state))
        effects.changes.clear()
        if number % _RECORDS_OF_A_BATCH == 0:
            effects = Effects()
        for event in events:
            if isinstance(event, Heartbeat) and event.user in partition.users:
                devices = partition.users[event.user].devices
                is_marked = any(d.timer is not None and d.timer.runs_on for d in devices)
                marks[event.user].append((at, "marked" if is_marked else ""))
    shown = Shown(Counter(), Counter(), Counter(), len(fleet) * hours)
    for lived in fleet:
        _compare(lived.truth, courses[lived.user], marks[lived.user], hours * 3600, shown)
    return shown


def _records(fleet: Sequence[Lived], end: float) -> Iterator[tuple[float, tuple[Event, ...]]]:
    calls = heapq.merge(*(lived.arrives for lived in fleet), key=lambda each: each[0])
    next_tick = 0.0
    for at, event in calls:
        while next_tick <= min(at, end):
            yield next_tick, (Tick(),)
            next_tick += TICK_SECONDS
        if at >= end:
            return
        yield at, (event,)


def _compare(truth: Course, shown: Course, marks: Course, end: float, into: Shown) -> None:
    """Add up what was true and shown at the same time."""
    turns = sorted({at for course in (truth, shown, marks) for at, _ in course if at < end} | {end})
    places = [0, 0, 0]
    courses = (truth, shown, marks)
    last = None
    for at, until in pairwise(turns):
        for number, course in enumerate(courses):
            while places[number] + 1 < len(course) and course[places[number] + 1][0] <= at:
                places[number] += 1
        true, seen, marked = (c[p][1] for c, p in zip(courses, places, strict=True))
        into.seconds[true, seen] += until - at  # type: ignore[assignment]
        if seen == "foreground" and marked:
            into.marked[true] += until - at  # type: ignore[assignment]
        # Shorter than the way of a call is none.
        if (true, seen) != last and until - at > 5:
            into.episodes[true, seen] += 1
            last = true, seen
