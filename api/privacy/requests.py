"""Opting out and in, and erasing: the event, the flag, and the wait for the processor.

1. The event is written first. Once it is in the log it will hold, whatever else fails.
2. An opt-out's flag is written next, so that ingest stops writing at once. All other flags are the
   processor's: until it has passed an opt-in, the user is still kept out.
3. Then the processor is waited for, five seconds at most. ``done``: nothing of the user is stored
   or shown any more, or they count again; else it will be so.

Everything may be asked again. What is asked again while it is not done is done again under the same
id, and so is what is asked for more than 20 times a day: each is an event of the log, because what
came since goes too, and none is a further record.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from dataclasses import dataclass
from typing import Final

from api.privacy.log import PrivacyLog, Written
from api.privacy.store import Claim, PrivacyStore
from api.settings import ApiSettings
from schemas.http.problems import ProblemError
from schemas.log.events import PRIVACY_VERSION, Erase, OptIn, OptOut, PrivacyEvent
from schemas.log.privacy_flags import Flag
from schemas.service.user_hash import UserHash, UserHashKeyError, check_fingerprint

WAIT_SECONDS: Final = 5.0
#: A probe waits no longer.
PROBE_SECONDS: Final = 0.5
_ASK_EVERY_SECONDS: Final = 0.1

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Requested:
    """``done``: the processor has passed it."""

    id: str
    done: bool


class PrivacyRequests:
    """Raises ``ProblemError``, ``unavailable`` where this deployment cannot do it, with why."""

    def __init__(self, settings: ApiSettings, store: PrivacyStore, log: PrivacyLog) -> None:
        self._version = settings.event_version
        self._hashed = settings.user_hash
        self._store = store
        self._log = log
        self._known: Claim | None = None
        self._told: str | None = None
        self._base: int | None = None

    async def not_ready(self) -> str | None:
        """Why this process is not to be asked: its key is not the database's. One without a key
        goes on for a while after the database gets one: its successor with the key is coming."""
        try:
            async with asyncio.timeout(PROBE_SECONDS):
                claim = await self._claim()
        except (ProblemError, TimeoutError):
            return None  # whether the database answers is asked elsewhere
        if claim is None or (self._hashed is None and claim.is_new):
            return None
        try:
            check_fingerprint(self._hashed, claim.fingerprint, "the database")
        except UserHashKeyError as error:
            if self._told != str(error):
                logger.error("Not ready: %s", error)
            self._told = str(error)
        else:
            self._told = None
        return self._told

    async def refuse_without_the_key(self) -> None:
        """The database knows users by a key, and it is not ours: by our hashes nobody would be
        found, which is no answer."""
        stored = await self._fingerprint()
        if stored is None:
            return
        try:
            check_fingerprint(self._hashed, stored, "the database")
        except UserHashKeyError as error:
            raise ProblemError("unavailable", f"Nobody can be looked for: {error}.") from None

    async def is_enabled(self, user_id: str) -> bool:
        """Whether the user counts. Where no service has a key nobody can have opted out."""
        await self.refuse_without_the_key()
        return self._hashed is None or not await self._store.opted_out(self._hashed(user_id))

    async def set_enabled(self, user_id: str, enabled: bool) -> Requested:
        """Opt in or out."""
        if enabled:
            return await self._write(OptIn(user=user_id, request=_new_id()), "opted_in")
        request = await self._id_of(user_id, "opted_out")
        return await self._write(OptOut(user=user_id, request=request), "opted_out")

    async def erase(self, user_id: str, *, wait: bool) -> Requested:
        """Erase what is stored."""
        request = await self._id_of(user_id, "erased")
        return await self._write(Erase(user=user_id, request=request), "erased", wait=wait)

    def hash_of(self, user_id: str) -> bytes | None:
        """``None`` without a key."""
        return self._hashed(user_id) if self._hashed is not None else None

    async def _id_of(self, user_id: str, kind: str) -> str:
        hashed = await self.usable_hash()
        try:
            same = await self._store.same_erasure(hashed(user_id), kind)
        except ProblemError:
            same = None  # the event counts, and how many records there are does not
        return same or _new_id()

    async def _claim(self) -> Claim | None:
        """Never changes once there is one that is not new."""
        if self._known is None or self._known.is_new:
            self._known = await self._store.claim()
        return self._known

    async def _fingerprint(self) -> str | None:
        claim = await self._claim()
        return claim.fingerprint if claim is not None else None

    async def usable_hash(self) -> UserHash:
        """Raises ``ProblemError``: this deployment does not take opt-outs and erasures."""
        if self._hashed is None:
            raise _not_set_up("it has no ROLLCALL_USER_HASH_KEY")
        if self._version < PRIVACY_VERSION:
            raise _not_set_up(
                "ROLLCALL_EVENT_VERSION is 1: set it to 2 once every processor is of this release"
            )
        stored = await self._fingerprint()
        if stored is None:
            raise _not_set_up("no processor with a ROLLCALL_USER_HASH_KEY has started yet")
        try:
            check_fingerprint(self._hashed, stored, "the database")
        except UserHashKeyError as error:
            raise _not_set_up(str(error)) from None
        return self._hashed

    async def _write(self, event: PrivacyEvent, kind: str, *, wait: bool = True) -> Requested:
        hashed = await self.usable_hash()
        user_hash = hashed(event.user)
        base = await self._log_base()
        written = await self._log.write(event)
        try:
            if isinstance(event, OptOut):
                position = base + written.offset
                flag = Flag(True, written.partition, position, hashed.fingerprint)
                await self._log.flag(user_hash, flag)
            if not isinstance(event, OptIn):
                await self._store.note_request(event.request, user_hash, kind, written.partition)
            done = wait and await self._passed(written)
        except ProblemError as problem:
            # It is in the log, so it will be: the processor does what is missing.
            logger.warning("A privacy event is in the log, but: %s", problem.detail)
            done = False
        return Requested(event.request, done)

    async def _log_base(self) -> int:
        """The last one known where the database is away: it changes when a Kafka is lost."""
        try:
            self._base = await self._store.log_base()
        except ProblemError:
            if self._base is None:
                raise
        return self._base

    async def _passed(self, written: Written) -> bool:
        deadline = asyncio.get_running_loop().time() + WAIT_SECONDS
        while not await self._store.passed(written):
            if asyncio.get_running_loop().time() >= deadline:
                return False
            await asyncio.sleep(_ASK_EVERY_SECONDS)
        return True


def _new_id() -> str:
    return secrets.token_hex(16)


def _not_set_up(why: str) -> ProblemError:
    return ProblemError(
        "unavailable", f"This deployment does not take opt-outs and erasures: {why}."
    )
