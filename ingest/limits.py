"""How much one user and all sockets together may ask of this process. PURE: asked
with ``now``, in seconds of a clock that never goes back.

1. A user sends ``user_events_per_second`` in the long run and ``user_events_burst`` at once, over
   HTTP and sockets together: far more than quick navigation makes. Logouts have a bucket of their
   own, ``user_logouts_per_second`` and ``…_burst``: one for each device at once.
2. A user has at most ``user_connections`` sockets, and all users together ``max_connections``.

How often addresses may fail to authenticate is in ``schemas/tokens/door.py``. Limits hold in each
process by itself: with several, a user may get as many times as much.
"""

from __future__ import annotations

from ingest.settings import IngestSettings
from schemas.http.token_bucket import BucketPolicy, TokenBuckets

#: Users who are not at rest: more than a process can serve in the time that a burst lasts.
MAX_USERS = 200_000


class UserLimits:
    """The events of each user."""

    def __init__(self, settings: IngestSettings) -> None:
        self._buckets = TokenBuckets(
            BucketPolicy(
                settings.user_events_per_second, settings.user_events_burst, max_keys=MAX_USERS
            )
        )

    def take(self, user: str, now: float, events: int = 1) -> float:
        """Count ``events`` of ``user``; 0.0 if they are allowed, else the seconds to wait.

        All or none: what is refused does not count. More than the burst at once is never allowed.
        """
        return self._buckets.take(user, now, events)


class LogoutLimits:
    """The distinct logouts of each user."""

    def __init__(self, settings: IngestSettings) -> None:
        self._buckets = TokenBuckets(
            BucketPolicy(
                settings.user_logouts_per_second, settings.user_logouts_burst, max_keys=MAX_USERS
            )
        )

    def take(self, user: str, now: float) -> float:
        """As :meth:`UserLimits.take`."""
        return self._buckets.take(user, now)

    def wait_seconds(self, user: str, now: float) -> float:
        """What :meth:`take` would return, without taking anything."""
        return self._buckets.wait_seconds(user, now)


class ConnectionLimits:
    """The authenticated sockets of this process."""

    def __init__(self, settings: IngestSettings) -> None:
        self._per_user = settings.user_connections
        self._in_all = settings.max_connections
        self._by_user: dict[str, int] = {}
        self._total = 0

    @property
    def total(self) -> int:
        """How many are open."""
        return self._total

    @property
    def full(self) -> bool:
        """No further socket of anybody will be let in: its handshake can be refused."""
        return self._total >= self._in_all

    def open(self, user: str) -> bool:
        """Count a socket of ``user``. ``False``: there are too many, and it was not counted."""
        of_user = self._by_user.get(user, 0)
        if of_user >= self._per_user or self.full:
            return False
        self._by_user[user] = of_user + 1
        self._total += 1
        return True

    def close(self, user: str) -> None:
        """A socket that :meth:`open` counted has ended."""
        of_user = self._by_user[user] - 1
        if of_user:
            self._by_user[user] = of_user
        else:
            del self._by_user[user]
        self._total -= 1
