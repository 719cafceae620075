"""Issue 15, line 3: who makes room when connections are many."""

from __future__ import annotations

from schemas.http.idle_connections import Idle, is_crowded, to_close


def test_nobody_goes_before_it_is_crowded() -> None:
    assert not is_crowded(79, 100)
    assert is_crowded(80, 100)


def test_those_of_the_fullest_address_go_first_and_of_them_the_longest_idle() -> None:
    flood = [Idle("flood", float(n), n) for n in range(50)]
    others = [Idle(f"a{n}", 0.0, 100 + n) for n in range(20)]
    assert to_close([*others, *flood], 80, 100) == [0, 1, 2, 3, 4]


def test_where_addresses_are_alike_all_of_them_give() -> None:
    idle = [Idle(address, float(n), 10 * n + k) for k, address in enumerate("ab") for n in range(4)]
    assert to_close(idle, 79, 100) == [0, 1, 10, 11]


def test_no_more_go_than_there_are() -> None:
    assert to_close([Idle("a", 0.0, 7)], 100, 100) == [7]
    assert to_close([], 100, 100) == []
