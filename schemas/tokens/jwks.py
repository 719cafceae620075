"""A JSON Web Key Set by URL: cached, refreshed when a token names a key that it lacks.

One fetch is in flight at a time, unknown keys cause at most one fetch per cooldown (a stream of
forged ``kid`` values must not become a stream of requests), and keys that were fetched once stay
in use while their server is away.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any, Final

import aiohttp

from schemas.http.client_responses import read_at_most
from schemas.tokens.jwk_set import ListedKey, NoKeysError, read_key_set

FETCH_TIMEOUT_SECONDS = 5.0
MAX_BYTES = 1_000_000
#: Keys that are tried for one token: a set may hold copies, and tokens need no key id.
MAX_TRIED: Final = 8

logger = logging.getLogger(__name__)


class UnknownKeyError(LookupError):
    """The key set has no key with this id."""


class KeysUnavailableError(RuntimeError):
    """The key set was never fetched, and cannot be now."""


class JwksClient:
    """Keys of a JWKS URL. ``clock`` is monotonic seconds."""

    def __init__(
        self,
        url: str,
        *,
        refresh_seconds: float,
        cooldown_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url = url
        self._refresh_seconds = refresh_seconds
        self._cooldown_seconds = cooldown_seconds
        self._clock = clock
        self._keys: list[ListedKey] | None = None
        self._fetched_at = 0.0
        self._tried_at: float | None = None
        self._fetch: asyncio.Task[None] | None = None
        self._error = ""
        self.version = 0
        self._document_read = b""

    @property
    def trouble(self) -> str | None:
        """What was wrong with the last fetch; ``None`` if it went well."""
        return f"The keys at {self._url} cannot be used: {self._error}." if self._error else None

    async def keys_for(self, key_id: object, algorithm: str) -> list[Any]:
        """The keys with this id that serve this algorithm, at least one; a token without an id may
        have been signed with any. Raises :class:`UnknownKeyError` or
        :class:`KeysUnavailableError`."""
        if self._keys is None:
            await self._refresh()
        elif self._clock() - self._fetched_at >= self._refresh_seconds:
            # Due, but what we have still serves: nobody waits for it.
            self._start_fetch()
        found = self._find(key_id, algorithm)
        if not found:
            await self._refresh()
            found = self._find(key_id, algorithm)
        if not found:
            raise UnknownKeyError("The token was signed with a key that its issuer does not list.")
        return found

    async def renew(self) -> bool:
        """Fetch the set again where the cooldown lets us: an issuer that gives its keys no ids has
        perhaps another one now."""
        known = self._keys
        fetch = self._start_fetch()
        if fetch is not None:
            await asyncio.shield(fetch)
        return self._keys is not known

    async def close(self) -> None:
        if self._fetch is not None:
            self._fetch.cancel()
            await asyncio.gather(self._fetch, return_exceptions=True)

    def _find(self, key_id: object, algorithm: str) -> list[Any]:
        usable = [
            listed.key
            for listed in self._keys or ()
            if algorithm in listed.algorithms and key_id in (None, listed.key_id)
        ]
        return usable[:MAX_TRIED]

    async def _refresh(self) -> None:
        fetch = self._start_fetch()
        if fetch is not None:
            # Shielded: a request that gives up must not end the fetch others wait for.
            await asyncio.shield(fetch)
        if self._keys is None:
            raise KeysUnavailableError(f"The token's keys cannot be fetched: {self._error}.")

    def _start_fetch(self) -> asyncio.Task[None] | None:
        if self._fetch is not None and not self._fetch.done():
            return self._fetch
        now = self._clock()
        if self._tried_at is not None and now - self._tried_at < self._cooldown_seconds:
            return None
        self._tried_at = now
        self._fetch = asyncio.create_task(self._fetch_keys(), name="jwks-fetch")
        return self._fetch

    async def _fetch_keys(self) -> None:
        told = self._error
        try:
            document = await self._document()
            self._keys = read_key_set(document)
        except (aiohttp.ClientError, TimeoutError) as error:
            status = f" {error.status}" if isinstance(error, aiohttp.ClientResponseError) else ""
            self._error = type(error).__name__ + status
        except NoKeysError as error:
            self._error = str(error)
        else:
            self._fetched_at = self._clock()
            self._error = ""
            if document != self._document_read:
                self._document_read = document
                self.version += 1
        if self._error and self._error != told:
            logger.warning("The key set at %s cannot be used: %s", self._url, self._error)

    async def _document(self) -> bytes:
        timeout = aiohttp.ClientTimeout(total=FETCH_TIMEOUT_SECONDS)
        async with (
            aiohttp.ClientSession(timeout=timeout, raise_for_status=True) as http,
            # A redirect would let another server say whose signatures count.
            http.get(self._url, allow_redirects=False) as answer,
        ):
            if answer.status != 200:
                raise NoKeysError(f"it answers with HTTP status {answer.status}")
            try:
                return await read_at_most(answer, MAX_BYTES)
            except ValueError as error:
                raise NoKeysError(f"it has {error}") from error
