"""Partitions that this process cannot write to, while others perhaps can (promise 3). PURE.

Log time goes on with what other processes write, so no outage is seen, and whoever has a socket
here is silent for the log: their renewals are lost, however well they answer pings. So they are
sent to another process while their last sign of life still counts. Of the time that is left of
``offline_after`` after the longest silence of a socket that is well
(``IngestSettings.cut_off_seconds``) one third is for noticing, one for telling all of them, one for
coming back.

A partition is cut off where nothing was heard of Kafka for :data:`LOOKS` looks, the last attempt
having failed. A Kafka that answers that it cannot write was heard: it says so to others, too, which
is an outage, and sockets stay. So they do where whoever asks for it at that moment is turned away
(``schemas.log.diagnosis.turns_away``). Looks are counted and no clock is asked: a process that was
frozen has looked once. It is told anew after as many looks more, for those who came back to this
process meanwhile.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

LOOKS: Final = 4


@dataclass(frozen=True, slots=True)
class Written:
    """How many records of a partition were ``answered``, by an acknowledgement or by a refusal, and
    whether the last one ``fails``, without either."""

    answered: int
    fails: bool


def look_seconds(cut_off_seconds: float) -> float:
    """Between two looks, so that it is found within ``cut_off_seconds`` of the last record."""
    return cut_off_seconds / (LOOKS + 1)


class CutOff:
    """Of all partitions of this process."""

    def __init__(self, partitions: int) -> None:
        self._answered = [0] * partitions
        self._silent_looks = [0] * partitions

    def look(self, lanes: Sequence[Written]) -> frozenset[int]:
        """Those partitions whose sockets are to be sent away now."""
        found = []
        for partition, written in enumerate(lanes):
            if written.answered != self._answered[partition]:
                self._answered[partition] = written.answered
                self._silent_looks[partition] = 0
                continue
            self._silent_looks[partition] += 1
            if written.fails and self._silent_looks[partition] >= LOOKS:
                self._silent_looks[partition] = 0
                found.append(partition)
        return frozenset(found)
