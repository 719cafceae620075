"""Why tokens are refused, as a closed set: for a metric, readiness and ``rollcall token inspect``.

A ``code`` (``schemas/http/problems.py``) tells an app what to do; a cause tells the operator which
setting or which line of the app is wrong. Every code of a token is also a cause: the one where
nothing more is known. PURE.
"""

from __future__ import annotations

from typing import Final

from schemas.http.problems import TOKEN_CODES

#: cause -> what it is, and what helps.
CAUSES: Final[dict[str, str]] = {
    **dict.fromkeys(sorted(TOKEN_CODES), ""),
    "token_missing": "no Authorization: Bearer header came",
    "token_expired": "exp is past: the app did not renew its token",
    "token_not_yet_valid": "nbf is ahead: compare the clocks of issuer and server",
    "token_revoked": "whoever issued the token says that it does not count",
    "token_invalid": "the token cannot be read",
    "bad_signature": "signed with another key than the settings have",
    "unknown_key": "signed with a key that the key set does not list",
    "wrong_audience": "made for another audience than ROLLCALL_JWT_AUDIENCE",
    "wrong_issuer": "made by another issuer than ROLLCALL_JWT_ISSUER",
    "opaque": "not a JWT: set ROLLCALL_USERINFO_URL or ROLLCALL_INTROSPECTION_URL",
    "sanctum": "a Laravel Sanctum token: set ROLLCALL_USERINFO_URL",
    "encrypted": "an encrypted token (JWE): have the app request one for an audience of your API",
    "quoted": "the token came in quotation marks",
    "double_bearer": "the token came with the word Bearer of its own",
    "api_key": "an API key of Rollcall, which counts on no call of a phone",
    "too_long": "the token is longer than any that counts",
    "algorithm": "signed with an algorithm that the configured key does not serve",
    "base64_secret": "ROLLCALL_JWT_SECRET is the base64 of the key: write base64: before it",
    "user_claim": "the claim of ROLLCALL_USER_CLAIM names no user",
    "exp": "exp is not a time in seconds: a text, milliseconds or out of range",
}
