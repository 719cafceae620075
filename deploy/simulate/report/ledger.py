"""What is true of each user beside what is shown of them, instant by instant. PURE.

The policy:

- The truth is the simulator's: what somebody's phones do. A user has the best state of their
  phones, and the screen of the one in that state that changed last (design, section 2). What is
  shown is what a client of the API last saw. Times are one clock's, in seconds, and come in order.
- **False offline** is time in which somebody is in the foreground and shown offline. It is *not yet
  seen* from an arrival until they are first shown, and *dropped* after that: an episode each.
- **False online** is time in which somebody is away and shown online. Silence has a price that the
  rule states: until ``window_seconds`` after a departure that was no logout it is *within the
  rule*, as are the first ``SLACK_SECONDS`` (a batch, a poll). What goes on is *beyond the rule*: an
  episode.
- **False foreground** is time in the background that is shown in the foreground.
- A change is **detected** when what is shown first agrees. One that another change overtook before
  was *unseen*.
- **Dwell** is time in the foreground by screen, the true one beside the shown one.
- Nobody is judged before their first action. Memory is a few numbers a user, and some hundred
  classes of durations.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple, TypeAlias

from deploy.simulate.behaviour import State
from deploy.simulate.report.durations import Durations

#: What a batch, the API's cache and a poll may take until a told departure is seen.
SLACK_SECONDS: Final = 5.0
Leaving: TypeAlias = Literal["logged out", "closed its socket", "without a word"]
What: TypeAlias = Literal[
    "arrival",
    "screen change",
    "to the background",
    "back to the foreground",
    "departure, logged out",
    "departure, closed its socket",
    "departure, without a word",
]
_DEPARTURES: Final[Mapping[Leaving, What]] = {
    "logged out": "departure, logged out",
    "closed its socket": "departure, closed its socket",
    "without a word": "departure, without a word",
}
_RANK: Final = {State.AWAY: 0, State.BACKGROUND: 1, State.FOREGROUND: 2}


class Shown(NamedTuple):
    """What the API shows of a user."""

    state: Literal["foreground", "background", "offline"]
    screen: str | None


OFFLINE: Final = Shown("offline", None)


class _Expected(NamedTuple):
    """A change that is not shown yet."""

    what: What
    since: float
    state: str
    screen: str | None

    def is_met(self, shown: Shown) -> bool:
        if self.state == "online":
            return shown.state != "offline"
        return shown.state == self.state and self.screen in (None, shown.screen)


@dataclass(slots=True)
class _User:
    """``phones`` by key: state, screen, and when that changed. All sums are up to ``at``."""

    at: float
    phones: dict[str, tuple[State, str, float]] = field(default_factory=dict)
    state: State = State.AWAY
    screen: str = ""
    shown: Shown = OFFLINE
    #: Shown online in this visit already.
    seen: bool = False
    #: Until when an online user who is away is so by the rule.
    ruled_until: float = 0.0
    is_dropped: bool = False
    is_beyond: bool = False
    presence: _Expected | None = None
    sight: _Expected | None = None


@dataclass(slots=True)
class Sums:
    """User-seconds and episodes; ``by_states`` are user-seconds by the true and the shown state."""

    by_states: dict[tuple[State, str], float] = field(default_factory=lambda: defaultdict(float))
    not_yet_seen: float = 0.0
    dropped: float = 0.0
    dropped_episodes: int = 0
    within_rule: float = 0.0
    beyond_rule: float = 0.0
    beyond_rule_episodes: int = 0
    true_dwell: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    shown_dwell: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    detected: dict[What, Durations] = field(default_factory=lambda: defaultdict(Durations))
    unseen: dict[What, int] = field(default_factory=lambda: defaultdict(int))


class Ledger:
    """``window_seconds``: after so much silence a user is offline by the rule (the public count
    tells it)."""

    def __init__(self, window_seconds: float) -> None:
        self.window_seconds = window_seconds
        self.sums = Sums()
        #: Users who are online in truth.
        self.online = 0
        self._users: dict[str, _User] = {}

    def __contains__(self, user: str) -> bool:
        return user in self._users

    def __len__(self) -> int:
        return len(self._users)

    def happened(
        self, user: str, phone: str, at: float, state: State, screen: str, leaving: Leaving
    ) -> None:
        """A phone of the user is in a state, on a screen; ``leaving`` counts if it went away."""
        of = self._users.setdefault(user, _User(at))
        self._advance(of, at)
        before = of.phones.get(phone)
        if before is None or before[:2] != (state, screen):
            of.phones[phone] = (state, screen, at)
        best = max(of.phones.values(), key=lambda each: (_RANK[each[0]], each[2]))
        self._turn(of, at, best[0], best[1], leaving)

    def shows(self, at: float, online: Mapping[str, Shown]) -> None:
        """Everybody whom the list shows at a time; all others are shown offline."""
        for user, of in self._users.items():
            shown = online.get(user, OFFLINE)
            if shown != of.shown:
                self._advance(of, at)
                of.shown = shown
                self._see(of, at)

    def close(self, at: float) -> Sums:
        """All sums up to a time."""
        for of in self._users.values():
            self._advance(of, at)
        return self.sums

    def _turn(self, of: _User, at: float, state: State, screen: str, leaving: Leaving) -> None:
        was, was_on = of.state, of.screen
        of.state, of.screen = state, screen
        self.online += (state is not State.AWAY) - (was is not State.AWAY)
        if was is not State.AWAY and state is State.AWAY:
            of.ruled_until = at + SLACK_SECONDS
            if leaving != "logged out":
                of.ruled_until += self.window_seconds
            self._expect(of, _Expected(_DEPARTURES[leaving], at, "offline", None))
            self._look_for(of, None)
        elif was is State.AWAY and state is not State.AWAY:
            of.seen = False
            self._expect(of, _Expected("arrival", at, "online", None))
        if state is State.FOREGROUND:
            what: What | None = "back to the foreground" if was is State.BACKGROUND else None
            if was is State.FOREGROUND and screen != was_on:
                what = "screen change"
            if what is not None:
                self._look_for(of, _Expected(what, at, "foreground", screen))
        elif state is State.BACKGROUND and was is State.FOREGROUND:
            self._look_for(of, _Expected("to the background", at, "background", None))
        self._see(of, at)

    def _expect(self, of: _User, expected: _Expected) -> None:
        if of.presence is not None:
            self.sums.unseen[of.presence.what] += 1
        of.presence = expected

    def _look_for(self, of: _User, expected: _Expected | None) -> None:
        if of.sight is not None:
            self.sums.unseen[of.sight.what] += 1
        of.sight = expected

    def _see(self, of: _User, at: float) -> None:
        """What is shown, or true, is another thing now."""
        if of.presence is not None and of.presence.is_met(of.shown):
            # Who was still shown as they came back was seen at no time.
            if at > of.presence.since:
                self.sums.detected[of.presence.what].add(at - of.presence.since)
            of.presence = None
        if of.sight is not None and of.sight.is_met(of.shown):
            if at > of.sight.since:
                self.sums.detected[of.sight.what].add(at - of.sight.since)
            of.sight = None
        is_online = of.shown.state != "offline"
        of.seen = of.seen or (is_online and of.state is not State.AWAY)
        is_dropped = of.state is State.FOREGROUND and not is_online and of.seen
        self.sums.dropped_episodes += is_dropped and not of.is_dropped
        of.is_dropped = is_dropped
        if of.state is not State.AWAY or not is_online:
            of.is_beyond = False

    def _advance(self, of: _User, at: float) -> None:
        """The time since the last look is what that look showed."""
        seconds, began = at - of.at, of.at
        of.at = at
        if seconds <= 0:
            return
        sums, shown = self.sums, of.shown
        sums.by_states[of.state, shown.state] += seconds
        if of.state is State.FOREGROUND:
            sums.true_dwell[of.screen] += seconds
            if shown.state == "offline":
                if of.seen:
                    sums.dropped += seconds
                else:
                    sums.not_yet_seen += seconds
        if shown.state == "foreground":
            sums.shown_dwell[shown.screen or "(none)"] += seconds
        if of.state is State.AWAY and shown.state != "offline":
            within = min(seconds, max(0.0, of.ruled_until - began))
            sums.within_rule += within
            if within < seconds:
                sums.beyond_rule += seconds - within
                sums.beyond_rule_episodes += not of.is_beyond
                of.is_beyond = True
