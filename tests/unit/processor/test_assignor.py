"""Partitions are spread over processors within one of each other, whoever comes or goes."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import faust
import pytest
from faust.assignor.partition_assignor import PartitionAssignor

from processor.kafka.assignor import LevelAssignor, spread

TOPIC = "presence.events"


class Group:
    """A consumer group on paper, led by one of its members: who has what after each rebalance."""

    def __init__(self, partitions: int, kind: Any = LevelAssignor) -> None:
        self._cluster = SimpleNamespace(partitions_for_topic=lambda _: set(range(partitions)))
        self._kind = kind
        self.members: dict[str, Any] = {}

    def rebalance(self, *names: str) -> dict[str, set[int]]:
        app = faust.App("group", store="memory://")
        before = self.members
        self.members = {name: before.get(name) or self._kind(app) for name in names}
        told = {name: member.metadata({TOPIC}) for name, member in self.members.items()}
        leader = next(iter(self.members.values()))
        given = leader.assign(self._cluster, told)
        for name, member in self.members.items():
            member.on_assignment(given[name])
        return {name: {p for _, mine in given[name].assignment for p in mine} for name in names}


def sizes(assigned: dict[str, set[int]]) -> list[int]:
    return sorted((len(mine) for mine in assigned.values()), reverse=True)


def test_five_that_begin_together_have_twelve_within_one_of_each_other() -> None:
    assigned = Group(12).rebalance(*"abcde")
    assert sizes(assigned) == [3, 3, 2, 2, 2]
    assert set().union(*assigned.values()) == set(range(12))


def test_a_fifth_takes_two_of_twelve_and_nothing_else_moves() -> None:
    group = Group(12)
    four = group.rebalance(*"abcd")
    five = group.rebalance(*"abcde")
    assert sizes(five) == [3, 3, 2, 2, 2]
    assert all(five[name] <= four[name] for name in "abcd")


@pytest.mark.parametrize("steps", [["a", "ab", "abc", "abcd", "abcde"], ["abcde", "bcde", "ce"]])
@pytest.mark.parametrize("partitions", [1, 4, 12, 13])
def test_whoever_comes_or_goes_all_is_given_once(partitions: int, steps: list[str]) -> None:
    group = Group(partitions)
    for names in steps:
        assigned = group.rebalance(*names)
        given = sorted(p for mine in assigned.values() for p in mine)
        assert given == list(range(partitions))
        assert max(sizes(assigned)) - min(sizes(assigned)) <= 1


def test_an_earlier_release_in_the_group_understands_what_it_is_given() -> None:
    group = Group(12)
    group.rebalance(*"abcd")
    earlier = PartitionAssignor(faust.App("group", store="memory://"))
    assert (earlier.name, earlier.version) == (group.members["a"].name, group.members["a"].version)
    group.members["e"] = earlier
    assert sizes(group.rebalance(*"abcde")) == [3, 3, 2, 2, 2]
    assert len(earlier.assigned_actives()) == 2


def test_what_two_hold_and_what_is_no_more_is_given_once() -> None:
    given = spread(4, {"a": [0, 1, 9], "b": [1, 2]})
    assert given == {"a": [0, 1], "b": [2, 3]}
