"""From settings to verifiers: of phones' tokens, and of staff's where staff is apart."""

from __future__ import annotations

import time
from collections.abc import Callable

from schemas.introspection import IntrospectionVerifier
from schemas.jwt_tokens import JwtIssuer, JwtVerifier, key_source
from schemas.token_settings import StaffSettings, TokenSettings
from schemas.tokens import TokenVerifier


def phone_verifier(
    settings: TokenSettings, clock: Callable[[], float] = time.time
) -> TokenVerifier:
    """To be closed. Raises ``ValueError`` on settings that contradict each other."""
    server = settings.authorization_server
    if server is not None:
        return IntrospectionVerifier(server, clock)
    return _jwt_verifier(settings.phone_issuer, clock)


def staff_verifier(
    settings: StaffSettings, clock: Callable[[], float] = time.time
) -> TokenVerifier | None:
    """``None`` where staff is not apart. As :func:`phone_verifier`."""
    issuer = settings.staff_issuer
    return None if issuer is None else _jwt_verifier(issuer, clock)


def _jwt_verifier(issuer: JwtIssuer, clock: Callable[[], float]) -> TokenVerifier:
    return JwtVerifier(issuer, key_source(issuer), clock)
