"""Logouts on their way to the log: a repeat is not written again, and distinct ones are bounded.

1. A logout is urgent: its record waits for no company. So it is what a client could keep Kafka
   and the processor busy with.
2. A repeat within ``logout_fence`` (the same token, the same words about the device) is one that
   the processor ignores by rule (promise 5): it gets the answer of the first, and no record. It is
   never refused: an app that repeats its logout until it hears a 200 must hear one.
3. Distinct ones of a user have a bucket of their own, so that no heartbeat keeps anybody from
   signing out.

Each process remembers by itself; what another one took is ignored in the log.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from functools import partial
from typing import Final

import msgspec

from ingest.limits import LogoutLimits
from ingest.log.group import Acknowledgement
from ingest.log.not_taken import NotTakenError
from ingest.log.publisher import Publisher
from ingest.metrics import IngestMetrics
from ingest.settings import IngestSettings
from schemas.log.events import Logout, encode_event

#: Distinct logouts that are remembered. The earliest is forgotten first: written again, then.
MAX_REMEMBERED: Final = 50_000


class Logouts:
    """Writes them. ``clock`` gives monotonic seconds."""

    def __init__(
        self,
        settings: IngestSettings,
        publisher: Publisher,
        metrics: IngestMetrics,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fence_seconds = settings.logout_fence_seconds
        self._limits = LogoutLimits(settings)
        self._publisher = publisher
        self._repeated = metrics.logouts_repeated
        self._rate_limited = metrics.rate_limited["user_logouts"]
        self._clock = clock
        #: By digest: when each was handed over, from the earliest on, and its answer.
        self._written: dict[bytes, tuple[float, Acknowledgement]] = {}
        #: The answer of all that are in the log: of fifty thousand, one each would be megabytes.
        self._taken: Acknowledgement | None = None

    def publish(self, event: Logout) -> Acknowledgement:
        """As :meth:`Publisher.publish`. Raises :class:`NotTakenError` ``too_often`` too."""
        now = self._clock()
        key = _digest(event)
        first = self._written.get(key)
        if first is not None and self._counts(first, now):
            self._repeated.inc()
            return first[1]
        # One that Kafka did not take may be tried again as often as it takes.
        wait_seconds = 0.0 if first is not None else self._limits.wait_seconds(event.user, now)
        if wait_seconds:
            self._rate_limited.inc()
            raise NotTakenError("too_often", wait_seconds)
        answer = self._publisher.publish(event.user, encode_event(event), urgent=True)
        if first is None:
            self._limits.take(event.user, now)
        self._written.pop(key, None)
        self._written[key] = (now, answer)
        answer.add_done_callback(partial(self._settle, key))
        self._forget(now)
        return answer

    def _settle(self, key: bytes, answer: Acknowledgement) -> None:
        remembered = self._written.get(key)
        if remembered is None or remembered[1] is not answer or not answer.result():
            return
        if self._taken is None:
            self._taken = answer
        self._written[key] = (remembered[0], self._taken)

    def _counts(self, first: tuple[float, Acknowledgement], now: float) -> bool:
        written_at, answer = first
        if answer.done() and not answer.result():
            return False  # it is not known to be in the log
        # The fence runs from its log time, which is not before it was handed over.
        return now < written_at + self._fence_seconds

    def _forget(self, now: float) -> None:
        while self._written:
            key = next(iter(self._written))
            past = now >= self._written[key][0] + self._fence_seconds
            if not past and len(self._written) <= MAX_REMEMBERED:
                return
            del self._written[key]


def _digest(event: Logout) -> bytes:
    """What makes two logouts the same one: who, by which token, and the words about the device."""
    words = (
        event.user,
        event.token,
        event.device_id,
        event.claimed_device,
        event.connection,
    )
    return hashlib.blake2b(msgspec.msgpack.encode(words), digest_size=16).digest()
