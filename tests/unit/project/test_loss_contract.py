"""``make accuracy``: the closed form is the design's rule, and virtual time agrees with it."""

from __future__ import annotations

from random import Random

import pytest

from ingest.socket.actions import SessionPolicy
from processor.core.model import Policy
from tests.bench.accuracy.closed_form import (
    beats_to_lose,
    episodes_an_hour,
    episodes_an_hour_in_bursts,
    share_offline,
    socket_episodes_an_hour_in_bursts,
)
from tests.bench.accuracy.measure import Measured, measure, path_of
from tests.bench.accuracy.paths import Bursts, Stream
from tests.bench.accuracy.phones import CallingPhone, SocketPhone

POLICY = Policy(offline_after_ms=300_000, logout_fence_ms=30_000, reconnect_grace_ms=200_000)


class Given:
    """A path that carries what is sent outside of some stretches."""

    def __init__(self, *bad: tuple[float, float]) -> None:
        self._bad = bad

    def carries(self, at: float) -> bool:
        return not any(begin <= at < end for begin, end in self._bad)


def calls(loss: float, burst: float | None, interval: float, hours: float) -> Measured:
    phones = [
        CallingPhone(f"user-{n}", interval, path_of(loss, burst, Random(n)), Random(-n))
        for n in range(100)
    ]
    return measure(phones, hours, POLICY)


@pytest.mark.parametrize(("interval", "lost"), [(60, 4), (90, 3), (120, 2), (150, 1), (180, 1)])
def test_so_many_lost_beats_in_a_row_show_somebody_offline_and_one_fewer_does_not(
    interval: float, lost: int
) -> None:
    """With an interval that divides offline_after the last beat is too late."""
    assert beats_to_lose(300, interval) == lost
    assert [episodes_after(interval, bad) for bad in (lost - 1, lost)] == [0, 1]


def episodes_after(interval: float, bad: int) -> int:
    """Of one phone of which so many beats in a row are lost."""
    path = Given((3600 - 1, 3600 + interval * (bad - 0.5))) if bad else Given()
    phone = CallingPhone("ada", interval, path, Random(1))
    phone.next_at = 3600 % interval
    others = [CallingPhone(f"other-{n}", 60, Given(), Random(n)) for n in range(30)]
    return measure([phone, *others], 2, POLICY).episodes


@pytest.mark.parametrize(("loss", "interval"), [(0.3, 90), (0.2, 120), (0.1, 180)])
def test_virtual_time_and_the_closed_form_agree(loss: float, interval: float) -> None:
    found = calls(loss, None, interval, hours=4)
    assert found.episodes_an_hour == pytest.approx(episodes_an_hour(loss, interval, 300), rel=0.15)
    assert found.share_offline == pytest.approx(share_offline(loss, interval, 300), rel=0.2)


def test_bursts_agree_too_and_are_worse_than_the_same_loss_alone() -> None:
    found = calls(0.1, 120, 120, hours=4)
    expected = episodes_an_hour_in_bursts(0.1, 120, 120, 300)
    assert found.episodes_an_hour == pytest.approx(expected, rel=0.15)
    assert expected > episodes_an_hour(0.1, 120, 300)


def test_a_stretch_of_a_path_says_the_same_when_asked_again_later() -> None:
    path = Bursts(0.5, 10, Random(3))
    first = [path.carries(at) for at in range(100)]
    assert path.carries(400) in (True, False)
    assert [path.carries(at) for at in range(50, 100)] == first[50:]


def test_what_tcp_lost_comes_with_a_later_copy_and_what_follows_comes_behind_it() -> None:
    stream = Stream(Given((10, 20)))
    assert stream.arrives(5) == 5
    assert stream.arrives(10) == 25
    assert stream.arrives(12) == 25
    assert stream.arrives(30) == 30


@pytest.mark.parametrize(("bad_seconds", "episodes"), [(29, 0), (100, 1)])
def test_a_socket_outlasts_a_short_stretch_and_no_long_one(
    bad_seconds: float, episodes: int
) -> None:
    policy = SessionPolicy(heartbeat_interval_seconds=90, offline_after_seconds=300)
    path = Given((3600, 3600 + bad_seconds))
    others = [SocketPhone(f"other-{n}", policy, Given(), Random(n)) for n in range(30)]
    phones = [SocketPhone("ada", policy, path, Random(1)), *others]
    assert measure(phones, 2, POLICY).episodes == episodes


def test_sockets_in_bursts_agree_with_their_closed_form() -> None:
    policy = SessionPolicy(heartbeat_interval_seconds=90, offline_after_seconds=300)
    phones = [
        SocketPhone(f"user-{n}", policy, path_of(0.1, 60, Random(n)), Random(-n)) for n in range(40)
    ]
    found = measure(phones, 4, POLICY)
    expected = socket_episodes_an_hour_in_bursts(0.1, 60, 30)
    assert found.episodes_an_hour == pytest.approx(expected, rel=0.2)
