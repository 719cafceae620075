"""Partitions that this process cannot write to, while others perhaps can (promise 3). PURE.

Log time goes on with what other processes write, so no outage is seen, and whoever has a socket
here is silent for the log: their renewals are lost, however well they answer pings. So they are
sent to another process while their last sign of life still counts. Of the time that is left of
``offline_after`` after the longest silence of a socket that is well
(``IngestSettings.cut_off_seconds``) one third is for noticing, one for telling all of them, one for
coming back.

A partition is cut off where nothing was acknowledged for :data:`LOOKS` looks, the last attempt
having failed. Looks are counted and no clock is asked: a process that was frozen has looked once.
It is told anew after as many looks more, for those who came back to this process meanwhile.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

LOOKS: Final = 4


@dataclass(frozen=True, slots=True)
class Written:
    """How many records of a partition were ``acknowledged``, and whether the last one was not."""

    acknowledged: int
    fails: bool


def look_seconds(cut_off_seconds: float) -> float:
    """Between two looks, so that it is found within ``cut_off_seconds`` of the last record."""
    return cut_off_seconds / (LOOKS + 1)


class CutOff:
    """Of all partitions of this process."""

    def __init__(self, partitions: int) -> None:
        self._acknowledged = [0] * partitions
        self._silent_looks = [0] * partitions

    def look(self, lanes: Sequence[Written]) -> frozenset[int]:
        """Those partitions whose sockets are to be sent away now."""
        found = []
        for partition, written in enumerate(lanes):
            if written.acknowledged != self._acknowledged[partition]:
                self._acknowledged[partition] = written.acknowledged
                self._silent_looks[partition] = 0
                continue
            self._silent_looks[partition] += 1
            if written.fails and self._silent_looks[partition] >= LOOKS:
                self._silent_looks[partition] = 0
                found.append(partition)
        return frozenset(found)
