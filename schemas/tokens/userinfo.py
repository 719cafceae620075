"""Tokens of the app's own back end: it is asked with the phone's own header who the user is.

``GET`` an address such as ``/api/user``, as the app itself does. 200 with a JSON object names the
user; 401 and 403 mean that the token does not count; anything else says nothing about it (503). So
Laravel Sanctum and Passport, Django REST, Rails and most others are connected without writing an
endpoint. The rest is ``schemas/tokens/asking.py``, with these differences to introspection:

1. An answer is believed for long (``cache_seconds`` ± 20 %), and for :data:`STALE_SECONDS` longer
   while the back end is away: it was not built to be asked about every heartbeat.
2. A redirect, a page, a 404 or a 500 may be one token's fault (Laravel answers so where a route's
   guard is another), so they never keep others from being asked. Only what says that nobody is
   there does: no connection, no answer in time, 502, 503, 504 and 429.
3. The answer describes a person: only user and name are read from it.
4. A redirect is not followed: it would take the token elsewhere.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import aiohttp

from schemas.tokens.answers import Answer, NoAnswerError, Refusal, read_json
from schemas.tokens.asking import Asking, AskingVerifier
from schemas.tokens.claims import ClaimRules
from schemas.tokens.forms import unverified_claims
from schemas.tokens.identity import Identity, TokenRefusedError

STALE_SECONDS: Final = 3600.0
#: The part by which the cache time differs at random.
SPREAD: Final = 0.2
_REFUSED: Final = (401, 403)
_NOBODY_THERE: Final = (429, 502, 503, 504)


@dataclass(frozen=True, slots=True)
class BackEnd:
    """Who is asked, with which header of ours, and how its answers are read."""

    asking: Asking
    header: tuple[str, str] | None = field(repr=False)
    rules: ClaimRules


class UserinfoVerifier(AskingVerifier):
    """The ``TokenVerifier`` of the app's own tokens. ``clock`` gives Unix seconds, ``monotonic``
    the time for ages."""

    def __init__(
        self,
        back_end: BackEnd,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        *,
        logout_seconds: float = 0.0,
    ) -> None:
        super().__init__(back_end.asking, clock, monotonic, logout_seconds)
        self._back_end = back_end

    def _headers(self) -> dict[str, str]:
        return dict([self._back_end.header] if self._back_end.header else [])

    async def _question(self, http: aiohttp.ClientSession, token: str) -> Identity | int:
        """Who it is, or the status that says that nobody is."""
        headers = {"Authorization": f"Bearer {token}"}
        url = self._back_end.asking.url
        async with http.get(url, headers=headers, allow_redirects=False) as answer:
            if answer.status in _REFUSED:
                return answer.status
            if answer.status != 200:
                raise NoAnswerError(
                    f"HTTP status {answer.status}", of_token=answer.status not in _NOBODY_THERE
                )
            try:
                found = await read_json(answer)
            except ValueError as error:
                raise NoAnswerError(
                    "its answer is no JSON document of a sane size", of_token=True
                ) from error
        if not isinstance(found, dict):
            raise NoAnswerError("its answer is no JSON object", of_token=True)
        try:
            return self._back_end.rules.person(token, found)
        except TokenRefusedError as refused:
            # The fault of a setting, not of the token: 401 would sign everybody out.
            detail = refused.detail.replace("The token's", "its answer's")
            raise NoAnswerError(detail.rstrip("."), of_token=True) from refused

    def _read(self, token: str, said: Identity | int) -> Answer | Refusal:
        if isinstance(said, int):
            return Refusal("token_revoked", f"The back end does not accept it (status {said}).")
        expires = (unverified_claims(token) or {}).get("exp")
        if not isinstance(expires, int | float) or not self._now() < expires < math.inf:
            expires = math.inf
        return Answer(said, float(expires))
