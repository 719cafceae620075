"""How far this processor is with each partition that it has: for metrics, readiness, the watchdog.

Read when somebody asks, from what Kafka's consumer and the pipeline know anyway; costs no event
anything, and says nothing of a partition that another processor has by now.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from faust.exceptions import ConsumerNotStarted

from processor.core.partition import Partition
from processor.pipeline import Pipeline


@dataclass(frozen=True, slots=True)
class PartitionLag:
    """One partition. ``state`` is ``None`` until it is loaded; ``next_offset`` until it is
    known where to begin; ``lag_records`` while Kafka has not said where the log ends;
    ``lag_seconds`` where there is a lag and no record of it has been seen."""

    partition: int
    state: Partition | None
    next_offset: int | None
    lag_records: int | None
    lag_seconds: float | None


class Lags:
    """``app`` is the Faust application once it has partitions, else ``None``; ``clock`` gives Unix
    seconds."""

    def __init__(self, pipeline: Pipeline, clock: Callable[[], float] = time.time) -> None:
        self._pipeline = pipeline
        self._clock = clock
        self.app: Any = None

    def now(self) -> list[PartitionLag]:
        """By partition; none before Kafka has assigned any."""
        app = self.app
        if app is None or not app.assigned:
            return []
        try:
            assignment = sorted(app.consumer.assignment(), key=lambda tp: tp.partition)
        except ConsumerNotStarted:
            return []
        return [self._of(app, tp) for tp in assignment]

    def _of(self, app: Any, tp: Any) -> PartitionLag:
        partition = tp.partition
        state = self._pipeline.loaded(partition)
        next_offset = state.next_offset if state else app.start_offsets.get(partition)
        try:
            highwater = app.consumer.highwater(tp)
        except (AssertionError, ConsumerNotStarted):  # a rebalance in Kafka's thread has just begun
            highwater = None
        if highwater is None or next_offset is None:
            return PartitionLag(partition, state, next_offset, None, None)
        highwater += app.log_base
        # What is in memory may be ahead of what is stored, while that is tried again.
        in_hand_ms = self._pipeline.oldest_in_hand_ms(partition)
        lag_records = max(0, highwater - next_offset)
        if in_hand_ms is not None:
            oldest_ms: int | None = in_hand_ms
            lag_records = max(1, lag_records)
        elif lag_records and state is not None:
            # The next record came after the last one, in a running deployment at most a tick later.
            oldest_ms = state.log_time_ms
        else:
            oldest_ms = None
        lag_seconds = None
        if not lag_records:
            lag_seconds = 0.0
        elif oldest_ms is not None:
            lag_seconds = max(0.0, self._clock() - oldest_ms / 1000)
        return PartitionLag(partition, state, next_offset, lag_records, lag_seconds)


def behind(lags: list[PartitionLag], seconds: float) -> str | None:
    """Which partition is not loaded or not caught up, and by how much; ``None`` if all are within
    ``seconds``."""
    for lag in lags:
        if lag.state is None:
            return f"partition {lag.partition} is not loaded yet"
        if lag.lag_seconds is None:
            return f"partition {lag.partition} has not been read yet"
        if lag.lag_seconds > seconds:
            how_far = f"{lag.lag_seconds:.0f} s ({lag.lag_records} records)"
            return f"partition {lag.partition} is {how_far} behind"
    return None
