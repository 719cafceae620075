"""Silences that were ours, decided from the log alone (promise 3). PURE.

Log time that jumps by more than ``outage_gap`` means that Kafka or all of ingest was away, from
the record before the jump to the one after it. Nobody goes offline in the first ``outage_hold``
of it, and everyone who is still online at its end stays so for at least ``reconnect_grace`` more.
Grace never shortens a deadline.
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
    """Who was online at ``end_ms`` (with a deadline set before it) is so until ``until_ms``."""

    end_ms: int
    until_ms: int


def jump(log_time_ms: int | None, next_ms: int, policy: Policy) -> Outage | None:
    """The outage that lies between two records' log times, if one does."""
    if log_time_ms is None or next_ms - log_time_ms <= policy.outage_gap_ms:
        return None
    return Outage("jump", log_time_ms, next_ms)


def held_deadline_ms(deadline_ms: int, outage: Outage, policy: Policy) -> int:
    """The deadline during the outage: not before the hold is over, or the grace if that is less."""
    hold_ms = outage.started_ms + policy.outage_hold_ms
    return max(deadline_ms, min(hold_ms, grace_after(outage, policy).until_ms))


def grace_after(outage: Outage, policy: Policy) -> Grace:
    """The grace of those who are still online when the outage ends."""
    return Grace(outage.ended_ms, outage.ended_ms + policy.reconnect_grace_ms)


def graced_deadline_ms(deadline_ms: int, set_at_ms: int, graces: list[Grace]) -> int:
    """A stored deadline with the graces since it was set at ``set_at_ms``: how a row that was
    written before an outage is read after it, without writing every row at its end."""
    for grace in graces:
        if set_at_ms < grace.end_ms:
            deadline_ms = max(deadline_ms, grace.until_ms)
    return deadline_ms
