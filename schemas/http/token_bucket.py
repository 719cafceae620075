"""Token buckets by key: how much a user or an address may do. PURE: asked with ``now``.

1. A bucket holds ``burst`` tokens and fills with ``per_second``. A call that wants more tokens than
   there are takes none, and gets the seconds to wait.
2. A bucket is stored as one number: the time at which it will be full again. A full bucket is the
   same as none, so it is forgotten. Each new key checks the keys that came or were checked longest
   ago: two, or until one is full again within a token, as those behind it are. So the table holds
   little more than the buckets that are not full. These are few: events a
   second, times the seconds in which a bucket gains a token.
3. At most ``max_keys`` are stored. Beyond them, of the next ``EVICTION_SAMPLE`` keys the one whose
   bucket is full soonest is forgotten. A client that invents keys to have its own forgotten only
   gets the invented ones forgotten: their buckets are fuller.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from itertools import islice
from typing import Final

EVICTION_SAMPLE: Final = 16
_LOOKED_AT_PER_NEWCOMER: Final = 2
# Of a token: what rounding may cost, so that a burst is as many as it says.
_ROUNDING_TOKENS: Final = 1e-3


@dataclass(frozen=True, slots=True)
class BucketPolicy:
    """``burst`` at once, ``per_second`` in the long run."""

    per_second: float
    burst: int
    max_keys: int = 65_536

    @property
    def seconds_per_token(self) -> float:
        return 1.0 / self.per_second


class TokenBuckets:
    """The buckets of all keys. ``now`` is in seconds of a clock that never goes back."""

    __slots__ = ("_depth_seconds", "_full_at", "_max_keys", "_rounding_seconds", "_token_seconds")

    def __init__(self, policy: BucketPolicy) -> None:
        self._token_seconds = policy.seconds_per_token
        self._depth_seconds = policy.burst * policy.seconds_per_token
        self._rounding_seconds = _ROUNDING_TOKENS * policy.seconds_per_token
        self._max_keys = policy.max_keys
        self._full_at: OrderedDict[str, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._full_at)

    def take(self, key: str, now: float, tokens: int = 1) -> float:
        """Take ``tokens``; 0.0 if they were there, else the seconds until they will be.

        More tokens than the burst are never there, however long one waits.
        """
        full_at = self._full_at.get(key)
        taken_from = now if full_at is None or full_at < now else full_at
        full_again_at = taken_from + tokens * self._token_seconds
        wait_seconds = full_again_at - now - self._depth_seconds
        if wait_seconds > self._rounding_seconds:
            return wait_seconds
        if full_at is None:
            self._make_room(now)
        self._full_at[key] = full_again_at
        return 0.0

    def wait_seconds(self, key: str, now: float) -> float:
        """What :meth:`take` of one token would return, without taking it."""
        full_at = self._full_at.get(key)
        if full_at is None:
            return 0.0
        wait_seconds = full_at + self._token_seconds - now - self._depth_seconds
        return wait_seconds if wait_seconds > self._rounding_seconds else 0.0

    def _make_room(self, now: float) -> None:
        table = self._full_at
        for _ in range(min(_LOOKED_AT_PER_NEWCOMER, len(table))):
            key = next(iter(table))
            full_at = table[key]
            if full_at <= now:
                del table[key]
            elif full_at - now > self._token_seconds:
                table.move_to_end(key)
            else:
                break
        if len(table) >= self._max_keys:
            del table[min(islice(table, EVICTION_SAMPLE), key=table.__getitem__)]
