"""The app that simulated people use: a shop. PURE.

Every screen has a row: how long people stay on it, where they go from it, and how often they leave
the app there. Weights of a row are relative to each other. Times on a screen are log-normal, as
they are in real apps: most short, a few very long.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Final

FIRST_SCREEN: Final = "Home"
#: Nobody navigates faster; a person who stays longer has put the phone down.
SHORTEST_STAY_SECONDS: Final = 1.0
LONGEST_STAY_SECONDS: Final = 900.0


@dataclass(frozen=True, slots=True)
class Screen:
    """``spread`` is the standard deviation of the logarithm of a stay: 1 puts 95 % of stays below
    five times the median. ``leave`` is weighed against the sum of ``to``."""

    median_seconds: float
    spread: float
    to: Mapping[str, float]
    leave: float


SHOP: Final[Mapping[str, Screen]] = {
    "Home": Screen(
        7,
        0.9,
        {"Search": 28, "Category": 22, "Offers": 14, "Product": 12, "Cart": 5, "Orders": 6}
        | {"Profile": 4},
        leave=9,
    ),
    "Search": Screen(11, 0.7, {"Product": 62, "Category": 10, "Home": 14}, leave=14),
    "Category": Screen(14, 0.8, {"Product": 60, "Category filter": 14, "Home": 14}, leave=12),
    "Category filter": Screen(9, 0.6, {"Category": 92}, leave=8),
    "Offers": Screen(12, 0.8, {"Product": 58, "Home": 26}, leave=16),
    "Product": Screen(
        22, 1.0, {"Reviews": 14, "Cart": 20, "Search": 18, "Category": 18, "Home": 12}, leave=18
    ),
    "Reviews": Screen(26, 0.9, {"Product": 88}, leave=12),
    "Cart": Screen(13, 0.8, {"Checkout": 42, "Product": 22, "Home": 16}, leave=20),
    "Checkout": Screen(38, 0.7, {"Payment": 68, "Cart": 20}, leave=12),
    "Payment": Screen(31, 0.7, {"Order placed": 82, "Checkout": 12}, leave=6),
    "Order placed": Screen(6, 0.5, {"Home": 40, "Orders": 28}, leave=32),
    "Orders": Screen(9, 0.7, {"Order tracking": 58, "Home": 24}, leave=18),
    "Order tracking": Screen(8, 0.8, {"Orders": 34, "Home": 26}, leave=40),
    "Profile": Screen(10, 0.7, {"Settings": 34, "Orders": 22, "Home": 30}, leave=14),
    "Settings": Screen(15, 0.8, {"Profile": 60, "Home": 22}, leave=18),
}


def stay_seconds(screen: str, random: Random) -> float:
    """How long somebody looks at a screen before they do something else."""
    row = SHOP[screen]
    drawn = row.median_seconds * random.lognormvariate(0.0, row.spread)
    return min(LONGEST_STAY_SECONDS, max(SHORTEST_STAY_SECONDS, drawn))


def next_screen(screen: str, random: Random) -> str | None:
    """Where they go from there; ``None``: they leave the app."""
    row = SHOP[screen]
    [chosen] = random.choices([*row.to, None], [*row.to.values(), row.leave])
    return chosen
