"""Networks between a phone and ingest, in virtual time. PURE: seconds in, seconds out."""

from __future__ import annotations

from random import Random
from typing import Final, Protocol

#: After the first copy of a packet the next ones come so much later (RFC 6298): doubled each time.
FIRST_RETRY_SECONDS: Final = 1.0
#: Linux gives up after 15 copies; whoever waits so long has long been shown offline.
MOST_COPIES: Final = 15


class Path(Protocol):
    """Whether what is sent at a time arrives. Asked in the order of time."""

    def carries(self, at: float) -> bool: ...


class Lossy:
    """Each packet or call is lost by itself."""

    def __init__(self, loss: float, random: Random) -> None:
        self._loss, self._random = loss, random

    def carries(self, at: float) -> bool:
        return self._random.random() >= self._loss


class Bursts:
    """Good and bad stretches of exponential length; in a bad one nothing arrives."""

    def __init__(self, loss: float, burst: float, random: Random) -> None:
        self._random = random
        self._means = {True: burst * (1 - loss) / loss, False: burst}
        self._is_good = True
        self._until = self._draw()
        #: What was decided, so that a copy may be asked for before what others send meanwhile.
        self._before: list[tuple[float, bool]] = []

    def carries(self, at: float) -> bool:
        while self._until <= at:
            self._before.append((self._until, self._is_good))
            self._is_good = not self._is_good
            self._until += self._draw()
        del self._before[:-64]
        if not self._before or self._before[-1][0] <= at:
            return self._is_good
        return next(good for until, good in self._before if at < until)

    def _draw(self) -> float:
        return self._random.expovariate(1 / self._means[self._is_good])


class Stream:
    """One direction of a TCP connection: nothing is lost, it comes late, and in its order."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._waits_until = 0.0

    def arrives(self, at: float) -> float:
        """When what is sent at a time arrives."""
        if at < self._waits_until:
            return self._waits_until
        later = 0.0
        for _ in range(MOST_COPIES):
            if self._path.carries(at + later):
                break
            later = later * 2 + FIRST_RETRY_SECONDS
        self._waits_until = at + later
        return self._waits_until
