"""Lines between clients and servers that are cut or broken off."""

from __future__ import annotations

from typing import Final

from tests.faults.kinds import Round, told


def cut_a_line(round_: Round) -> None:
    """The line between a client and a server, any two, is cut for 2 to 10 s: nothing comes through
    and nobody is told."""
    names = [name for name in round_.stack.links if not name.startswith("processor-3")]
    link = round_.stack.links[round_.choose(names)]
    link.cut()
    try:
        round_.last(2, 10)
    finally:
        link.mend()


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
    told("break-off-lines", break_off_lines),
    told("phones-cut", phones_cut),
    told("all-come-back", all_phones_come_back),
]
