"""Samples of how many users are online, at fixed instants of log time. PURE.

At every multiple of 10 seconds the users by state are written down, at every whole minute those in
the foreground by screen: as they are after all records and expiries up to that instant, so when the
first record with a later time comes. In an outage nothing is known, and nothing is written. Where
log time stepped back and passes an instant again, the first sample of it stands.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from processor.core.analytics.screen_names import MINUTE_MS, NO_SCREEN, OTHER_SCREENS, OUR_NAMES

SAMPLE_MS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Sample:
    """Users by state at an instant; ``screens`` only at whole minutes."""

    at_ms: int
    foreground: int
    background: int
    screens: tuple[tuple[str, int], ...] = ()


def instants(log_time_ms: int | None, next_ms: int) -> Iterator[int]:
    """The instants that are over when log time goes on to ``next_ms``."""
    if log_time_ms is None:
        return iter(())
    first_ms = -(-log_time_ms // SAMPLE_MS) * SAMPLE_MS
    return iter(range(first_ms, next_ms, SAMPLE_MS))


def first_samples(samples: Iterable[Sample]) -> Iterable[Sample]:
    """An instant that log time passes again keeps what was written down first."""
    first: dict[int, Sample] = {}
    for one in samples:
        first.setdefault(one.at_ms, one)
    return first.values()


def sample(
    at_ms: int,
    foreground: int,
    background: int,
    by_screen: Counter[str | None],
    max_screens: int,
) -> Sample:
    """What to write down at ``at_ms``. Of more than ``max_screens`` named screens those with fewest
    users are ``(other)``, of those alike the greater names; so is one that has a name of ours."""
    if at_ms % MINUTE_MS:
        return Sample(at_ms, foreground, background)
    totals: Counter[str] = Counter()
    named: list[tuple[int, str]] = []
    for screen, users in by_screen.items():
        if screen is None:
            totals[NO_SCREEN] += users
        elif screen in OUR_NAMES:
            totals[OTHER_SCREENS] += users
        else:
            named.append((-users, screen))
    for place, (less_users, screen) in enumerate(sorted(named)):
        totals[screen if place < max_screens else OTHER_SCREENS] -= less_users
    return Sample(at_ms, foreground, background, tuple(sorted(totals.items())))
