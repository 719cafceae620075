"""What the processor counts: names from outside, weighed times, the intervals of apps."""

from __future__ import annotations

from collections import Counter
from typing import Any

from prometheus_client import CollectorRegistry

from processor.core.effects import Effects, Record
from processor.core.outcome import MARKS
from processor.core.partition import Partition
from processor.watch.metrics import MOST_VERSIONS, Metrics
from processor.watch.top_names import OTHER, TopNames
from processor.watch.weighted_histogram import WeightedHistogram
from schemas.log.events import Connect, Event, Heartbeat
from tests.unit.processor.presence_story import POLICY, START_MS


def test_an_observation_may_stand_for_many() -> None:
    histogram = WeightedHistogram("seconds", "Seconds.", (0.5, 2))
    registry = CollectorRegistry()
    registry.register(histogram)
    histogram.observe(0.5, 10)
    histogram.observe(2.1, 3)
    assert [registry.get_sample_value("seconds_bucket", {"le": le}) for le in ("0.5", "2.0")] == [
        10,
        10,
    ]
    assert registry.get_sample_value("seconds_bucket", {"le": "+Inf"}) == 13
    assert registry.get_sample_value("seconds_count") == 13
    assert registry.get_sample_value("seconds_sum") == 0.5 * 10 + 2.1 * 3


def test_names_that_come_often_are_labels_however_many_others_come() -> None:
    dropped: list[str] = []
    names = TopNames(2, dropped.append)
    told: Counter[str] = Counter()
    for n in range(20_000):
        told[names.label(f"junk {n}")] += 1
        for often in ("1.0", "1.1"):
            told[names.label(often)] += 1
    assert [names.label(name) for name in ("1.0", "1.1", "2.0")] == ["1.0", "1.1", OTHER]
    assert told["1.0"] + told["1.1"] > 0.9 * 40_000
    assert len(told) < 10
    assert {name for name in told if name.startswith("junk")} <= set(dropped)


def test_a_new_version_takes_the_place_of_an_old_one() -> None:
    dropped: list[str] = []
    names = TopNames(1, dropped.append)
    for _ in range(50_000):
        assert names.label("1.0") == "1.0"
    for _ in range(50_000):
        label = names.label("2.0")
    assert (label, dropped) == ("2.0", ["1.0"])


def intervals(*beats: tuple[float, Event]) -> list[tuple[str | None, int]]:
    """Of events at so many seconds, a record each."""
    partition = Partition(0, 1, POLICY, next_offset=0)
    effects = Effects()
    for offset, (seconds, event) in enumerate(beats):
        partition.apply(Record(offset, START_MS + round(seconds * 1000), [event]), effects)
    return effects.intervals


def beat(screen: str | None = None, **fields: Any) -> Heartbeat:
    return Heartbeat(user="ada", token="t", screen=screen, app_version="1.2", **fields)


def test_an_interval_lies_between_two_heartbeats_that_changed_nothing() -> None:
    assert intervals((0, beat("Home")), (90, beat()), (180, beat()), (300, beat("Home"))) == [
        ("1.2", 90_000),
        ("1.2", 120_000),
    ]
    # What comes after a change tells of the change.
    assert intervals((0, beat("Home")), (90, beat()), (100, beat("Cart")), (180, beat())) == []
    background = beat("background")
    assert intervals((0, beat()), (10, background), (20, background), (30, background)) == []


def test_an_interval_is_of_the_version_that_the_phone_says_or_said() -> None:
    silent = Heartbeat(user="ada", token="t")
    assert intervals((0, beat("Home")), (90, silent), (180, silent)) == [("1.2", 90_000)]


def test_sockets_have_no_interval_of_their_own() -> None:
    connect = Connect(user="ada", token="t", connection="c")
    assert intervals((0, connect), (90, beat(connection="c")), (180, beat(connection="c"))) == []
    assert intervals((0, connect), (90, beat()), (180, beat())) == []


def test_versions_are_bounded_labels() -> None:
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    metrics.count(Effects(intervals=[(f"1.{n}", 90_000) for n in range(500)] + [(None, 90_000)]))
    name = "rollcall_processor_heartbeat_interval_seconds"
    [family] = [family for family in registry.collect() if family.name == name]
    counts = {s.labels["app_version"]: s.value for s in family.samples if s.name == f"{name}_count"}
    assert len(counts) == MOST_VERSIONS + 1
    assert counts[OTHER] == 501 - MOST_VERSIONS


def test_phones_of_one_name_are_counted_by_what_told_them_apart() -> None:
    partition, effects = Partition(0, 1, POLICY, next_offset=0), Effects()
    phones = (("8f2c", "Pixel 6", "t"), ("8f2c", "Pixel 9", "t"))
    guides = ((None, "Flutter App", "A"), (None, "Flutter App", "B"))
    for offset, (device, info, token) in enumerate((*phones * 3, *guides * 3)):
        event = Heartbeat(user="ada", token=token, device_id=device, device_info=info)
        partition.apply(Record(offset, START_MS + 1000 * offset, [event]), effects)
    registry = CollectorRegistry()
    Metrics(registry).count(effects)
    name = "rollcall_processor_devices_told_apart_total"
    told = {mark: registry.get_sample_value(name, {"mark": mark}) for mark in MARKS}
    assert told == {"device_info": 1, "token": 1}


def test_what_a_canary_sends_is_no_interval_of_an_app() -> None:
    beats = [(seconds, beat("Home", canary=True)) for seconds in (0, 90, 180)]
    assert intervals(*beats) == []
