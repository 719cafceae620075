"""What an issuer that is asked about a token says of it, and how that is read."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import aiohttp

from schemas.http.client_responses import read_at_most
from schemas.tokens.identity import Identity
from schemas.untrusted.nesting import load_json

MAX_BYTES: Final = 65_536


class Answer(NamedTuple):
    """A token counts: for whom, and until when in Unix seconds it may be believed at most."""

    identity: Identity
    until: float


class Refusal(NamedTuple):
    """A problem to be raised: of the table in ``schemas/http/problems.py``."""

    code: str
    detail: str
    cause: str = ""


class NoAnswerError(RuntimeError):
    """The server did not say what the token is. The message says why. ``of_token``: it answered,
    so that another token may fare better."""

    def __init__(self, message: str, *, of_token: bool = False) -> None:
        super().__init__(message)
        self.of_token = of_token


async def read_json(answer: aiohttp.ClientResponse) -> Any:
    """The body of an answer, decoded. Raises ``ValueError`` on one that is longer than
    :data:`MAX_BYTES`, nested too deeply, or no JSON."""
    return load_json(await read_at_most(answer, MAX_BYTES))
