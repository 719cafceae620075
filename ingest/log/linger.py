"""How long a record waits for company. PURE.

A record costs Kafka and the processor about the same whether it holds one event or a hundred, so
under load waiting is cheap for all; with one event at a time it is only latency. What the last
record gathered tells which of the two it is (design, section 5):

1. One event alone: waiting gathered nobody; wait half as long, down to ``min_seconds``.
2. Fewer than ``target_events``: waiting pays; wait longer in proportion, at most twice as long.
3. More: the next one may go sooner, in proportion.
4. Never longer than ``max_seconds``, nor so long that wait and acknowledgement together exceed
   ``budget_seconds``: then a slow Kafka is what gathers the events.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LingerPolicy:
    """Bounds of the wait. ``budget_seconds`` keeps the accept p99 below 100 ms."""

    min_seconds: float = 0.002
    max_seconds: float = 0.06
    budget_seconds: float = 0.08
    target_events: int = 100


class Linger:
    """The wait of one partition: ask ``seconds``, then tell what the record gathered."""

    __slots__ = ("_policy", "seconds")

    def __init__(self, policy: LingerPolicy) -> None:
        self._policy = policy
        self.seconds = min(policy.min_seconds, policy.max_seconds)

    def gathered(self, events: int, ack_seconds: float) -> None:
        """The last record held ``events`` and was acknowledged after ``ack_seconds``."""
        policy = self._policy
        factor = 0.5 if events <= 1 else min(2.0, policy.target_events / events)
        longest = min(policy.max_seconds, policy.budget_seconds - ack_seconds)
        shortest = min(policy.min_seconds, policy.max_seconds)
        self.seconds = max(shortest, min(longest, self.seconds * factor))
