"""The file of tokens: whose they are and until when they are good.

A line is a token, or a user id, a blank and a token; ``#`` begins a comment. Of a JWT the claims
are read and not verified: ingest does that, and a token that it refuses shows in the calls.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from schemas.tokens.claims import find_claim

MAX_TOKENS: Final = 100
_MAX_BYTES: Final = 1_048_576


class TokensFileError(RuntimeError):
    """The file cannot be used. The message names the line and the remedy, and no token."""


@dataclass(frozen=True, slots=True)
class CanaryToken:
    """``expires_at`` is in Unix seconds; ``None``: the token does not say."""

    user: str
    token: str
    expires_at: float | None


class TokensFile:
    """At ``path``; ``user_claim`` is the claim of JWTs that names the user."""

    def __init__(self, path: Path, user_claim: str) -> None:
        self._path = path
        self._user_claim = user_claim
        self._read_as: object = None

    @property
    def has_changed(self) -> bool:
        """Whether it is another one than was read last."""
        return self._signature() != self._read_as

    def read(self, now: float) -> list[CanaryToken]:
        """The tokens, in the order of the file. Raises :class:`TokensFileError`."""
        self._read_as = self._signature()
        try:
            if self._path.stat().st_size > _MAX_BYTES:
                raise TokensFileError(f"{self._path} is larger than 1 MiB: give a token a line")
            text = self._path.read_text("utf-8")
            return parse_tokens(text, self._user_claim, now)
        except OSError as error:
            raise TokensFileError(f"cannot read {self._path}: {error.strerror}") from None
        except UnicodeDecodeError:
            raise TokensFileError(f"{self._path} is no UTF-8 text: give a token a line") from None
        except ValueError as error:
            raise TokensFileError(f"{self._path}: {error}") from None

    def _signature(self) -> object:
        try:
            found = self._path.stat()
        except OSError as error:
            return error.errno
        return found.st_mtime_ns, found.st_size, found.st_ino


def parse_tokens(text: str, user_claim: str, now: float) -> list[CanaryToken]:
    """Raises ``ValueError`` that names the line."""
    found: dict[str, tuple[int, CanaryToken]] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if len(words) > 2:
            raise ValueError(f"line {number}: give a token, or a user id, a blank and a token")
        token = _token(words, user_claim, number)
        if token.expires_at is not None and token.expires_at <= now:
            raise ValueError(f"line {number}: the token has expired; put a new one there")
        if token.user in found:
            raise ValueError(
                f"line {number}: its user is that of line {found[token.user][0]}; each canary is a "
                "user of its own"
            )
        found[token.user] = number, token
    if not found:
        raise ValueError("there is no token in it: give one a line")
    if len(found) > MAX_TOKENS:
        raise ValueError(f"{len(found)} tokens: give {MAX_TOKENS} at most, a dozen is enough")
    return [token for _, token in found.values()]


def _token(words: list[str], user_claim: str, line: int) -> CanaryToken:
    claims = _claims(words[-1])
    expires = claims.get("exp")
    until = float(expires) if isinstance(expires, int | float) else None
    if len(words) == 2:
        return CanaryToken(words[0], words[1], until)
    user = find_claim(claims, user_claim)
    if isinstance(user, int) and not isinstance(user, bool):
        user = str(user)
    if not isinstance(user, str) or not user:
        raise ValueError(
            f"line {line}: the token tells no user (a JWT's claim {user_claim}): put the user id "
            "and a blank before it"
        )
    return CanaryToken(user, words[0], until)


def _claims(token: str) -> dict[str, Any]:
    """Of a JWT, unverified; empty of anything else."""
    parts = token.split(".")
    if len(parts) != 3:
        return {}
    try:
        padded = parts[1] + "=" * (-len(parts[1]) % 4)
        claims = json.loads(base64.urlsafe_b64decode(padded))
    except (ValueError, binascii.Error, RecursionError):
        return {}
    return claims if isinstance(claims, dict) else {}
