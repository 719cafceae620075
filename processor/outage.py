"""Silences that were ours, decided from the log alone (promise 3). PURE.

Log time that jumps by more than ``outage_gap`` means that Kafka or all of ingest was away, from
the record before the jump to the one after it. Nobody goes offline in the first ``outage_hold``
of it, and everyone who is still online at its end stays so for at least ``reconnect_grace`` more.
Grace never shortens a deadline, and a deadline set after the outage's end is not moved by it.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from processor.model import Policy

Kind: TypeAlias = Literal["jump"]


class Outage(msgspec.Struct, frozen=True):
    """From the last log time before the silence to the first one after it, in milliseconds."""

    kind: Kind
    started_ms: int
    ended_ms: int


class Grace(msgspec.Struct, frozen=True, array_like=True):
    """Who was online before the events of the record at ``end_offset``, with which an outage
    ended, is so until ``until_ms``."""

    end_offset: int
    until_ms: int


def jump(log_time_ms: int | None, next_ms: int, policy: Policy) -> Outage | None:
    """The outage that lies between two records' log times, if one does."""
    if log_time_ms is None or next_ms - log_time_ms <= policy.outage_gap_ms:
        return None
    return Outage("jump", log_time_ms, next_ms)


def hold_ends_ms(outage: Outage, policy: Policy) -> int:
    """Until when nobody goes offline in the outage."""
    return outage.started_ms + policy.outage_hold_ms


def grace_after(outage: Outage, end_offset: int, policy: Policy) -> Grace:
    """The grace of those who are still online when the outage ends."""
    return Grace(end_offset, outage.ended_ms + policy.reconnect_grace_ms)


def granted_until_ms(log_offset: int, graces: list[Grace]) -> int | None:
    """What the graces since the record at ``log_offset`` give to a row that it was the last to
    touch: how a row that was written before an outage is read after it, without writing every row
    at its end."""
    return max((g.until_ms for g in graces if log_offset < g.end_offset), default=None)
