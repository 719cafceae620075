"""What the kernel does to packets: what it drops is in no answer of ours.

A table of tracked connections (``nf_conntrack``: any machine that ran a Docker engine has one) that
is full drops them. A phone's first packet is then sent again after 1, 2, 4 … seconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Final

PROC: Final = Path("/proc")


@dataclass(frozen=True, slots=True)
class Packets:
    """Of the whole machine since it started."""

    sent_again: int = 0
    #: Nobody took the connection in: ``net.core.somaxconn``.
    not_let_in: int = 0
    #: No room for another tracked connection: ``net.netfilter.nf_conntrack_max``.
    not_tracked: int = 0

    def __sub__(self, before: Packets) -> Packets:
        return Packets(*(a - b for a, b in zip(astuple(self), astuple(before), strict=True)))

    def __str__(self) -> str:
        return (
            f"{self.sent_again:,} packets were sent again; of connections that phones began "
            f"{self.not_let_in:,} were dropped because too many waited (net.core.somaxconn), and "
            f"{self.not_tracked:,} because the kernel had no room to track them "
            "(net.netfilter.nf_conntrack_max: docs/operations.md, Connections)"
        )


def packets(proc: Path = PROC) -> Packets:
    """What its counters are at; 0 where it has none."""
    return Packets(
        _counter(proc / "net/snmp", "Tcp:", "RetransSegs"),
        _counter(proc / "net/netstat", "TcpExt:", "ListenOverflows"),
        sum(_drops_of_tracking(proc / "net/stat/nf_conntrack")),
    )


def _counter(file: Path, group: str, name: str) -> int:
    """The file has two lines a group: names, and numbers."""
    lines = [line.split() for line in _lines(file) if line.startswith(f"{group} ")]
    return int(dict(zip(*lines[:2], strict=True)).get(name, 0)) if len(lines) > 1 else 0


def _drops_of_tracking(file: Path) -> Iterator[int]:
    """A line a core, hexadecimal."""
    names, *cores = [line.split() for line in _lines(file)] or [[]]
    if "drop" in names:
        for numbers in cores:
            yield int(numbers[names.index("drop")], 16)


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text().splitlines()
    except OSError:
        return []
