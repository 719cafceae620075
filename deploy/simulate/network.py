"""What the network does to a phone. PURE: times and chances in, delays and losses out.

The policy:

- ``loss`` is the share that does not arrive. Over HTTP it is a call, which the sample never
  repeats. Over a socket it is a packet, which TCP sends again after 1, 2, 4, … s: nothing is lost,
  all that follows waits.
- With ``burst_seconds`` the same share is lost in bad stretches of that mean length (the two states
  of Gilbert and Elliott). A socket in a bad stretch neither sends nor hears: it answers no ping.
- ``latency_seconds`` is the mean of an exponential delay before each call and frame.
- ``duplicates`` and ``reordering`` are shares of calls: one more of the same comes later, or the
  call is held back while the phone goes on. TCP has neither.
- Every ``change_seconds`` on average a phone changes its network: its socket breaks. Every
  ``storm_seconds`` all sockets break at once.
- ``silent_deaths`` is the share of departures without a word, beside those of the habits.
- ``clock_error_seconds`` is how wrong a phone's clock may be. Only clients on sockets tell a time.

A phone's chances are of its own, so one seed gives the same network to the same phone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Final

from deploy.simulate.behaviour import Action, Kind
from deploy.simulate.people import Phone

#: How much later a duplicate comes, or a call that is held back: up to so many seconds.
LATER_SECONDS: Final = 10.0
#: TCP doubles its time-out from here, and we do not follow it further.
_FIRST_RETRY_SECONDS: Final = 1.0
_MOST_RETRIES: Final = 6


@dataclass(frozen=True, slots=True)
class Trouble:
    """Shares are from 0 to 1, other values seconds; 0 is none of it."""

    loss: float = 0.0
    burst_seconds: float = 0.0
    latency_seconds: float = 0.0
    duplicates: float = 0.0
    reordering: float = 0.0
    change_seconds: float = 0.0
    storm_seconds: float = 0.0
    silent_deaths: float = 0.0
    clock_error_seconds: float = 0.0


NO_TROUBLE: Final = Trouble()


class Network:
    """Of one phone. Times are seconds of one clock and come in order."""

    def __init__(self, phone: Phone, trouble: Trouble, now: float) -> None:
        self._random = Random(f"trouble of {phone.key}")  # noqa: S311 - nothing secret
        self._trouble = trouble
        self._down_until = -math.inf
        self._is_bad = False
        self._turns_at = math.inf
        if trouble.loss and trouble.burst_seconds:
            self._is_bad = self._happens(trouble.loss)
            self._turns_at = now + self._stretch()
        error = trouble.clock_error_seconds
        self.clock_error_seconds = self._random.uniform(-error, error)

    def loses_call(self, now: float) -> bool:
        """Whether a call that is made now is lost on its way there."""
        if self._trouble.burst_seconds:
            return self.down_until(now) > now
        return self._happens(self._trouble.loss)

    def down_until(self, now: float) -> float:
        """A socket neither sends nor hears before then."""
        while self._turns_at <= now:
            self._is_bad = not self._is_bad
            self._turns_at += self._stretch()
        return max(self._down_until, self._turns_at if self._is_bad else -math.inf)

    def send_packet(self, now: float) -> None:
        """A socket sends something, which may have to be sent again."""
        if self._trouble.burst_seconds:
            return
        later = 0.0
        for _ in range(_MOST_RETRIES):
            if not self._happens(self._trouble.loss):
                break
            later = later * 2 + _FIRST_RETRY_SECONDS
        if later:
            self._down_until = max(self._down_until, now + later)

    def latency_seconds(self) -> float:
        """Of one call or frame."""
        mean = self._trouble.latency_seconds
        return self._random.expovariate(1 / mean) if mean else 0.0

    def duplicate_after(self) -> float | None:
        """When the same call comes again; ``None``: it does not."""
        return self._later() if self._happens(self._trouble.duplicates) else None

    def held_back(self) -> float | None:
        """How long a call is held back while the phone goes on; ``None``: it is not."""
        return self._later() if self._happens(self._trouble.reordering) else None

    def _later(self) -> float:
        return self._random.uniform(0, LATER_SECONDS)

    def _stretch(self) -> float:
        bad, loss = self._trouble.burst_seconds, self._trouble.loss
        mean = bad if self._is_bad else bad * (1 - loss) / loss
        return self._random.expovariate(1 / mean)

    def _happens(self, share: float) -> bool:
        return share > 0 and self._random.random() < share


def disturbed(actions: Iterator[Action], phone: Phone, trouble: Trouble) -> Iterator[Action]:
    """A phone's actions, and between them the breaks of its socket by changes of the network and by
    storms. A phone without a socket has none to lose."""
    if not phone.on_socket or not (trouble.change_seconds or trouble.storm_seconds):
        yield from actions
        return
    random = Random(f"ways of {phone.key}")  # noqa: S311 - nothing secret

    def until_change() -> float:
        mean = trouble.change_seconds
        return random.expovariate(1 / mean) if mean else math.inf

    now, change_at = 0.0, until_change()
    storm_at = trouble.storm_seconds or math.inf
    for action in actions:
        acts_at = now + action.after_seconds
        while (at := min(change_at, storm_at)) < acts_at:
            yield Action(at - now, Kind.DROP, action.login, action.screen)
            now = at
            if at == change_at:
                change_at += until_change()
            else:
                storm_at += trouble.storm_seconds
        yield Action(acts_at - now, action.kind, action.login, action.screen)
        now = acts_at
