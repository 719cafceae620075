"""When a process that ended is started again."""

from __future__ import annotations

from schemas.service.restarts import RestartPolicy


def test_a_process_that_keeps_ending_is_started_again_ever_more_slowly() -> None:
    policy = RestartPolicy(max_failures=None)
    pauses = [policy.pause_seconds(ran_seconds=1) for _ in range(9)]
    assert pauses == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]


def test_a_process_that_ran_for_a_minute_starts_again_at_once() -> None:
    policy = RestartPolicy(max_failures=None)
    for _ in range(5):
        policy.pause_seconds(ran_seconds=1)
    assert policy.pause_seconds(ran_seconds=60) == 0.5


def test_a_store_that_ends_too_often_in_a_row_is_given_up() -> None:
    policy = RestartPolicy(max_failures=3)
    assert [policy.pause_seconds(ran_seconds=1) for _ in range(3)] == [0.5, 1, None]
