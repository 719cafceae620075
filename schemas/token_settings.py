"""Settings that say whose tokens count: for phones, and for staff where staff is apart.

Phones have exactly one source: a secret, a public key, a key set by URL, or an authorization server
that is asked about opaque tokens. Staff may have an issuer of its own; without one the scopes of a
phone's token say what it may read.
"""

from __future__ import annotations

from typing import Any, Final, Self

from pydantic import Field, SecretStr, model_validator

from schemas.introspection import AuthorizationServer
from schemas.jwt_tokens import JwtIssuer
from schemas.settings import Settings
from schemas.tokens import ClaimRules

_VARIABLES: Final = "ROLLCALL_"
_STAFF_VARIABLES: Final = "ROLLCALL_STAFF_"


class TokenSettings(Settings):
    """How the tokens of phones are verified."""

    jwt_secret: SecretStr | None = Field(None, description="Shared secret for HS256.")
    jwt_public_key: str | None = Field(
        None, description="Public key as PEM text, for RS256, ES256 or EdDSA."
    )
    jwks_url: str | None = Field(None, description="URL of a JSON Web Key Set.")
    jwks_refresh_seconds: float = Field(
        300.0, gt=0, description="Age at which the key set is fetched again, in seconds."
    )
    jwks_cooldown_seconds: float = Field(
        10.0, ge=0, description="Least time between two fetches for an unknown key, in seconds."
    )
    introspection_url: str | None = Field(
        None, pattern=r"^https?://", description="URL that tells of opaque tokens (RFC 7662)."
    )
    introspection_client_id: str | None = Field(
        None, description="Client id for the introspection URL (HTTP Basic)."
    )
    introspection_client_secret: SecretStr | None = Field(
        None, description="Client secret for the introspection URL."
    )
    introspection_cache_seconds: float = Field(
        60.0,
        gt=0,
        le=3600,
        description="How long an answer about a token is believed, in seconds: a revoked token "
        "counts that long.",
    )
    introspection_max_in_flight: int = Field(
        64, ge=1, le=1024, description="Requests to the introspection URL at once, per process."
    )
    jwt_algorithms: str = Field(
        "", description="Comma-separated subset of HS256, RS256, ES256, EdDSA; default by key."
    )
    jwt_issuer: str | None = Field(None, description="Required `iss`, if set.")
    jwt_audience: str | None = Field(None, description="Required `aud`, if set.")
    jwt_leeway_seconds: float = Field(
        30.0, ge=0, description="Clock skew tolerated in `exp` and `nbf`, in seconds."
    )
    user_claim: str = Field("sub", min_length=1, description="Claim that names the user.")
    name_claim: str = Field("name", min_length=1, description="Claim with the user's name.")
    token_cache_size: int = Field(
        100_000, ge=1, description="Verified tokens remembered by each process."
    )

    @model_validator(mode="after")
    def _has_one_source_of_keys(self) -> Self:
        sources = _named(
            _VARIABLES,
            JWT_SECRET=self.jwt_secret,
            JWT_PUBLIC_KEY=self.jwt_public_key,
            JWKS_URL=self.jwks_url,
            INTROSPECTION_URL=self.introspection_url,
        )
        if len(sources) != 1:
            found = " and ".join(sources) or "none"
            raise ValueError(
                "set exactly one of ROLLCALL_JWT_SECRET, ROLLCALL_JWT_PUBLIC_KEY, "
                f"ROLLCALL_JWKS_URL and ROLLCALL_INTROSPECTION_URL (found {found})"
            )
        _check_secret("ROLLCALL_JWT_SECRET", self.jwt_secret)
        return self

    @model_validator(mode="after")
    def _can_ask_the_authorization_server(self) -> Self:
        if self.introspection_url:
            if not (self.introspection_client_id and self.introspection_client_secret):
                raise ValueError(
                    "ROLLCALL_INTROSPECTION_URL needs ROLLCALL_INTROSPECTION_CLIENT_ID and "
                    "ROLLCALL_INTROSPECTION_CLIENT_SECRET"
                )
            if self.jwt_algorithms:
                raise ValueError("ROLLCALL_JWT_ALGORITHMS means nothing to opaque tokens: unset it")
        return self

    @property
    def authorization_server(self) -> AuthorizationServer | None:
        """Who is asked about phones' tokens; ``None`` where they are JWTs."""
        if not self.introspection_url:
            return None
        return AuthorizationServer(
            url=self.introspection_url,
            client_id=self.introspection_client_id or "",
            client_secret=_text(self.introspection_client_secret) or "",
            rules=self._rules(self.jwt_issuer, self.jwt_audience),
            cache_seconds=self.introspection_cache_seconds,
            cache_size=self.token_cache_size,
            max_in_flight=self.introspection_max_in_flight,
        )

    @property
    def phone_issuer(self) -> JwtIssuer:
        """Whose JWTs phones carry; without a key where :attr:`authorization_server` is set."""
        names = (name.strip() for name in self.jwt_algorithms.split(","))
        return self._issuer(
            _VARIABLES,
            secret=_text(self.jwt_secret),
            public_key=self.jwt_public_key,
            jwks_url=self.jwks_url,
            algorithms=tuple(name for name in names if name),
            rules=self._rules(self.jwt_issuer, self.jwt_audience),
        )

    def _issuer(self, variables: str, **parts: Any) -> JwtIssuer:
        return JwtIssuer(
            variables=variables,
            jwks_refresh_seconds=self.jwks_refresh_seconds,
            jwks_cooldown_seconds=self.jwks_cooldown_seconds,
            cache_size=self.token_cache_size,
            **parts,
        )

    def _rules(self, issuer: str | None, audience: str | None) -> ClaimRules:
        return ClaimRules(
            user_claim=self.user_claim,
            name_claim=self.name_claim,
            issuer=issuer,
            audience=audience,
            leeway_seconds=self.jwt_leeway_seconds,
        )


class StaffSettings(TokenSettings):
    """How the tokens of staff and services are verified, beside those of phones."""

    staff_jwt_secret: SecretStr | None = Field(
        None, description="Shared secret for HS256 of staff's tokens."
    )
    staff_jwt_public_key: str | None = Field(
        None, description="Public key as PEM text of staff's tokens."
    )
    staff_jwks_url: str | None = Field(
        None, description="URL of the JSON Web Key Set of staff's tokens."
    )
    staff_jwt_issuer: str | None = Field(
        None, description="Required `iss` of staff's tokens, if set."
    )
    staff_jwt_audience: str | None = Field(
        None, description="Required `aud` of staff's tokens, if set."
    )

    @model_validator(mode="after")
    def _staff_is_apart_or_not_at_all(self) -> Self:
        sources = self._staff_sources()
        if len(sources) > 1:
            raise ValueError(f"staff has one source of keys at most: unset {sources[-1]}")
        if not sources:
            for alone in _named(
                _STAFF_VARIABLES,
                JWT_ISSUER=self.staff_jwt_issuer,
                JWT_AUDIENCE=self.staff_jwt_audience,
            ):
                raise ValueError(
                    f"{alone} needs a key of staff: set one of ROLLCALL_STAFF_JWT_SECRET, "
                    "ROLLCALL_STAFF_JWT_PUBLIC_KEY and ROLLCALL_STAFF_JWKS_URL"
                )
        _check_secret("ROLLCALL_STAFF_JWT_SECRET", self.staff_jwt_secret)
        if sources and self._staff_could_be_phones():
            raise ValueError(
                f"{sources[0]} is the phones' too: to tell staff's tokens from phones', set "
                "another ROLLCALL_STAFF_JWT_AUDIENCE than ROLLCALL_JWT_AUDIENCE (or another "
                "…_ISSUER than theirs), both of them"
            )
        return self

    @property
    def staff_issuer(self) -> JwtIssuer | None:
        """Whose JWTs staff carries; ``None``: phones' tokens count by their scopes."""
        if not self._staff_sources():
            return None
        return self._issuer(
            _STAFF_VARIABLES,
            secret=_text(self.staff_jwt_secret),
            public_key=self.staff_jwt_public_key,
            jwks_url=self.staff_jwks_url,
            algorithms=(),
            rules=self._rules(self.staff_jwt_issuer, self.staff_jwt_audience),
        )

    def _staff_sources(self) -> list[str]:
        return _named(
            _STAFF_VARIABLES,
            JWT_SECRET=self.staff_jwt_secret,
            JWT_PUBLIC_KEY=self.staff_jwt_public_key,
            JWKS_URL=self.staff_jwks_url,
        )

    def _staff_could_be_phones(self) -> bool:
        same_key = any(
            ours is not None and ours == theirs
            for ours, theirs in (
                (self.staff_jwt_secret, self.jwt_secret),
                (self.staff_jwt_public_key, self.jwt_public_key),
                (self.staff_jwks_url, self.jwks_url),
            )
        )
        told_apart = any(
            ours and theirs and ours != theirs
            for ours, theirs in (
                (self.staff_jwt_issuer, self.jwt_issuer),
                (self.staff_jwt_audience, self.jwt_audience),
            )
        )
        return same_key and not told_apart


def _named(variables: str, **values: object) -> list[str]:
    """The variables that are set."""
    return [variables + name for name, value in values.items() if value]


def _text(secret: SecretStr | None) -> str | None:
    return secret.get_secret_value() if secret else None


def _check_secret(variable: str, secret: SecretStr | None) -> None:
    if secret and len(secret.get_secret_value().encode()) < 32:
        raise ValueError(f"{variable} must have at least 32 bytes (HS256, RFC 7518)")
