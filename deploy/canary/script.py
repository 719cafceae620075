"""What a canary does with its app, over and over, and what is then true of it. PURE.

1. It opens the app on the first screen, and stays longer than ``offline_after``: whoever is not
   heard of falls out here.
2. It goes to another screen, into the background, and comes back to where it was.
3. It leaves: each other time by a logout, else without a word, and is away until nothing may show
   it any more.

Over HTTP it beats with its interval while it is in the foreground, as the sample's timer does; a
socket needs no beats.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from deploy.simulate.behaviour import Kind

State: TypeAlias = Literal["foreground", "background", "offline"]
#: What changes in the life of a canary.
Change: TypeAlias = Literal["arrival", "screen", "background", "return", "logout", "death"]
FIRST_SCREEN: Final = "Canary one"
SECOND_SCREEN: Final = "Canary two"


@dataclass(frozen=True, slots=True)
class Truth:
    """What is true of a canary; ``screen`` is ``None`` while it is offline."""

    state: State
    screen: str | None


AWAY: Final = Truth("offline", None)


@dataclass(frozen=True, slots=True)
class Pace:
    """In seconds. ``window`` is ``offline_after``; ``settle`` is what is granted to a change."""

    interval: float
    window: float
    settle: float


@dataclass(frozen=True, slots=True)
class Step:
    """``after_seconds`` the one before. ``change`` is ``None`` for a beat, after which ``truth`` is
    what it was."""

    after_seconds: float
    kind: Kind
    screen: str
    truth: Truth
    change: Change | None = None


def life(pace: Pace, *, on_socket: bool) -> Iterator[Step]:
    """The steps of a canary, without end."""
    one = Truth("foreground", FIRST_SCREEN)
    two = Truth("foreground", SECOND_SCREEN)
    wait = 0.0
    while True:
        for kind, away_seconds in ((Kind.LOG_OUT, pace.interval), (Kind.DIE, pace.window)):
            yield Step(wait, Kind.START, FIRST_SCREEN, one, "arrival")
            stay = pace.window + pace.interval
            left = yield from _beats(stay, pace, one, on_socket=on_socket)
            yield Step(left, Kind.SHOW, SECOND_SCREEN, two, "screen")
            left = yield from _beats(2 * pace.interval, pace, two, on_socket=on_socket)
            behind = Truth("background", SECOND_SCREEN)
            yield Step(left, Kind.BACKGROUND, SECOND_SCREEN, behind, "background")
            yield Step(pace.interval, Kind.RESUME, SECOND_SCREEN, two, "return")
            left = yield from _beats(pace.interval, pace, two, on_socket=on_socket)
            how: Change = "logout" if kind is Kind.LOG_OUT else "death"
            yield Step(left, kind, SECOND_SCREEN, AWAY, how)
            # Until it may not be shown any more, and for a while in which it must not.
            wait = away_seconds + 4 * pace.settle


def _beats(
    seconds: float, pace: Pace, truth: Truth, *, on_socket: bool
) -> Generator[Step, None, float]:
    """Beats for so long; gives how long after the last one that is over."""
    if on_socket or truth.screen is None:
        return seconds
    while seconds > pace.interval:
        seconds -= pace.interval
        yield Step(pace.interval, Kind.BEAT, truth.screen, truth)
    return seconds
