"""Opt-outs and erasures of one partition. PURE.

An opt-out and an erasure end what is stored of a user: their row, their history, and what the batch
in hand would have added to it. Sums that they were counted in stay, and the visits that end here
end in those sums. What remains is one last change for the readers of ``presence.changes``: reason
``opted_out`` or ``erased``, device ``""``, no screens, and the connections to close.

From an opt-out to the next opt-in nothing of the user counts, whatever still arrives. An erasure is
no opt-out: for ``logout_fence`` what arrives is ignored, because it was sent before; what comes
after that begins from nothing.

An erasure of what is older than ``before_ms`` leaves the row of a user who was heard of since, with
the devices that were.

Who that was is kept by a keyed hash alone. Only users of whom nothing is stored are looked for
among the hashes, so that the usual heartbeat costs none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Set
from dataclasses import dataclass
from typing import Literal, TypeAlias

import msgspec

from processor.core.devices import end_session
from processor.core.log.clock_steps import ClockStep
from processor.core.model import Changed, SignOut, User
from processor.core.sockets import open_connections
from schemas.log.events import Erase, OptIn, OptOut, PrivacyEvent

Removal: TypeAlias = Literal["opted_out", "erased"]


class Erasure(msgspec.Struct, frozen=True, gc=False):
    """What is stored of a user is to go; with ``before_ms`` what is of log time before that, and
    their row in ``presence`` stays."""

    user_id: str
    user_hash: bytes
    request: str
    reason: Removal
    offset: int
    at_ms: int
    before_ms: int | None = None


class FlagChange(msgspec.Struct, frozen=True, gc=False):
    """What is known of a user by hash after the event at ``offset``. ``erased_ms`` is ``None``
    where nothing was erased by it; ``fence_until_ms`` is the end of an erasure's fence."""

    opted_out: bool
    offset: int
    at_ms: int
    erased_ms: int | None = None
    fence_until_ms: int | None = None

    def after(self, earlier: FlagChange | None) -> FlagChange:
        """The two as one, where ``earlier`` is of the same batch: what it erased stays erased."""
        if earlier is None or earlier.erased_ms is None:
            return self
        erased_ms = max(earlier.erased_ms, self.erased_ms or earlier.erased_ms)
        return msgspec.structs.replace(self, erased_ms=erased_ms)


class StoredFlag(msgspec.Struct, frozen=True, gc=False):
    """A row of ``privacy_flags`` that still keeps somebody out."""

    user_hash: bytes
    opted_out: bool
    offset: int
    fence_until_ms: int | None


@dataclass(frozen=True, slots=True)
class Removed:
    """A user as they leave: their devices' sessions ended, and the last change."""

    user: User
    ended: tuple[Changed, ...]
    last: Changed


class Privacy:
    """Who is kept out. ``hashed`` gives the keyed hash of a user id."""

    def __init__(
        self, hashed: Callable[[str], bytes] = str.encode, flags: Iterable[StoredFlag] = ()
    ) -> None:
        self.hashed = hashed
        self._opted_out: set[bytes] = set()
        #: Until when; few, and forgotten with the next erasure after that.
        self._fences: dict[bytes, int] = {}
        for flag in flags:
            if flag.opted_out:
                self._opted_out.add(flag.user_hash)
            if flag.fence_until_ms is not None:
                self._fences[flag.user_hash] = flag.fence_until_ms

    def kept_out(self, user_id: str, now_ms: int) -> tuple[Removal, bytes] | None:
        """Why nothing of a user of whom nothing is stored counts now, and their hash."""
        if not self._opted_out and not self._fences:
            return None
        user_hash = self.hashed(user_id)
        if user_hash in self._opted_out:
            return "opted_out", user_hash
        return ("erased", user_hash) if now_ms < self._fences.get(user_hash, now_ms) else None

    def apply(
        self, event: PrivacyEvent, offset: int, now_ms: int, fence_ms: int
    ) -> tuple[bytes, FlagChange]:
        """``event`` holds from here on; gives the user's hash and what is known of them."""
        user_hash = self.hashed(event.user)
        if isinstance(event, OptIn):
            self._opted_out.discard(user_hash)
            fence_until_ms = self._fence(user_hash, now_ms)
            return user_hash, FlagChange(False, offset, now_ms, None, fence_until_ms)
        erased_ms = now_ms
        if isinstance(event, OptOut):
            self._opted_out.add(user_hash)
        elif event.before_ms is not None:
            erased_ms = event.before_ms
        else:
            self._fences = {known: ms for known, ms in self._fences.items() if now_ms < ms}
            self._fences[user_hash] = now_ms + fence_ms
        return user_hash, FlagChange(
            user_hash in self._opted_out,
            offset,
            now_ms,
            erased_ms,
            self._fence(user_hash, now_ms),
        )

    def _fence(self, user_hash: bytes, now_ms: int) -> int | None:
        """The end of the user's fence while it runs."""
        until_ms = self._fences.get(user_hash, now_ms)
        return until_ms if now_ms < until_ms else None

    def step_back(self, step: ClockStep) -> None:
        """Log time steps back, and running fences with it."""
        self._fences = {known: ms - step.back_ms for known, ms in self._fences.items()}


def flag_as_of_now(flag: StoredFlag, steps: Iterable[ClockStep]) -> StoredFlag:
    """A stored flag after the steps of log time since."""
    if flag.fence_until_ms is None:
        return flag
    back_ms = sum(step.back_ms for step in steps if step.offset > flag.offset)
    return msgspec.structs.replace(flag, fence_until_ms=flag.fence_until_ms - back_ms)


def is_heard_since(user: User, before_ms: int | None) -> bool:
    """Whether an erasure of what is older leaves the user's row."""
    return before_ms is not None and any(d.last_active_ms >= before_ms for d in user.devices)


def heard_since(user: User, before_ms: int, now_ms: int) -> tuple[User, tuple[Changed, ...]]:
    """What is left of ``user`` where they were heard of since, and the sessions that this ended of
    other devices. Nobody is told of these: for the readers of ``presence.changes`` the user left
    when they were erased."""
    gone = [device for device in user.devices if device.last_active_ms < before_ms]
    names = {device.device for device in gone}
    ended: list[Changed] = []
    for device in gone:
        if device.online:
            user, changed = end_session(user, device, "erased", now_ms)
            ended.append(changed)
    left = msgspec.structs.replace(
        user,
        devices=tuple(device for device in user.devices if device.device not in names),
        sign_outs=tuple(
            _without(names, each)
            for each in user.sign_outs
            if not each.devices or not names.issuperset(each.devices)
        ),
        first_day=user.active_day,
    )
    return left, tuple(ended)


def _without(names: Set[str], sign_out: SignOut) -> SignOut:
    """``sign_out``, which names these devices no more."""
    return msgspec.structs.replace(
        sign_out,
        devices=tuple(device for device in sign_out.devices if device not in names),
        spared=tuple(device for device in sign_out.spared if device not in names),
    )


def remove(user: User, event: OptOut | Erase, now_ms: int) -> Removed:
    """``user`` leaves."""
    reason: Removal = "opted_out" if isinstance(event, OptOut) else "erased"
    connections = tuple(
        connection.id
        for device in user.devices
        if device.online
        for connection in open_connections(device, now_ms)
    )
    last = Changed(
        at_ms=now_ms,
        user_id=user.user_id,
        device="",
        reason=reason,
        previous_state=user.state,
        state="offline",
        previous_screen=None,
        screen=None,
        user_state="offline",
        user_screen=None,
        app_version=None,
        platform=None,
        connections=connections,
        previous_user_state=user.state,
        previous_user_screen=user.screen,
    )
    ended: list[Changed] = []
    for device in user.devices:
        if device.online:
            user, changed = end_session(user, device, reason, now_ms)
            ended.append(changed)
    return Removed(user, tuple(ended), last)
