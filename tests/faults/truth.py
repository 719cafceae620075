"""What the fleet knows of itself: what became of each event, and when each phone was there.

Times are Unix seconds of this machine. An event is known by what it says: user, version and screen,
which no two events of a phone have in common; a logout by user and token.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Final, TypeAlias

#: (user, version, screen), or (user, token, LOGOUT).
Id: TypeAlias = tuple[str, str, str]
LOGOUT: Final = "logout"
#: Log time is in whole milliseconds of the broker's clock.
SLACK_SECONDS: Final = 0.05
#: Of a phone that are remembered.
TRIES: Final = 40


@dataclass
class Spell:
    """A time in which a phone was used: from its first answer on, until it ended by itself."""

    device: str
    began_at: float
    ended_at: float | None = None
    #: When the last event was sent that was acknowledged.
    beat_at: float = 0.0
    logged_out: bool = False


@dataclass
class Truth:
    """Written by the phones, read by the judge, in threads of their own."""

    acknowledged: dict[Id, float] = field(default_factory=dict)
    attempts: Counter[Id] = field(default_factory=Counter)
    troubles: Counter[str] = field(default_factory=Counter)
    spells: dict[str, list[Spell]] = field(default_factory=dict)
    tries: dict[str, deque[str]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def tried(self, event: Id) -> None:
        with self.lock:
            self.attempts[event] += 1

    def acknowledge(self, event: Id, at: float) -> None:
        with self.lock:
            self.acknowledged.setdefault(event, at)

    def trouble(self, what: str) -> None:
        with self.lock:
            self.troubles[what] += 1

    def tell(self, device: str, began_at: float, door: str, came: str) -> None:
        """What became of an attempt, for whoever asks why a phone was shown offline."""
        with self.lock:
            tries = self.tries.setdefault(device, deque(maxlen=TRIES))
            tries.append(f"{began_at:.1f}+{time.time() - began_at:.1f} {door}: {came}")

    def tries_of(self, device: str) -> list[str]:
        with self.lock:
            return list(self.tries.get(device, ()))

    def begin(self, user: str, device: str, at: float) -> Spell:
        spell = Spell(device, at)
        with self.lock:
            self.spells.setdefault(user, []).append(spell)
        return spell

    def acknowledged_now(self) -> dict[Id, float]:
        with self.lock:
            return dict(self.acknowledged)

    def spells_of(self, user: str) -> list[Spell]:
        with self.lock:
            return list(self.spells.get(user, ()))

    def users(self) -> list[str]:
        with self.lock:
            return list(self.spells)


def falsely_offline(
    spells: list[Spell], device: str, at: float, offline_after_seconds: float, *, by_silence: bool
) -> str | None:
    """Why it was wrong to show this device offline at ``at``, or ``None``. ``by_silence``: nothing
    was heard for ``offline_after``; else its socket was lost, which a phone that ends also brings.
    """
    for spell in spells:
        if spell.device != device:
            continue
        if spell.began_at <= at and (spell.ended_at is None or at < spell.ended_at):
            return f"in use since {spell.began_at:.1f}"
        heard_until = spell.beat_at + offline_after_seconds - SLACK_SECONDS
        if by_silence and not spell.logged_out and spell.began_at <= at < heard_until:
            return f"heard of at {spell.beat_at:.1f}"
    return None
