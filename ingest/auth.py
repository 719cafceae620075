"""Who calls: the Bearer token of a request."""

from __future__ import annotations

from schemas.problems import ProblemError
from schemas.tokens import Identity, TokenVerifier

_SCHEME = "bearer "


async def identify(
    verifier: TokenVerifier, authorization: str | None, *, expired_for_seconds: float = 0.0
) -> Identity:
    """The identity behind an ``Authorization`` header (RFC 6750, section 2.1; the scheme's case
    does not matter).

    Raises ``ProblemError`` with one of the token codes, or ``unavailable`` while the keys cannot
    be had. ``expired_for_seconds`` as in :meth:`TokenVerifier.verify`.
    """
    if authorization is None or authorization[: len(_SCHEME)].lower() != _SCHEME:
        raise ProblemError(
            "token_missing", "Send the header Authorization: Bearer and the user's token."
        )
    token = authorization[len(_SCHEME) :].strip()
    if not token:
        raise ProblemError("token_missing", "The Authorization header holds no token.")
    return verifier.cached(token) or await verifier.verify(
        token, expired_for_seconds=expired_for_seconds
    )
