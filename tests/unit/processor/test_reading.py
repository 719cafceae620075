"""When a partition is silent, and how often that is told."""

from __future__ import annotations

from processor.watch.reading import SILENT_SECONDS, Reading


def test_a_partition_that_moves_is_never_silent() -> None:
    reading = Reading()
    for second in range(0, 300, 5):
        assert reading.silent(second, {0: second}) == {}


def test_a_partition_that_stands_still_is_told_once_for_each_silence() -> None:
    reading = Reading()
    told = [second for second in range(60) if reading.silent(second, {0: 7, 1: second})]
    assert told == [SILENT_SECONDS, 2 * SILENT_SECONDS, 3 * SILENT_SECONDS]
    assert reading.silent(60, {0: 7, 1: 60}) == {0: 7}


def test_what_is_waited_for_counts_from_its_end_on() -> None:
    reading = Reading()
    reading.silent(0, {0: 7})
    reading.begin_again()
    assert reading.silent(20, {0: 7}) == {}
    assert reading.silent(20 + SILENT_SECONDS, {0: 7}) == {0: 7}


def test_a_partition_that_was_away_meanwhile_begins_anew() -> None:
    reading = Reading()
    reading.silent(0, {0: 7})
    reading.silent(5, {})
    assert reading.silent(30, {0: 7}) == {}
