"""How often to ping whose sockets. PURE.

Some gateways end connections that were silent for some time (20 s and up). Such a one cuts a socket
before its first ping and without a close frame, or takes that ping and gives no answer; it does the
same to the next socket. So two such losses in a row, after the same silence, are taken for a
time-out: the user's next sockets are pinged well within it. A phone in a tunnel is lost after any
silence, and seldom before it answered a ping.
"""

from __future__ import annotations

from typing import Final

#: Of the time after which a connection was lost, a ping comes at this share of it.
SHARE: Final = 0.6
#: Seconds by which two silences may differ and still be one time-out.
SAME_SECONDS: Final = 2.0
#: Seconds between pings at least: more would cost phones more than coming back does.
LEAST_SECONDS: Final = 5.0
#: Who was lost longest ago is forgotten first.
MAX_USERS: Final = 20_000


class PingIntervals:
    """The seconds of silence after which each user's new sockets are pinged."""

    def __init__(self, usual_seconds: float) -> None:
        self._usual_seconds = usual_seconds
        #: By user: the silence before the last loss, and the interval that follows from two.
        self._lost: dict[str, tuple[float, float]] = {}

    def of(self, user: str) -> float:
        """For a socket that ``user`` opens now."""
        return self._lost.get(user, (0.0, self._usual_seconds))[1]

    def lost_silently(self, user: str, silent_seconds: float) -> None:
        """A socket of ``user`` that had answered no ping was lost, without a close frame."""
        last, interval = self._lost.pop(user, (None, self._usual_seconds))
        if last is not None and abs(last - silent_seconds) <= SAME_SECONDS:
            interval = min(interval, max(LEAST_SECONDS, round(SHARE * min(last, silent_seconds))))
        self._lost[user] = (silent_seconds, interval)
        if len(self._lost) > MAX_USERS:
            del self._lost[next(iter(self._lost))]
