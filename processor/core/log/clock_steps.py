"""The broker's clock was ahead, and was put right: log time steps back. PURE.

The policy (design, section 2):

A record whose time is more than ``outage_gap`` below log time tells that the clock was wrong until
then; log time goes back to it. (One that is below it by less is a clock that was slewed or another
broker's: log time stands.) Before anything else that the record brings,

1. what runs moves back by as much, so that it has as long to go as before: deadlines of devices,
   of their sockets and connections, fences of logouts, graces, and a silence and its hold. Nobody
   goes offline by the step;
2. what has happened is not in the future: a time that is not before the new log time becomes the
   millisecond before it. What tells the devices of a user apart by time, which changed last and
   which was heard of last, keeps their order, a millisecond apart. Days on which a user was active
   do not go back;
3. an outage of ticks only that lasts is over at the old log time, and another one begins at the new
   one: an outage does not end before it began.

Users who are online are stored anew with the record. A row of somebody offline that was stored
before it is read as if it had been (:func:`as_of_now`): rows know their record.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec
from msgspec.structs import replace

from processor.core.model import Connection, Device, SignOut, Sockets, User
from processor.core.outage import Grace, Outage, Silence

#: Of a partition so many are remembered, the latest: an older one changes nothing any more.
MAX_STEPS: Final = 64


class ClockStep(msgspec.Struct, frozen=True, gc=False):
    """Log time went back ``from_ms`` ``to_ms`` with the record at ``offset``."""

    offset: int
    from_ms: int
    to_ms: int

    @property
    def back_ms(self) -> int:
        return self.from_ms - self.to_ms


def steps_back(log_time_ms: int | None, timestamp_ms: int, outage_gap_ms: int) -> bool:
    """Does a record of that time tell that the clock was wrong?"""
    return log_time_ms is not None and log_time_ms - timestamp_ms > outage_gap_ms


def as_of_now(user: User, log_offset: int, steps: Iterable[ClockStep]) -> User:
    """``user`` as stored by the record at ``log_offset``, after the steps since then."""
    for step in steps:
        if log_offset < step.offset:
            user = moved_back(user, step)
    return user


def moved_back(user: User, step: ClockStep) -> User:
    """``user`` after the step."""
    back_ms, latest_ms = step.back_ms, step.to_ms - 1
    changed = _in_order([d.changed_ms for d in user.devices], latest_ms)
    heard = _in_order([d.last_active_ms for d in user.devices], latest_ms)
    return replace(
        user,
        changed_ms=min(user.changed_ms, latest_ms),
        online_since_ms=_no_later(user.online_since_ms, latest_ms),
        devices=tuple(
            replace(
                _device(device, back_ms, latest_ms),
                changed_ms=changed[device.changed_ms],
                last_active_ms=heard[device.last_active_ms],
            )
            for device in user.devices
        ),
        sign_outs=tuple(_sign_out(sign_out, back_ms) for sign_out in user.sign_outs),
    )


def graces_moved_back(graces: Iterable[Grace], step: ClockStep) -> list[Grace]:
    return [replace(grace, until_ms=grace.until_ms - step.back_ms) for grace in graces]


def silence_moved_back(silence: Silence | None, step: ClockStep) -> Silence | None:
    """An outage that lasts begins anew at the new log time."""
    if silence is None:
        return None
    return replace(
        silence,
        since_ms=silence.since_ms - step.back_ms,
        outage_ms=None if silence.outage_ms is None else step.to_ms,
        held_ms=silence.held_ms - step.back_ms,
    )


def outages_cut(silence: Silence | None, step: ClockStep) -> tuple[Outage, ...]:
    """The outage that lasts, up to the step and from it on."""
    if silence is None or silence.outage_ms is None:
        return ()
    before = Outage("ticks_only", silence.outage_ms, step.from_ms)
    return (before, Outage("ticks_only", step.to_ms, None))


def _device(device: Device, back_ms: int, latest_ms: int) -> Device:
    stay = device.stay
    if stay is not None:
        stay = replace(
            stay,
            since_ms=min(stay.since_ms, latest_ms),
            told_before=tuple(
                replace(told, until_ms=min(told.until_ms, latest_ms)) for told in stay.told_before
            ),
        )
    return replace(
        device,
        expires_ms=device.expires_ms - back_ms,
        online_since_ms=_no_later(device.online_since_ms, latest_ms),
        sockets=_sockets(device.sockets, back_ms, latest_ms),
        stay=stay,
        replaced=tuple(
            replace(one, changed_ms=min(one.changed_ms, latest_ms)) for one in device.replaced
        ),
        timer=device.timer and replace(device.timer, beat_ms=min(device.timer.beat_ms, latest_ms)),
    )


def _sockets(sockets: Sockets | None, back_ms: int, latest_ms: int) -> Sockets | None:
    if sockets is None:
        return None
    http_ms, lost = sockets.http_expires_ms, sockets.lost
    return Sockets(
        tuple(Connection(c.id, c.forgotten_ms - back_ms) for c in sockets.connections),
        None if http_ms is None else http_ms - back_ms,
        None
        if lost is None
        else replace(
            lost,
            at_ms=min(lost.at_ms, latest_ms),
            silence_expires_ms=lost.silence_expires_ms - back_ms,
        ),
    )


def _sign_out(sign_out: SignOut, back_ms: int) -> SignOut:
    # When the token expires is not log time.
    return replace(sign_out, fence_until_ms=sign_out.fence_until_ms - back_ms)


def _no_later(at_ms: int | None, latest_ms: int) -> int | None:
    return None if at_ms is None else min(at_ms, latest_ms)


def _in_order(times_ms: Sequence[int], latest_ms: int) -> dict[int, int]:
    """What becomes of each: none is later than ``latest_ms``, none reaches the one after it."""
    moved: dict[int, int] = {}
    for at_ms in sorted(set(times_ms), reverse=True):
        moved[at_ms] = min(at_ms, latest_ms)
        latest_ms = moved[at_ms] - 1
    return moved
