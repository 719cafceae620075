"""One rule about failed authentication, for phones and for readers.

1. A token that is not accepted and never will be (malformed, expired, revoked, for or from somebody
   else, badly signed) is remembered by its hash for :data:`REMEMBERED_SECONDS`: an old app that
   repeats it gets its 401 without anybody verifying it again. Never remembered is what time or a
   rotation mends: ``unknown_key`` and ``token_not_yet_valid``; nor a bad signature once the key set
   is another one.
2. So what is limited is new and failing: of a client address ``auth_failures_per_second`` in the
   long run and ``auth_failures_burst`` at once. A call without any token counts too.
3. Where the keys are ours, verifying costs microseconds: a token that counts always passes, even
   if others of its address fail (a carrier's NAT is one address), and one that fails beyond the
   limit gets 429 instead of 401.
4. Where somebody is asked, a question costs them: an address beyond its limit causes no further one
   until it has waited, and none causes more than its share (``schemas/tokens/fair_turns.py``).
   Those calls get 503, never 401: nobody said anything about their tokens.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any, Final, NamedTuple

from cachetools import TTLCache

from schemas.http.problems import rate_limited
from schemas.http.token_bucket import BucketPolicy, TokenBuckets
from schemas.tokens.identity import Caller, Identity, TokenRefusedError, token_digest

REMEMBERED_SECONDS: Final = 60.0
MAX_REMEMBERED: Final = 100_000
#: What the same token may become.
_MAY_MEND: Final = ("unknown_key", "token_not_yet_valid")

Verify = Callable[[Caller], Awaitable[Identity]]


class _Refused(NamedTuple):
    code: str
    detail: str
    cause: str
    key_set: Any


class TokenDoor:
    """Admits tokens. ``key_set`` gives a value that changes whenever keys do; ``clock`` monotonic
    seconds; ``limited`` is called for each call that meets the limit."""

    def __init__(
        self,
        policy: BucketPolicy,
        *,
        key_set: Callable[[], Any],
        limited: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._failures = TokenBuckets(policy)
        self._key_set = key_set
        self._limited = limited
        self._clock = clock
        self._refused: TTLCache[tuple[bytes, str], _Refused] = TTLCache(
            MAX_REMEMBERED, REMEMBERED_SECONDS, clock
        )

    async def admit(
        self, token: str, address: str, verify: Verify, *, purpose: str = "", lasting: bool = True
    ) -> Identity:
        """Whom ``verify`` says that ``token`` speaks for; ``address`` is the client's.

        ``purpose`` tells rules apart by which the same token may fare differently; ``lasting``:
        whether a refusal may be remembered. Raises :class:`TokenRefusedError`, or ``ProblemError``
        with code ``rate_limited`` or ``unavailable``.
        """
        known = (token_digest(token), purpose)
        refused = self._refused.get(known) if lasting else None
        if refused is not None and self._still_holds(refused):
            raise TokenRefusedError(refused.code, refused.detail, refused.cause)
        try:
            return await verify(Caller(address, lambda: self._wait_seconds(address)))
        except TokenRefusedError as problem:
            if lasting and problem.code not in _MAY_MEND:
                self._refused[known] = _Refused(
                    problem.code, problem.detail, problem.cause, self._key_set()
                )
            self.failed(address)
            raise

    def remembers(self, token: str) -> bool:
        """Whether ``token`` was refused before, and would be again."""
        refused = self._refused.get((token_digest(token), ""))
        return refused is not None and self._still_holds(refused)

    def failed(self, address: str) -> None:
        """Count a failure. Raises ``ProblemError`` ``rate_limited`` beyond the limit."""
        wait_seconds = self._failures.take(address, self._clock())
        if wait_seconds:
            self._limited()
            raise rate_limited(
                "Too many calls from this address were refused for their token.", wait_seconds
            )

    def _still_holds(self, refused: _Refused) -> bool:
        return refused.code != "bad_signature" or refused.key_set == self._key_set()

    def _wait_seconds(self, address: str) -> float:
        wait_seconds = self._failures.wait_seconds(address, self._clock())
        if wait_seconds:
            self._limited()
        return wait_seconds
