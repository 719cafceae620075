"""Brokers, of which one alone is the whole of Kafka, and one of three is not."""

from __future__ import annotations

import time
from typing import Final

from tests.faults.brokers import THREE
from tests.faults.kinds import Round, told
from tests.faults.kinds.processes import kill_and_freeze
from tests.faults.names import KAFKA

#: How long after the end of two brokers an answer may still come for what both had by then.
ANSWER_SECONDS: Final = 1.0


def two_away(round_: Round) -> None:
    """Two of three brokers are killed, and away for 6 to 12 s: no event is accepted meanwhile."""
    stack = round_.stack
    away = round_.chance.sample(stack.brokers, 2)
    round_.chosen.extend(away)
    try:
        for name in away:
            stack.managed[name].kill(stays_away=True)
        since = time.time() + ANSWER_SECONDS
        round_.last(6, 12)
        until = time.time()
    finally:
        for name in away:
            stack.managed[name].start()
    acknowledged = round_.fleet.truth.acknowledged_now()
    if accepted := [event for event, at in acknowledged.items() if since < at < until]:
        raise AssertionError(f"accepted by one broker of three: {accepted[:10]}")


KINDS: Final = [
    *kill_and_freeze({KAFKA: (KAFKA,)}, 1),
    *kill_and_freeze({f"broker-{n}": (f"{KAFKA}-{n}",) for n in range(1, THREE + 1)}, THREE),
    told("two-brokers-away", two_away, brokers=THREE),
]
