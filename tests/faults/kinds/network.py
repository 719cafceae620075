"""Lines between clients and servers that are cut, lose their packets or are broken off."""

from __future__ import annotations

from typing import Final

from tests.faults.kinds import NothingHappenedError, Round, told
from tests.faults.links import Link
from tests.faults.names import DISCONNECT_GRACE_SECONDS, THIRD
from tests.faults.packets import Dropped, no_dropping

#: On which for seconds nobody may have anything to say.
OFTEN_QUIET: Final = "api to kafka"
#: A phone that is cut off from one ingest alone for longer than its socket's grace is offline, and
#: rightly: the other ingest goes on, so that is no outage.
LONGEST_FOR_PHONES_SECONDS: Final = DISCONNECT_GRACE_SECONDS - 1


def cut_a_line(round_: Round) -> None:
    """The line between a client and a server, any two, is cut for 2 to 10 s: nothing comes through
    and nobody is told."""
    link = _a_line(round_)
    link.cut()
    try:
        round_.last(2, 10)
    finally:
        link.mend()


def drop_packets(round_: Round) -> None:
    """The kernel drops all packets of the line between a client and a server, any two, for 2 to
    12 s: nothing is acknowledged, and no end of a connection is told."""
    name = _name_of_a_line(round_, but=OFTEN_QUIET)
    longest = LONGEST_FOR_PHONES_SECONDS if name.startswith("phones") else 12
    with Dropped(round_.stack.links[name].ports()) as dropped:
        round_.last(2, longest)
        if not dropped.count():
            raise NothingHappenedError("nobody sent a packet")


def _a_line(round_: Round) -> Link:
    """Any, but for those of the processor that is not there."""
    return round_.stack.links[_name_of_a_line(round_)]


def _name_of_a_line(round_: Round, but: str = THIRD) -> str:
    """Of any of those, but for lines that begin with ``but``."""
    return round_.choose([name for name in round_.stack.links if not name.startswith((THIRD, but))])


def break_off_lines(round_: Round) -> None:
    """All connections of all lines end at once."""
    for link in round_.stack.links.values():
        link.break_off()


def phones_cut(round_: Round) -> None:
    """No phone reaches any ingest for 7 to 20 s, longer than outage_gap; then all are back."""
    links = [link for name, link in round_.stack.links.items() if name.startswith("phones")]
    for link in links:
        link.cut()
    try:
        round_.last(7, 20)
    finally:
        for link in links:
            link.mend()


def all_phones_come_back(round_: Round) -> None:
    """Every phone loses its connection and connects anew within 10 s, three times."""
    for _ in range(3):
        round_.fleet.all_come_back()
        round_.last(1, 3)


KINDS: Final = [
    told("cut-a-line", cut_a_line),
    told("packets-dropped", drop_packets, lambda _: no_dropping()),
    told("break-off-lines", break_off_lines),
    told("phones-cut", phones_cut),
    told("all-come-back", all_phones_come_back),
]
