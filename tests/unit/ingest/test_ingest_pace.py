"""How fast the messages of one socket are read."""

from __future__ import annotations

from ingest.socket.pace import Pace


def test_so_many_are_read_at_once_and_the_next_one_a_second_later() -> None:
    pace = Pace(3)
    assert [pace.wait_seconds(10.0) for _ in range(3)] == [0.0, 0.0, 0.0]
    assert pace.wait_seconds(10.25) == 0.75
    assert pace.wait_seconds(11.0) == 0.0


def test_a_flood_gets_no_more_than_its_share_in_the_long_run() -> None:
    pace, now, read = Pace(100), 0.0, 0
    while now < 10.0:
        now += pace.wait_seconds(now)
        read += 1
    assert 900 <= read <= 1_100


def test_a_client_that_pauses_is_never_held_back() -> None:
    pace = Pace(2)
    assert all(pace.wait_seconds(at / 2) == 0.0 for at in range(100))
