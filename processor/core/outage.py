"""Silences that were ours, decided from the log alone (promise 3). PURE.

*A jump*: log time that jumps by more than ``outage_gap`` means that Kafka or all of ingest was
away, from the record before the jump to the one after it.

*A lost range*: somebody accepted that records which come before this one are gone
(``processor/core/log/losses.py``). It is a jump, however short, by another name.

*Ticks only*: a partition saw nothing of clients for ``outage_gap`` while at least 30 client events
were due, so phones cannot reach us (gateway, DNS, certificate, a wrong key). Events are due from
the devices that were in the foreground when the silence began: their number × the silence ÷
``client_interval``, the longest interval at which apps in the field beat, and for no longer than
``offline_after``: who has timed out owes nothing, so a quiet night is no outage. With 30 expected,
none by chance is e⁻³⁰. The silence begins with the last record that has a client event: a
heartbeat, connect, renewal or logout, whatever came of it, for it shows that the path works. Ticks,
disconnects and what canaries send are ours, and what could not be read shows nothing: none of them
ends a silence. A jump begins it anew, as the time before has been accounted for. The test fires at
a record, before the expiries of that record and never at one with a client event; what was decided
before stands. The outage lasts to the next record with a client event.

In the first ``outage_hold`` of an outage nobody goes offline by ``offline_after`` or
``disconnect_grace``. A device whose deadline comes in that time goes at the end of the hold (in
order of user and device, as of any one deadline), every other one at its own deadline. A deadline
that a disconnect sets in the outage is held alike. When the outage ends, before the events of the
record that ends it, everyone still online is kept for ``reconnect_grace`` more. In that time nobody
goes for having lost the last socket in the outage. Grace never shortens a deadline, and moves none
that is set after the end. Where a jump falls into an outage of ticks only, both hold, each for its
time, and each gives its grace; the jump does not end the other.

Fleets in which 30 events take longer than ``offline_after`` to be due are not covered by the second
test: fewer than 30 × ``client_interval`` ÷ ``offline_after`` foreground devices in a partition (18
with the default settings).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal, TypeAlias

import msgspec

from processor.core.model import Policy
from schemas.log.events import BadEvent, Event, Heartbeat, Logout, Renew

Kind: TypeAlias = Literal["jump", "ticks_only", "lost_range"]

EVENTS_DUE: Final = 30


class Outage(msgspec.Struct, frozen=True):
    """From log time to log time, in milliseconds; ``ended_ms`` is ``None`` while it lasts."""

    kind: Kind
    started_ms: int
    ended_ms: int | None


class Grace(msgspec.Struct, frozen=True, array_like=True):
    """Who was online before the events of the record at ``end_offset``, with which an outage
    ended, is so until ``until_ms``."""

    end_offset: int
    until_ms: int


class Silence(msgspec.Struct, frozen=True):
    """No client event since ``since_ms``, when ``foreground`` devices were in the foreground.

    ``outage_ms`` is when this was found to be an outage, in which nobody goes offline before
    ``held_ms``; ``None`` if it was not.
    """

    since_ms: int
    foreground: int
    outage_ms: int | None = None
    held_ms: int = 0


class Passage(msgspec.Struct, frozen=True):
    """What the time of a record brings. ``outages`` begin or end with it; until ``held_ms`` nobody
    goes offline; where one is ``over``, those online get a grace; ``silence`` goes on."""

    outages: tuple[Outage, ...] = ()
    held_ms: int = 0
    over: bool = False
    jumped: bool = False
    silence: Silence | None = None

    def is_known(self, at_ms: int) -> bool:
        """Is an instant before the record's outside of all outages? Nothing is known inside."""
        return all(at_ms <= outage.started_ms for outage in self.outages) and (
            self.silence is None
            or self.silence.outage_ms is None
            or at_ms <= self.silence.outage_ms
        )


def is_heard(events: Iterable[Event | BadEvent]) -> bool:
    """Does one of them show that clients reach us?"""
    return any(
        isinstance(event, Heartbeat | Renew | Logout) and not event.canary for event in events
    )


def passage(
    silence: Silence | None,
    log_time_ms: int | None,
    now_ms: int,
    policy: Policy,
    *,
    heard: bool,
    after_loss: bool = False,
) -> Passage:
    """What happens as log time goes from ``log_time_ms`` to ``now_ms``, that of a record with
    (``heard``) or without a client event, before which records were lost (``after_loss``)."""
    outages: list[Outage] = []
    held_ms = 0
    jumped = log_time_ms is not None and (after_loss or now_ms - log_time_ms > policy.outage_gap_ms)
    if log_time_ms is not None and jumped:
        outages.append(Outage("lost_range" if after_loss else "jump", log_time_ms, now_ms))
        held_ms = log_time_ms + policy.outage_hold_ms
    if silence is None:
        return Passage(tuple(outages), held_ms, jumped, jumped)
    if silence.outage_ms is None and not heard and not jumped and _ours(silence, now_ms, policy):
        silence = msgspec.structs.replace(
            silence, outage_ms=now_ms, held_ms=now_ms + policy.outage_hold_ms
        )
        outages.append(Outage("ticks_only", now_ms, None))
    elif silence.outage_ms is not None and heard:
        outages.append(Outage("ticks_only", silence.outage_ms, now_ms))
    over = jumped or (silence.outage_ms is not None and heard)
    return Passage(tuple(outages), max(held_ms, silence.held_ms), over, jumped, silence)


def granted_until_ms(log_offset: int, graces: list[Grace]) -> int | None:
    """What the graces since the record at ``log_offset`` give to a row that it was the last to
    touch: how a row that was written before an outage is read after it, without writing every row
    at its end."""
    return max((g.until_ms for g in graces if log_offset < g.end_offset), default=None)


def _ours(silence: Silence, now_ms: int, policy: Policy) -> bool:
    quiet_ms = now_ms - silence.since_ms
    # Who was last heard of when it began has timed out by then.
    owed_ms = min(quiet_ms, policy.offline_after_ms)
    return (
        quiet_ms >= policy.outage_gap_ms
        and silence.foreground * owed_ms >= EVENTS_DUE * policy.client_interval_ms
    )
