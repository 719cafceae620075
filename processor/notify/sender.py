"""One attempt to deliver a message: signed, to checked addresses, no redirect followed."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final, Literal, TypeAlias

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver
from yarl import URL

from processor.notify.retries import retry_after_seconds
from schemas.webhooks.addresses import PrivateHosts
from schemas.webhooks.forms import MAX_WEBHOOKS
from schemas.webhooks.signing import signed_headers

Outcome: TypeAlias = Literal[
    "delivered", "refused", "gone", "timed_out", "unreachable", "not_allowed"
]
GONE: Final = 410
#: Of a response, which says nothing to us: longer ones cost their connection.
READ_BYTES: Final = 4_096
AGENT: Final = "Rollcall-Webhooks/1"
#: Threads: more than there are webhooks, so that names of one are looked up whatever others do.
LOOKUPS_AT_ONCE: Final = 2 * MAX_WEBHOOKS


@dataclass(frozen=True, slots=True)
class Attempt:
    """What became of one; ``problem`` is for people, without anything that the receiver wrote.
    ``status`` is ``None`` if there was no response."""

    outcome: Outcome
    problem: str = ""
    retry_after: float | None = None
    status: int | None = None


class NotAllowedError(OSError):
    """The host is at an address that messages may not go to."""


class CheckedResolver(AbstractResolver):
    """Names to addresses that may be connected to: all of a name's, or none.

    A name is looked up once at a time, for all who ask for it: a name server that does not answer
    holds one thread of many, whoever gives up meanwhile (``LOOKUPS_AT_ONCE``).
    """

    def __init__(self, private: PrivateHosts, resolver: AbstractResolver | None = None) -> None:
        self._private = private
        self._resolver = resolver or ThreadedResolver()
        self._asked: dict[tuple[str, int, int], asyncio.Task[list[ResolveResult]]] = {}

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        key = (host, port, family)
        asked = self._asked.get(key)
        if asked is None:
            asked = asyncio.create_task(self._resolver.resolve(host, port, family), name="look up")
            self._asked[key] = asked
            asked.add_done_callback(lambda done: self._answered(key, done))
        # Shielded: who gives up must not end what others wait for.
        found = await asyncio.shield(asked)
        for each in found:
            if not self._private.allows(host, each["host"]):
                raise NotAllowedError(f"{host} is at {each['host']}, in a private network")
        return found

    def _answered(self, key: tuple[str, int, int], done: asyncio.Task[list[ResolveResult]]) -> None:
        del self._asked[key]
        if not done.cancelled():
            done.exception()  # all who asked may have given up

    async def close(self) -> None:
        for asked in self._asked.values():
            asked.cancel()
        await self._resolver.close()


class Sender:
    """One HTTP client for all webhooks. Connections are bounded by who sends."""

    def __init__(self, private: PrivateHosts, timeout_seconds: float) -> None:
        self._private = private
        self._timeout_seconds = timeout_seconds
        self._http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0, resolver=CheckedResolver(private), use_dns_cache=False
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": AGENT, "Content-Type": "application/json"},
            auto_decompress=False,
            trust_env=False,
        )

    async def send(self, url: str, keys: Sequence[bytes], message_id: str, body: bytes) -> Attempt:
        """Sign now, post, and say what came of it."""
        return await self.post(url, body, signed_headers(keys, message_id, int(time.time()), body))

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Attempt:
        """As it is."""
        try:
            # As whoever connects reads it: digits of other scripts are an address to it, too.
            host = URL(url).host or ""
        except ValueError:
            return Attempt("not_allowed", "the URL is none")
        if _is_address(host) and not self._private.allows(host, host):
            return Attempt("not_allowed", f"{host} is in a private network")
        try:
            async with (
                asyncio.timeout(self._timeout_seconds),
                self._http.post(url, data=body, headers=headers, allow_redirects=False) as response,
            ):
                await response.content.read(READ_BYTES)
                return _attempt(response)
        except TimeoutError:
            return Attempt("timed_out", f"no answer in {self._timeout_seconds:g} s")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            cause = error.__cause__ or error
            inner = getattr(error, "os_error", None) or cause
            if isinstance(inner, NotAllowedError):
                return Attempt("not_allowed", str(inner))
            return Attempt("unreachable", type(inner).__name__)

    async def close(self) -> None:
        await self._http.close()


def _attempt(response: aiohttp.ClientResponse) -> Attempt:
    if 200 <= response.status < 300:
        return Attempt("delivered", status=response.status)
    problem = f"status {response.status}"
    if response.status == GONE:
        return Attempt("gone", problem, status=response.status)
    retry_after = retry_after_seconds(response.headers.get("Retry-After"))
    return Attempt("refused", problem, retry_after, response.status)


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
