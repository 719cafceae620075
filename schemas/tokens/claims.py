"""What claims say: who the user is, until when, for whom and by whom.

1. A claim is named by its name, by a path (``user.id``) or by a JSON pointer (``/user/id``, RFC
   6901). A claim that has just that name wins, dots and slashes included.
2. Where issuers or audiences are set, the claims must name one of them.
3. ``exp`` is seconds since 1970, perhaps with a fraction (RFC 7519; Laravel Passport's have one).
   Anything else is refused, and told what it looks like.
4. Names and devices only describe: what cannot be used counts as absent.
5. The claim of a canary is true as a boolean, a 1 or the text of either; anything else is not.

PURE.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from schemas.log.events import MAX_DEVICE_ID, MAX_NAME, MAX_USER_ID
from schemas.tokens.identity import Identity, TokenRefusedError, token_hash
from schemas.untrusted.text import clean_text

#: Later than any time that is meant, earlier than now in milliseconds (2001).
_MAX_SECONDS: Final = 1e12
_MAX_MILLISECONDS: Final = 1e14


def find_claim(claims: Mapping[str, Any], name: str) -> Any:
    """The claim of that name, path or pointer; ``None`` where there is none."""
    found = claims.get(name)
    if found is not None:
        return found
    if name.startswith("/"):
        return _follow(claims, [_unescaped(part) for part in name[1:].split("/")])
    for head, tail in _splits(name):
        inner = claims.get(head)
        if isinstance(inner, Mapping):
            found = find_claim(inner, tail)
        elif isinstance(inner, list):
            found = _follow(inner, tail.split("."))
        if found is not None:
            return found
    return None


def _splits(name: str) -> Iterator[tuple[str, str]]:
    """The name cut at each of its dots."""
    for place, character in enumerate(name):
        if character == ".":
            yield name[:place], name[place + 1 :]


def _unescaped(part: str) -> str:
    return part.replace("~1", "/").replace("~0", "~")


def _follow(value: Any, parts: Iterable[str]) -> Any:
    for part in parts:
        if isinstance(value, Mapping):
            value = value.get(part)
        elif isinstance(value, list) and part.isascii() and part.isdigit() and len(part) < 6:
            value = value[int(part)] if int(part) < len(value) else None
        else:
            return None
    return value


@dataclass(frozen=True, slots=True)
class ClaimRules:
    """How claims are read.

    ``user_claims`` are tried in order. One of ``issuers`` and of ``audiences`` is required where
    there are any; ``audience_claim`` is where the token says whom it is for. ``leeway_seconds`` is
    the clock skew tolerated in times. With ``max_age_seconds`` no token counts for longer from its
    ``iat`` on. Without a ``name_claim`` every name is empty, without a ``canary_claim`` nobody is
    a canary.
    """

    user_claims: tuple[str, ...]
    name_claim: str | None
    issuers: tuple[str, ...]
    audiences: tuple[str, ...]
    audience_claim: str
    leeway_seconds: float
    max_age_seconds: float | None = None
    requires_exp: bool = False
    canary_claim: str | None = None

    def identity(self, token: str, claims: dict[str, Any]) -> Identity:
        """Who the claims of ``token`` speak for.

        Raises :class:`TokenRefusedError` if they name no user or an unusable ``exp``, or were made
        by or for somebody else. The time is the verifier's to check.
        """
        self._check_issuer(claims)
        self._check_audience(claims)
        session = _text_claim(claims, "sid", MAX_DEVICE_ID)
        return Identity(
            user=self._user(claims),
            token=f"sid:{session}" if session else token_hash(token),
            name=self._name(claims),
            device=_text_claim(claims, "device_id", MAX_DEVICE_ID) or session,
            scopes=_first_equal(frozenset(_scopes(claims))),
            accepted_until=self._accepted_until(claims),
            canary=self._is_canary(claims),
        )

    def person(self, token: str, answer: dict[str, Any]) -> Identity:
        """Whom an answer about ``token`` describes, where it describes a person and no token: an
        ``exp`` there may be points, a ``device_id`` their first phone, ``permissions`` what they
        may do in the app. None of them says anything about the token.

        Raises :class:`TokenRefusedError` if it names no user.
        """
        return Identity(
            user=self._user(answer),
            token=token_hash(token),
            name=self._name(answer),
            device=None,
            scopes=_first_equal(frozenset()),
            accepted_until=None,
            canary=self._is_canary(answer),
        )

    def _check_issuer(self, claims: dict[str, Any]) -> None:
        if not self.issuers:
            return
        issuer = claims.get("iss")
        if issuer is None:
            raise TokenRefusedError("wrong_issuer", "The token has no iss claim.")
        if not isinstance(issuer, str) or issuer not in self.issuers:
            hint = ""
            if isinstance(issuer, str) and issuer.rstrip("/") in {
                known.rstrip("/") for known in self.issuers
            }:
                hint = " It differs by the slash at its end."
            raise TokenRefusedError("wrong_issuer", f"The token's iss is another.{hint}")

    def _check_audience(self, claims: dict[str, Any]) -> None:
        if not self.audiences:
            return
        audience = find_claim(claims, self.audience_claim)
        if audience is None:
            raise TokenRefusedError(
                "wrong_audience", f"The token has no {self.audience_claim} claim."
            )
        listed = audience if isinstance(audience, list) else [audience]
        if not any(isinstance(each, str) and each in self.audiences for each in listed):
            raise TokenRefusedError(
                "wrong_audience", f"The token's {self.audience_claim} is another."
            )

    def _accepted_until(self, claims: dict[str, Any]) -> float | None:
        ends = self._ends(claims)
        if self.max_age_seconds is None:
            return ends
        issued = claims.get("iat")
        if not isinstance(issued, int | float) or exp_looks_like(issued):
            raise TokenRefusedError(
                "token_invalid",
                "The token needs an iat, in seconds since 1970: how long it may live is limited.",
            )
        oldest = float(issued) + self.max_age_seconds + self.leeway_seconds
        return oldest if ends is None else min(ends, oldest)

    def _ends(self, claims: dict[str, Any]) -> float | None:
        expires = claims.get("exp")
        if expires is None:
            if self.requires_exp:
                raise TokenRefusedError("token_invalid", "The token needs an exp.", "exp")
            return None
        looks = exp_looks_like(expires)
        if looks:
            raise TokenRefusedError(
                "token_invalid",
                f"The token's exp must be seconds since 1970; it looks like {looks}.",
                "exp",
            )
        return float(expires) + self.leeway_seconds

    def _name(self, claims: dict[str, Any]) -> str | None:
        return "" if self.name_claim is None else _text_claim(claims, self.name_claim, MAX_NAME)

    def _is_canary(self, claims: dict[str, Any]) -> bool:
        if self.canary_claim is None:
            return False
        value = find_claim(claims, self.canary_claim)
        return value is True or (isinstance(value, int | str) and str(value) in ("1", "true"))

    def _user(self, claims: dict[str, Any]) -> str:
        value, claim = None, self.user_claims[0]
        for claim in self.user_claims:
            value = find_claim(claims, claim)
            if value is not None:
                break
        named = " or ".join(self.user_claims) if value is None else claim
        if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**255:
            value = str(value)
        if not isinstance(value, str) or not 1 <= len(value) <= MAX_USER_ID:
            raise TokenRefusedError(
                "token_invalid",
                f"The token's {named} claim must be a text of 1 to {MAX_USER_ID} characters or "
                f"an integer; {_looks_like(value)}.",
                "user_claim",
            )
        if clean_text(value) != value:
            raise TokenRefusedError(
                "token_invalid",
                f"The token's {claim} claim holds control characters.",
                "user_claim",
            )
        return value


def exp_looks_like(expires: Any) -> str:
    """What an ``exp`` looks like that is not seconds since 1970; empty where it is."""
    if isinstance(expires, str):
        return "a text"
    if isinstance(expires, bool) or not isinstance(expires, int | float):
        return "no number"
    if isinstance(expires, float) and not math.isfinite(expires):
        return "a number that is too large"
    if expires < 0:
        return "a negative number"
    if expires >= _MAX_MILLISECONDS:
        return "a number that is too large"
    if expires >= _MAX_SECONDS:
        return "milliseconds"
    return ""


def _looks_like(value: Any) -> str:
    if value is None:
        return "there is none"
    kinds: tuple[tuple[type | tuple[type, ...], str], ...] = (
        (bool, "it is true or false"),
        ((int, float), "it is a number that is no integer of a sane size"),
        (dict, "it is an object: name what is in it, as in user.id"),
        (list, "it is a list"),
    )
    return next((text for kind, text in kinds if isinstance(value, kind)), "it is empty or longer")


def _text_claim(claims: dict[str, Any], claim: str, max_characters: int) -> str | None:
    """A claim that only describes: anything but a usable text or integer counts as absent."""
    value = find_claim(claims, claim)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**30:
        value = str(value)
    if not isinstance(value, str):
        return None
    return clean_text(value).strip()[:max_characters] or None


@lru_cache(maxsize=1_000)
def _first_equal(scopes: frozenset[str]) -> frozenset[str]:
    """The same object for the same scopes: a hundred thousand remembered tokens hold few different
    sets, and each set takes 216 bytes or more."""
    return scopes


def _scopes(claims: dict[str, Any]) -> Iterable[str]:
    """``scope`` is a text (RFC 8693), ``scp`` either, ``scopes`` and ``permissions`` lists."""
    for claim in ("scope", "scp", "scopes", "permissions"):
        value = claims.get(claim)
        if isinstance(value, str):
            yield from value.split()
        elif isinstance(value, list):
            yield from (item for item in value if isinstance(item, str))
