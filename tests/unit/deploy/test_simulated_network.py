"""What `rollcall simulate` puts between phones and ingest, by its seed."""

from __future__ import annotations

from itertools import islice, pairwise, takewhile

import pytest

from deploy.simulate.behaviour import Action, Kind, life
from deploy.simulate.network import NO_TROUBLE, Network, Trouble, disturbed
from deploy.simulate.people import Phone, phones

SECONDS = range(20_000)


def one(*, on_socket: bool) -> Phone:
    return phones(1, float(on_socket), seed=1)[0]


def test_a_network_without_trouble_loses_delays_and_repeats_nothing() -> None:
    network = Network(one(on_socket=False), NO_TROUBLE, 0)
    assert not any(network.loses_call(at) for at in SECONDS)
    assert network.latency_seconds() == 0
    assert (network.duplicate_after(), network.held_back()) == (None, None)
    network.send_packet(5)
    assert network.down_until(5) < 5
    assert network.clock_error_seconds == 0


@pytest.mark.parametrize("burst", [0.0, 30.0])
def test_the_share_of_lost_calls_is_the_one_asked_for_in_bursts_or_not(burst: float) -> None:
    trouble = Trouble(loss=0.2, burst_seconds=burst)
    fleet = [Network(phone, trouble, 0) for phone in phones(10, 0.0, seed=1)]
    lost = [[network.loses_call(at) for at in SECONDS] for network in fleet]
    share = sum(map(sum, lost)) / len(fleet) / len(SECONDS)
    assert share == pytest.approx(0.2, abs=0.02)
    begun = sum(now and not before for each in lost for before, now in pairwise(each))
    mean_run = sum(map(sum, lost)) / begun
    assert mean_run == pytest.approx(burst or 1.25, rel=0.2)


def test_the_same_seed_gives_the_same_network() -> None:
    trouble = Trouble(loss=0.3, latency_seconds=1, duplicates=0.5, clock_error_seconds=60)
    first, second = (Network(one(on_socket=False), trouble, 0) for _ in range(2))
    assert [first.loses_call(at) for at in range(50)] == [second.loses_call(at) for at in range(50)]
    assert first.latency_seconds() == second.latency_seconds()
    assert first.clock_error_seconds == second.clock_error_seconds != 0


def test_a_packet_that_is_lost_holds_a_socket_up_and_comes_later() -> None:
    network = Network(one(on_socket=True), Trouble(loss=0.9), 0)
    network.send_packet(100)
    assert network.down_until(100) in {100 + later for later in (1, 3, 7, 15, 31, 63)}


def actions(phone: Phone, trouble: Trouble, seconds: float) -> list[tuple[float, Action]]:
    now, found = 0.0, []
    for action in islice(disturbed(life(phone, 1_760_011_200.0), phone, trouble), 5_000):
        now += action.after_seconds
        found.append((now, action))
    return list(takewhile(lambda each: each[0] < seconds, found))


def test_storms_break_all_sockets_at_the_same_instants_and_move_nothing_else() -> None:
    trouble = Trouble(storm_seconds=100)
    for phone in phones(5, 1.0, seed=1):
        calm = [(at, a) for at, a in actions(phone, NO_TROUBLE, 1000) if a.kind is not Kind.DROP]
        stormy = actions(phone, trouble, 1000)
        kept = [(at, a) for at, a in stormy if a.kind is not Kind.DROP]
        assert [at for at, _ in kept] == pytest.approx([at for at, _ in calm])
        assert [a.kind for _, a in kept] == [a.kind for _, a in calm]
        drops = [round(at, 6) for at, a in stormy if a.kind is Kind.DROP]
        assert {at for at in drops if at % 100 == 0} == {float(at) for at in range(100, 1000, 100)}


def test_a_phone_without_a_socket_has_none_to_lose() -> None:
    phone = one(on_socket=False)
    assert actions(phone, Trouble(storm_seconds=9, change_seconds=9), 1000) == actions(
        phone, NO_TROUBLE, 1000
    )


def test_all_departures_can_be_silent() -> None:
    phone = one(on_socket=False)
    kinds = {action.kind for action in islice(life(phone, 1_760_011_200.0, 1.0), 500)}
    assert Kind.DIE in kinds
    assert Kind.LOG_OUT not in kinds
