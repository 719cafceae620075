"""What a token is, which setting it needs, and why it is refused, in lines for a person.

Nothing here prints the part of a token that makes it worth something: of a JWT the signature, of an
opaque one all of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

from schemas.http.problems import ProblemError
from schemas.tokens.causes import CAUSES
from schemas.tokens.claims import exp_looks_like, find_claim
from schemas.tokens.forms import jwt_header, mistake_in, not_a_jwt, unverified_claims
from schemas.tokens.identity import TokenRefusedError
from schemas.tokens.jwt_keys import PUBLIC_ALGORITHMS, SECRET_BYTES
from schemas.tokens.settings import TokenSettings
from schemas.tokens.verifiers import phone_verifier

#: Claims that say where a token is from and for whom, beside the user's.
_SHOWN: Final = ("iss", "aud", "azp", "client_id", "token_use", "exp", "nbf", "iat")
_TIMES: Final = ("exp", "nbf", "iat")
_MAX_SHOWN: Final = 200
_FIREBASE_ISSUER: Final = "https://securetoken.google.com/"
_FIREBASE_KEYS: Final = (
    "https://www.googleapis.com/service_accounts/v1/jwk/securetoken@system.gserviceaccount.com"
)


def describe(token: str, user_claim: str, now: float) -> Iterator[str]:
    """What the token is and which setting it needs, whatever is set."""
    header = None if mistake_in(token) else jwt_header(token)
    claims = unverified_claims(token) if header is not None else None
    if header is None or claims is None:
        refused = not_a_jwt(token)
        yield f"form: {refused.cause}, {len(token)} characters"
        yield f"means: {refused.detail}"
        return
    named = "".join(f", {name} {_shown(header[name])}" for name in ("kid", "typ") if name in header)
    yield f"form: JWT, signed with {_shown(header.get('alg'))}{named}"
    for name in _SHOWN:
        if name in claims:
            time = f" ({_when(claims[name], now)})" if name in _TIMES else ""
            yield f"claim {name}: {_shown(claims[name])}{time}"
    user = find_claim(claims, user_claim)
    others = sorted(set(claims) - set(_SHOWN))
    yield f"user, {user_claim}: {_shown(user) if user is not None else 'there is none'}"
    yield f"other claims: {_shown(', '.join(others))[1:-1] if others else 'none'}"
    yield from (f"needs: {need}" for need in _needs(header.get("alg"), claims))


async def judge(token: str, settings: TokenSettings) -> tuple[bool, list[str]]:
    """Whether services with these settings accept the token, and what they say.

    Asks whom they would ask. Raises ``ValueError`` on settings that contradict each other.
    """
    verifier = phone_verifier(settings)
    try:
        identity = await verifier.verify(token)
    except TokenRefusedError as refused:
        lines = [f"refused: {refused.code}: {refused.detail}"]
        if refused.cause != refused.code:
            lines.append(f"cause: {refused.cause}: {CAUSES[refused.cause]}")
        return False, [*lines, *(f"hint: {hint}" for hint in verifier.hints)]
    except ProblemError as problem:
        return False, [f"not known: {problem.detail}", *(f"hint: {h}" for h in verifier.hints)]
    finally:
        await verifier.close()
    device = f", device {_shown(identity.device)}" if identity.device else ""
    return True, [f"accepted: user {_shown(identity.user)}{device}"]


def _needs(algorithm: Any, claims: dict[str, Any]) -> Iterator[str]:
    if algorithm in SECRET_BYTES:
        yield f"ROLLCALL_JWT_SECRET of {SECRET_BYTES[algorithm]} bytes or more"
    elif algorithm in PUBLIC_ALGORITHMS:
        yield f"ROLLCALL_JWKS_URL{_key_set_of(claims.get('iss'))}, or ROLLCALL_JWT_PUBLIC_KEY"
    else:
        yield f"another algorithm: {', '.join((*SECRET_BYTES, *PUBLIC_ALGORITHMS))}"
    yield "or ROLLCALL_USERINFO_URL, where the back end is to be asked"


def _key_set_of(issuer: Any) -> str:
    """Where the key set of an issuer usually is."""
    if not isinstance(issuer, str) or not issuer.startswith("https://"):
        return ""
    if issuer.startswith(_FIREBASE_ISSUER):
        return f"={_FIREBASE_KEYS}"
    path = "protocol/openid-connect/certs" if "/realms/" in issuer else ".well-known/jwks.json"
    return f" (probably {_shown(issuer.rstrip('/') + '/' + path)[1:-1]})"


def _shown(value: Any) -> str:
    """A stranger's value on one line of ASCII."""
    text = json.dumps(value)
    return text if len(text) <= _MAX_SHOWN else text[:_MAX_SHOWN] + "…"


def _when(value: Any, now: float) -> str:
    looks = exp_looks_like(value)
    if looks:
        return f"looks like {looks}"
    try:
        at = datetime.fromtimestamp(value, UTC).isoformat().replace("+00:00", "Z")
    except (ValueError, OverflowError, OSError):
        return "no time"
    return f"{at}, {'past' if value <= now else 'ahead'}"
