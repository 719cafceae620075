"""What the processor knows of its partitions at the moment in which Prometheus asks."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from processor.core.analytics.screen_names import NO_SCREEN, OTHER_SCREENS
from processor.watch.lag import PartitionLag

#: Screens that have a series of their own, of each processor; the rest is ``(other)``.
MOST_SCREENS: Final = 20


class PartitionMetrics(Collector):
    """Sum these over processors, or take the highest: each partition is told by the one that has
    it, and a processor without partitions tells nothing of any."""

    def __init__(
        self,
        lags: Callable[[], list[PartitionLag]] = list,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._lags = lags
        self._clock = clock

    def collect(self) -> Iterable[GaugeMetricFamily]:
        lags = self._lags()
        yield _gauge(
            "rollcall_processor_partitions", "Partitions that this processor has.", len(lags)
        )
        yield from self._progress(lags)
        yield from self._state(lags)
        yield self._screens(lags)

    def _progress(self, lags: list[PartitionLag]) -> Iterator[GaugeMetricFamily]:
        log_time = _by_partition(
            "log_time_seconds", "Log time up to which a partition is processed, Unix seconds."
        )
        next_offset = _by_partition("next_offset", "First offset not processed yet.")
        lag_records = _by_partition("lag_records", "Records in the log that are not stored yet.")
        lag_seconds = _by_partition(
            "lag_seconds",
            "Age of the oldest record that is not stored yet, by this machine's clock; 0 without "
            "one.",
        )
        watermarks = []
        for lag in lags:
            label = [str(lag.partition)]
            state = lag.state
            if state is not None:
                next_offset.add_metric(label, state.next_offset)
                if state.log_time_ms is not None:
                    log_time.add_metric(label, state.log_time_ms / 1000)
                    watermarks.append(state.log_time_ms / 1000)
            if lag.lag_records is not None:
                lag_records.add_metric(label, lag.lag_records)
            if lag.lag_seconds is not None:
                lag_seconds.add_metric(label, lag.lag_seconds)
        yield from (log_time, next_offset, lag_records, lag_seconds)
        yield _gauge(
            "rollcall_processor_watermark_age_seconds",
            "This machine's clock less the log time of the partition that is furthest behind; NaN "
            "without one.",
            self._clock() - min(watermarks) if watermarks else float("nan"),
        )

    def _state(self, lags: list[PartitionLag]) -> Iterator[GaugeMetricFamily]:
        users = _by_partition("users_online", "Users online.", "state")
        silenced = _by_partition(
            "outage_running", "1 while clients cannot reach us: only ticks arrive."
        )
        graces = _by_partition(
            "grace_running", "1 while those who were online at an outage's end are kept so."
        )
        in_memory = 0
        for lag in lags:
            state = lag.state
            if state is None:
                continue
            partition = str(state.partition)
            users.add_metric([partition, "foreground"], state.tally.foreground)
            users.add_metric([partition, "background"], state.tally.background)
            running = state.silence is not None and state.silence.outage_ms is not None
            silenced.add_metric([partition], int(running))
            graces.add_metric([partition], int(bool(state.graces)))
            in_memory += len(state.users)
        yield from (users, silenced, graces)
        yield _gauge(
            "rollcall_processor_users_in_memory",
            "Users whom this processor remembers: those online, and those of the batch.",
            in_memory,
        )

    def _screens(self, lags: list[PartitionLag]) -> GaugeMetricFamily:
        by_screen: Counter[str] = Counter()
        for lag in lags:
            if lag.state is not None:
                for screen, users in lag.state.tally.by_screen.items():
                    by_screen[NO_SCREEN if screen is None else screen] += users
        others = by_screen.pop(OTHER_SCREENS, 0)
        most = by_screen.most_common(MOST_SCREENS)
        family = GaugeMetricFamily(
            "rollcall_screen_users",
            f"Users in the foreground on the {MOST_SCREENS} screens that most are on; the rest is "
            f"{OTHER_SCREENS}. Of this processor's partitions: sum by screen.",
            labels=("screen",),
        )
        for screen, users in most:
            family.add_metric([screen], users)
        rest = by_screen.total() - sum(users for _, users in most) + others
        if lags:
            family.add_metric([OTHER_SCREENS], rest)
        return family


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, text, value=value)


def _by_partition(name: str, text: str, *labels: str) -> GaugeMetricFamily:
    labels = ("partition", *labels)
    return GaugeMetricFamily(f"rollcall_processor_{name}", text, labels=labels)
