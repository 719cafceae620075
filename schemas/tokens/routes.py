"""Several sources of tokens at once, for as long as phones move from one to the next.

Which source a token goes to follows from its form. A JWT goes to those whose keys serve its
algorithm: keys that are at hand before key sets, and on from one whose key did not sign it. Only
what no key can have signed goes to an address that is asked. A JWT that fails is never handed on to
one: a forged token would cost somebody else a request.
"""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Sequence

from schemas.http.problems import ProblemError
from schemas.tokens.forms import jwt_header, mistake_in
from schemas.tokens.identity import NOBODY, Caller, Identity, TokenRefusedError, TokenVerifier
from schemas.tokens.jwt import JwtVerifier

_SIGNED_BY_ANOTHER = ("bad_signature", "unknown_key")


class TokenRoutes:
    """The ``TokenVerifier`` of several: ``by_key`` in the order in which they are tried, and
    ``asked``, if there is one."""

    def __init__(self, by_key: Sequence[JwtVerifier], asked: TokenVerifier | None) -> None:
        self._by_key = by_key
        self._asked = asked
        self._all: list[TokenVerifier] = [*by_key, *([asked] if asked is not None else [])]

    @property
    def hints(self) -> list[str]:
        return [hint for each in self._all for hint in each.hints]

    def cached(self, token: str) -> Identity | None:
        for each in self._all:
            identity = each.cached(token)
            if identity is not None:
                return identity
        return None

    def at_once(self, token: str) -> Identity | None:
        refused: ProblemError | None = None
        for each in self._candidates(token):
            try:
                return each.at_once(token)
            except ProblemError as problem:
                refused = _unless_signed_by_another(refused, problem)
        assert refused is not None  # noqa: S101 - there is a candidate
        raise refused

    @property
    def key_set(self) -> tuple[Hashable, ...]:
        return tuple(each.key_set for each in self._all)

    async def verify(
        self, token: str, *, expired_for_seconds: float = 0.0, caller: Caller = NOBODY
    ) -> Identity:
        refused: ProblemError | None = None
        for each in self._candidates(token):
            try:
                return await each.verify(
                    token, expired_for_seconds=expired_for_seconds, caller=caller
                )
            except ProblemError as problem:
                refused = _unless_signed_by_another(refused, problem)
        assert refused is not None  # noqa: S101 - there is a candidate
        raise refused

    async def close(self) -> None:
        await asyncio.gather(*(each.close() for each in self._all))

    def _candidates(self, token: str) -> Sequence[TokenVerifier]:
        header = None if mistake_in(token) else jwt_header(token)
        algorithm = header.get("alg") if header is not None else None
        serving = [each for each in self._by_key if algorithm in each.algorithms]
        if serving:
            return serving
        return [self._asked if self._asked is not None else self._by_key[0]]


def _unless_signed_by_another(before: ProblemError | None, problem: ProblemError) -> ProblemError:
    """What to raise if no further source accepts the token; raises what none of them can mend."""
    if problem.code not in (*_SIGNED_BY_ANOTHER, "unavailable"):
        raise problem
    # A key set that is away may have signed it, whatever the others say.
    if before is not None and before.code == "unavailable":
        return before
    return _more_telling(before, problem)


def _more_telling(first: ProblemError | None, then: ProblemError) -> ProblemError:
    """A cause is more than a code, and a signature that does not match more than a key that is not
    there."""
    if first is None or then.code == "unavailable":
        return then
    told_more = isinstance(first, TokenRefusedError) and first.cause not in _SIGNED_BY_ANOTHER
    return first if told_more or then.code == "unknown_key" else then
