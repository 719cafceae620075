"""How long a record waits for company. PURE.

A record costs Kafka and the processor about the same whether it holds one event or a hundred, so
waiting is cheap for all where others come; with one event at a time it is only latency. How many
came of late tells which of the two it is (design, section 5):

1. Where fewer than one event is to be expected within ``max_seconds``, an event waits
   ``min_seconds``.
2. Where at least ``worthwhile_events`` are, it waits ``max_seconds``; in between, in proportion.
3. Where ``target_events`` come sooner than that, it waits for about so many.
4. Never so long that wait and acknowledgement together exceed ``budget_seconds``: then a slow Kafka
   is what gathers the events.

What came is a rate over about ``memory_seconds``. The last record alone would not do: one that
waits two milliseconds is alone at two hundred events a second too, and would never learn of them.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LingerPolicy:
    """Bounds of the wait. ``budget_seconds`` keeps the accept p99 below 100 ms."""

    min_seconds: float = 0.002
    max_seconds: float = 0.06
    budget_seconds: float = 0.08
    worthwhile_events: float = 3.0
    target_events: int = 100
    memory_seconds: float = 0.25


class Linger:
    """The wait of one partition: ask ``seconds``, then tell what the record gathered."""

    __slots__ = ("_per_second", "_policy", "seconds")

    def __init__(self, policy: LingerPolicy) -> None:
        self._policy = policy
        self._per_second = 0.0
        self.seconds = min(policy.min_seconds, policy.max_seconds)

    def gathered(self, events: int, within_seconds: float, ack_seconds: float) -> None:
        """The last record held ``events``, left ``within_seconds`` after the one before it, and was
        acknowledged after ``ack_seconds``."""
        policy = self._policy
        # Of one instant: as in a burst, of which nothing is known yet.
        within_seconds = max(within_seconds, policy.min_seconds)
        share = within_seconds / (within_seconds + policy.memory_seconds)
        self._per_second += share * (events / within_seconds - self._per_second)
        expected = self._per_second * policy.max_seconds
        pays = min(1.0, max(0.0, (expected - 1.0) / (policy.worthwhile_events - 1.0)))
        longest = min(policy.max_seconds, policy.budget_seconds - ack_seconds)
        if self._per_second:
            longest = min(longest, policy.target_events / self._per_second)
        shortest = min(policy.min_seconds, policy.max_seconds)
        self.seconds = max(shortest, min(longest, pays * policy.max_seconds))
