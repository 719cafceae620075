"""Tokens that their issuer is asked about: what is remembered, shared, bounded and spared.

1. An answer is believed for a while, so that a heartbeat is no call to anybody's back end. A
   refusal is remembered for some seconds: a client that repeats a bad token costs one request.
2. Look-ups of one token share a request. Requests in flight and look-ups that wait for their turn
   are bounded, and shared fairly between client addresses (``schemas/tokens/fair_turns.py``); above
   that calls are refused for a while. So are those of an address whose tokens were refused too
   often (``schemas/tokens/door.py``).
3. Who is away or talks nonsense says nothing about a token: 503, never 401. A server that does not
   answer is left alone but for a probe every second (``schemas/tokens/circuit_breaker.py``). A
   nonsense that may be one token's fault (``NoAnswerError.of_token``) is remembered for that token
   alone.
4. What was known lasts longer by its hash (``schemas/tokens/known_tokens.py``): while the server is
   away, for as long as its kind says; and for a logout of a token that was revoked a moment ago.

``schemas/tokens/introspection.py`` and ``schemas/tokens/userinfo.py`` say what is asked and how
answers are read.
"""

from __future__ import annotations

import asyncio
import logging
import random
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import aiohttp
from cachetools import TTLCache

from schemas.http.problems import TOKEN_CODES, ProblemError
from schemas.tokens.answers import Answer, NoAnswerError, Refusal
from schemas.tokens.circuit_breaker import Circuit
from schemas.tokens.fair_turns import FairTurns, NoTurnError
from schemas.tokens.forms import mistake_in
from schemas.tokens.identity import (
    NOBODY,
    Caller,
    Identity,
    TokenRefusedError,
    VerifiedTokens,
    check_not_expired,
    token_digest,
)
from schemas.tokens.known_tokens import KnownTokens

#: A look-up, from its wait for a turn to the answer.
LOOK_UP_SECONDS: Final = 5.0
#: Look-ups for each request in flight; more would wait in vain.
LOOK_UPS_PER_REQUEST: Final = 32
REFUSAL_SECONDS: Final = 10.0
MAX_REFUSALS: Final = 10_000
#: How long what was known counts before the server that is away is asked again about it.
STALE_SECONDS: Final = 15.0


@dataclass(frozen=True, slots=True)
class Asking:
    """How the issuer of tokens is asked.

    ``variable`` is the setting that the address is from. ``spread`` is the part of
    ``cache_seconds`` by which it is longer or shorter at random, so that a fleet that came at once
    does not ask at once. ``stale_seconds``: how much longer an answer counts while nobody answers.
    """

    variable: str
    url: str
    cache_seconds: float
    cache_size: int
    max_in_flight: int
    spread: float = 0.0
    stale_seconds: float = 0.0


_TOO_MANY: Final = Refusal("unavailable", "Too many tokens are being looked up.")
_UNASKED: Final = Refusal(
    "unavailable",
    "Too many tokens of this address were refused: nobody is asked about another one now.",
)


class AskingVerifier(VerifiedTokens, ABC):
    """A ``TokenVerifier`` that asks. ``clock`` gives Unix seconds, ``monotonic`` the time for
    ages. ``logout_seconds``: how long after a token counted last its logout does, though it was
    revoked since."""

    def __init__(
        self,
        asking: Asking,
        clock: Callable[[], float],
        monotonic: Callable[[], float],
        logout_seconds: float,
    ) -> None:
        super().__init__(asking.cache_size, monotonic)
        self._asking = asking
        self._logout_seconds = logout_seconds
        self._now = clock
        self._monotonic = monotonic
        self._refusals: TTLCache[bytes, Refusal] = TTLCache(
            MAX_REFUSALS, REFUSAL_SECONDS, monotonic
        )
        self._known = KnownTokens(asking.cache_size)
        self._look_ups: dict[str, asyncio.Task[Identity | Refusal]] = {}
        self._turns = FairTurns(asking.max_in_flight, asking.max_in_flight * LOOK_UPS_PER_REQUEST)
        self._circuit = Circuit()
        self._http: aiohttp.ClientSession | None = None
        #: Tokens that got no answer since the last one that did; fewer than open the circuit.
        self._failed: set[bytes] = set()
        self._trouble = ""
        self._told: set[str] = set()
        self._log = logging.getLogger(type(self).__module__)

    # -- what a kind of question says

    @abstractmethod
    async def _question(self, http: aiohttp.ClientSession, token: str) -> Any:
        """What the server says of the token. Raises :class:`NoAnswerError`."""

    @abstractmethod
    def _read(self, token: str, said: Any) -> Answer | Refusal:
        """What that means."""

    @abstractmethod
    def _headers(self) -> dict[str, str]:
        """Of every question."""

    # -- what services ask

    @property
    def hints(self) -> list[str]:
        """What keeps tokens from being looked up, for who operates this."""
        return [self._trouble] if self._trouble else []

    @property
    def key_set(self) -> int:
        return 0

    def at_once(self, token: str) -> Identity | None:
        return None

    async def verify(
        self, token: str, *, expired_for_seconds: float = 0.0, caller: Caller = NOBODY
    ) -> Identity:
        found = self.cached(token) or await self._find(token, caller)
        if isinstance(found, Refusal):
            known = self._still_counts(token, found.code, logout=expired_for_seconds > 0)
            if known is None:
                if found.code in TOKEN_CODES:
                    raise TokenRefusedError(*found)
                raise ProblemError(found.code, found.detail)
            found = known
        check_not_expired(found, self._now(), expired_for_seconds)
        return found

    async def close(self) -> None:
        tasks = list(self._look_ups.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._http is not None:
            await self._http.close()

    def _still_counts(self, token: str, code: str, *, logout: bool) -> Identity | None:
        """Whom a token spoke for until a moment ago, where that still counts."""
        digest, now = token_digest(token), self._monotonic()
        if code == "token_revoked" and logout:
            return self._known.find(digest, now - self._logout_seconds)
        if code != "unavailable":
            return None
        found = self._known.find_believed(digest, now - self._asking.stale_seconds, now)
        if found is None:
            return None
        identity, ends = found
        until = min(now + STALE_SECONDS, ends)
        self.remember(token, identity, until)
        self._known.used(digest, until)
        return identity

    async def _find(self, token: str, caller: Caller) -> Identity | Refusal:
        mistake = mistake_in(token)
        if mistake is not None:
            return Refusal(mistake.code, mistake.detail, mistake.cause)
        refused = self._refusals.get(token_digest(token))
        if refused is not None:
            return refused
        look_up = self._look_ups.get(token)
        if look_up is None:
            if len(self._look_ups) >= self._asking.max_in_flight * LOOK_UPS_PER_REQUEST:
                return _TOO_MANY
            if caller.wait_seconds():
                return _UNASKED
            probe = self._circuit.is_open
            if not self._circuit.allows(self._monotonic()):
                return _away("it did not answer a moment ago")
            look_up = asyncio.create_task(self._look_up(token, probe, caller), name="token-look-up")
            self._look_ups[token] = look_up
            look_up.add_done_callback(lambda _: self._look_ups.pop(token, None))
        # Shielded: a call that gives up must not end the look-up that others wait for.
        return await asyncio.shield(look_up)

    async def _look_up(self, token: str, probe: bool, caller: Caller) -> Identity | Refusal:
        asked = self._monotonic()
        try:
            async with asyncio.timeout(LOOK_UP_SECONDS), self._turns.turn(caller.address):
                if caller.wait_seconds():
                    return _UNASKED  # those before it were refused
                if self._circuit.is_open and not probe:
                    return _away("it stopped answering")
                said = await self._ask(token)
        except NoTurnError:
            return _TOO_MANY
        except (NoAnswerError, aiohttp.ClientError, TimeoutError) as error:
            return self._no_answer(token, error)
        self._note_success()
        self._trouble = ""
        found = self._read(token, said)
        digest = token_digest(token)
        if isinstance(found, Refusal):
            self._refusals[digest] = found
            self._known.no_more(digest, self._monotonic())
            return found
        # From the request on.
        ends = asked + found.until - self._now()
        until = min(asked + self._believed_seconds(), ends)
        self.remember(token, found.identity, until)
        self._known.believe(digest, found.identity, until, ends)
        return found.identity

    async def _ask(self, token: str) -> Any:
        if self._http is None:
            self._http = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=self._asking.max_in_flight),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"Accept": "application/json", "User-Agent": "Rollcall"} | self._headers(),
            )
        try:
            return await self._question(self._http, token)
        except aiohttp.ClientConnectorError:
            raise
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
            # It closed a kept connection while we wrote: asking again is safe.
            return await self._question(self._http, token)

    def _believed_seconds(self) -> float:
        spread = random.uniform(-self._asking.spread, self._asking.spread)  # noqa: S311
        return self._asking.cache_seconds * (1 + spread)

    def _no_answer(self, token: str, error: Exception) -> Refusal:
        reason = str(error) if isinstance(error, NoAnswerError) else type(error).__name__
        refusal = _away(reason)
        if isinstance(error, NoAnswerError) and error.of_token:
            self._refusals[token_digest(token)] = refusal
            self._note_success()  # it answers
            self._tell(f"{self._asking.variable} does not say whose a token is: {reason}")
        else:
            self._note_failure(token, reason)
        return refusal

    def _tell(self, trouble: str) -> None:
        """In readiness until a token is answered for; in the log once."""
        self._trouble = trouble
        if trouble not in self._told:
            self._told.add(trouble)
            self._log.warning("%s", trouble)

    def _note_failure(self, token: str, reason: str) -> None:
        digest = token_digest(token)
        if digest in self._failed:
            return  # one token alone says nothing about the others
        was_open = self._circuit.is_open
        self._circuit.failed(self._monotonic())
        if not self._circuit.is_open:
            self._failed.add(digest)
        elif not was_open:
            self._failed.clear()
            self._told.clear()
            self._tell(
                f"{self._asking.variable} does not answer ({reason}): calls with tokens that are "
                "not known yet get 503"
            )

    def _note_success(self) -> None:
        if self._circuit.is_open:
            self._log.info("%s answers again", self._asking.variable)
        self._failed.clear()
        self._circuit.succeeded()


def _away(reason: str) -> Refusal:
    return Refusal("unavailable", f"The token's issuer cannot be asked about it: {reason}.")
