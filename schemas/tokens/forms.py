"""What a token looks like, before anybody verifies it: a JWT, an opaque one, or a mistake. PURE.

Nothing here says that a token counts. It says where to ask about it, and what to answer a
client whose token cannot count.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any, Final

import jwt

from schemas.tokens.api_keys import is_api_key
from schemas.tokens.identity import MAX_TOKEN_CHARACTERS, TokenRefusedError
from schemas.untrusted.nesting import MAX_DEPTH, NestedTooDeeplyError, text_of_json

# Wider than RFC 6750, section 2.1: Laravel Sanctum's hold a bar, and backends make others.
_OPAQUE: Final = re.compile(r"[\x21-\x7e]+")
# Laravel Sanctum: the row's number, a bar, perhaps a prefix, 40 random characters and a checksum.
_SANCTUM: Final = re.compile(r"\d{1,20}\|[A-Za-z0-9_-]{40,}")
_ENCRYPTED_PARTS: Final = 5
_QUOTES: Final = "\"'“”‘’`"


def canonical_jwt(token: str) -> str:
    """The one form of a JWT that verifies in several: libraries read a signature with padding,
    with odd characters or other last bits alike, and each would be a token of its own to us."""
    signed, dot, signature = token.rpartition(".")
    if not dot or signed.count(".") != 1 or len(token) > MAX_TOKEN_CHARACTERS:
        return token
    try:
        decoded = base64.urlsafe_b64decode(signature + "=" * (-len(signature) % 4))
    except (binascii.Error, ValueError):
        return token
    return f"{signed}.{base64.urlsafe_b64encode(decoded).rstrip(b'=').decode()}"


def jwt_header(token: str) -> dict[str, Any] | None:
    """The header of what has the form of a signed JWT; ``None`` for anything else."""
    if is_nested_too_deeply(token):
        return None
    try:
        return jwt.get_unverified_header(token)
    # Whatever a stranger puts there, bytes that are no UTF-8 included.
    except (jwt.PyJWTError, ValueError, TypeError):
        return None


def unverified_claims(token: str) -> dict[str, Any] | None:
    """What a JWT claims, true or not; ``None`` for anything else."""
    if is_nested_too_deeply(token):
        return None
    try:
        claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    except (jwt.PyJWTError, ValueError, TypeError, OverflowError):
        return None
    return claims


def is_nested_too_deeply(token: str) -> bool:
    """Header or payload, before anybody decodes them. What is no JSON is the decoder's to say."""
    for part in token.split(".", 2)[:2]:
        try:
            text_of_json(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
        except NestedTooDeeplyError:
            return True
        except ValueError:
            continue
    return False


def mistake_in(token: str) -> TokenRefusedError | None:
    """What is wrong with a token that counts nowhere, whatever the settings."""
    if is_api_key(token):
        return TokenRefusedError("token_invalid", "An API key is no phone's token.", "api_key")
    if len(token) > MAX_TOKEN_CHARACTERS:
        return TokenRefusedError(
            "token_invalid", f"A token has at most {MAX_TOKEN_CHARACTERS} characters.", "too_long"
        )
    scheme, _, rest = token.partition(" ")
    if rest and scheme.lower() == "bearer":
        return TokenRefusedError(
            "token_invalid",
            "The token begins with the word Bearer, which the header has already: send the token "
            "alone.",
            "double_bearer",
        )
    if token[:1] and (token[0] in _QUOTES or token[-1] in _QUOTES):
        return TokenRefusedError(
            "token_invalid",
            "The token is in quotation marks: it is a text of JSON that was not decoded.",
            "quoted",
        )
    if not _OPAQUE.fullmatch(token):
        return TokenRefusedError(
            "token_invalid", "A token is visible ASCII characters without spaces."
        )
    return None


def not_a_jwt(token: str) -> TokenRefusedError:
    """Why a token cannot be verified by a key: what it looks like instead of a signed JWT."""
    mistake = mistake_in(token)
    if mistake is not None:
        return mistake
    if token.count(".") == _ENCRYPTED_PARTS - 1 and token.startswith("ey"):
        return TokenRefusedError(
            "token_invalid",
            "The token is encrypted (five parts, JWE): the app must request a token for an "
            "audience, which is your API.",
            "encrypted",
        )
    if _SANCTUM.fullmatch(token):
        return TokenRefusedError(
            "token_invalid",
            "The token is not a JSON Web Token; it looks like one of Laravel Sanctum, whose back "
            "end must be asked: ROLLCALL_USERINFO_URL.",
            "sanctum",
        )
    if token.count(".") != 2:
        return TokenRefusedError(
            "token_invalid",
            "The token is not a JSON Web Token; it looks opaque, so that whoever issued it must be "
            "asked: ROLLCALL_USERINFO_URL or ROLLCALL_INTROSPECTION_URL.",
            "opaque",
        )
    if is_nested_too_deeply(token):
        return TokenRefusedError(
            "token_invalid", f"The token's JSON nests deeper than {MAX_DEPTH}."
        )
    return TokenRefusedError("token_invalid", "The token is not a JSON Web Token.")
