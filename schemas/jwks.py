"""A JSON Web Key Set by URL: cached, refreshed when a token names a key that it lacks.

One fetch is in flight at a time, unknown keys cause at most one fetch per cooldown (a stream of
forged ``kid`` values must not become a stream of requests), and keys that were fetched once stay
in use while their server is away.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import aiohttp
import jwt

from schemas.http_answers import read_at_most

FETCH_TIMEOUT_SECONDS = 5.0
MAX_BYTES = 1_000_000


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
        self._keys: list[jwt.PyJWK] | None = None
        self._fetched_at = 0.0
        self._tried_at: float | None = None
        self._fetch: asyncio.Task[None] | None = None
        self._error = ""

    async def key_for(self, key_id: str | None, algorithm: str) -> Any:
        """The key with this id that serves this algorithm; a token without an id matches a set
        with one such key. Raises :class:`UnknownKeyError` or :class:`KeysUnavailableError`."""
        if self._keys is None:
            await self._refresh()
        elif self._clock() - self._fetched_at >= self._refresh_seconds:
            # Due, but what we have still serves: nobody waits for it.
            self._start_fetch()
        found = self._find(key_id, algorithm)
        if found is None:
            await self._refresh()
            found = self._find(key_id, algorithm)
        if found is None:
            raise UnknownKeyError("The token was signed with a key that its issuer does not list.")
        return found

    async def close(self) -> None:
        if self._fetch is not None:
            self._fetch.cancel()
            await asyncio.gather(self._fetch, return_exceptions=True)

    def _find(self, key_id: str | None, algorithm: str) -> Any:
        usable = [k for k in self._keys or () if k.algorithm_name == algorithm]
        if key_id is not None:
            usable = [key for key in usable if key.key_id == key_id]
        return usable[0].key if len(usable) == 1 else None

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
        try:
            timeout = aiohttp.ClientTimeout(total=FETCH_TIMEOUT_SECONDS)
            async with (
                aiohttp.ClientSession(timeout=timeout, raise_for_status=True) as http,
                http.get(self._url) as answer,
            ):
                text = await read_at_most(answer, MAX_BYTES)
            self._keys = jwt.PyJWKSet.from_json(text.decode()).keys
            self._fetched_at = self._clock()
        except (aiohttp.ClientError, TimeoutError) as error:
            self._error = type(error).__name__
        # What PyJWT lets through for documents that are no key set, among others.
        except (jwt.PyJWTError, ValueError, TypeError, AttributeError, LookupError, RecursionError):
            self._error = "it is not a JSON Web Key Set"
