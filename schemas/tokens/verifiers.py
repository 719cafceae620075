"""From settings to verifiers: of phones' tokens, and of staff's where staff is apart."""

from __future__ import annotations

import time
from collections.abc import Callable

from schemas.tokens.identity import TokenVerifier
from schemas.tokens.introspection import IntrospectionVerifier
from schemas.tokens.jwt import JwtIssuer, JwtVerifier, key_source
from schemas.tokens.routes import TokenRoutes
from schemas.tokens.settings import TokenSettings
from schemas.tokens.staff_settings import StaffSettings
from schemas.tokens.userinfo import UserinfoVerifier


def phone_verifier(
    settings: TokenSettings,
    clock: Callable[[], float] = time.time,
    *,
    logout_seconds: float = 0.0,
) -> TokenVerifier:
    """To be closed. ``logout_seconds``: how long a token that was revoked can still log out.

    Raises ``ValueError`` on settings that contradict each other.
    """
    by_key = [_jwt_verifier(issuer, clock) for issuer in settings.phone_issuers]
    asked = _asked(settings, clock, logout_seconds)
    if asked is not None and not by_key:
        return asked
    if asked is None and len(by_key) == 1:
        return by_key[0]
    return TokenRoutes(by_key, asked)


def staff_verifier(
    settings: StaffSettings, clock: Callable[[], float] = time.time
) -> TokenVerifier | None:
    """``None`` where staff is not apart. As :func:`phone_verifier`."""
    issuer = settings.staff_issuer
    return None if issuer is None else _jwt_verifier(issuer, clock)


def _asked(
    settings: TokenSettings, clock: Callable[[], float], logout_seconds: float
) -> TokenVerifier | None:
    server, back_end = settings.authorization_server, settings.back_end
    if server is not None:
        return IntrospectionVerifier(server, clock, logout_seconds=logout_seconds)
    if back_end is not None:
        return UserinfoVerifier(back_end, clock, logout_seconds=logout_seconds)
    return None


def _jwt_verifier(issuer: JwtIssuer, clock: Callable[[], float]) -> JwtVerifier:
    return JwtVerifier(issuer, key_source(issuer), clock)
