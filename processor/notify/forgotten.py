"""Who of some users must not be told of any more: asked right before they are."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

from schemas.service.user_hash import UserHash, check_fingerprint


class Flags(Protocol):
    """What PostgreSQL has of them, by hash."""

    async def erased(self, hashes: list[bytes]) -> dict[bytes, datetime]: ...

    async def asked_to_forget(self, hashes: list[bytes]) -> set[bytes]: ...

    async def hash_key(self) -> str | None: ...


class Forgotten:
    """Raises ``UserHashKeyError`` if the deployment knows users by a key that is not ours, and
    ``psycopg.Error``."""

    def __init__(self, flags: Flags, user_hash: UserHash | None) -> None:
        self._flags = flags
        self._user_hash = user_hash

    async def among(self, users: Mapping[str, datetime]) -> set[str]:
        """Those who opted out, who asked to be erased, or who were since the log time at which
        something is known of them."""
        fingerprint = await self._flags.hash_key()
        if fingerprint is None or not users:
            return set()
        check_fingerprint(self._user_hash, fingerprint, "the database")
        assert self._user_hash is not None  # noqa: S101 - it was checked
        hashed = self._user_hash
        # Of 20,000 users that is a while.
        hashes = await asyncio.to_thread(lambda: {hashed(user): user for user in users})
        found = {hashes[each] for each in await self._flags.asked_to_forget(list(hashes))}
        for user_hash, until in (await self._flags.erased(list(hashes))).items():
            if users[hashes[user_hash]] <= until:
                found.add(hashes[user_hash])
        return found
