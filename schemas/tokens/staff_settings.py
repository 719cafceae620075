"""Settings that say whose tokens of staff and services count, where those are apart from phones'.

Staff may have an issuer of its own; without one the scopes of a phone's token say what it may read.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final, Self

from pydantic import Field, SecretStr, model_validator

from schemas.tokens.jwt import JwtIssuer
from schemas.tokens.setting_values import check_secret, listed, secret_text, variables_set
from schemas.tokens.settings import TokenSettings

_STAFF_VARIABLES: Final = "ROLLCALL_STAFF_"


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

    staff_requires_exp: bool = Field(
        True, description="Refuse tokens of staff's own issuer that have no `exp`."
    )

    @model_validator(mode="after")
    def _staff_is_apart_or_not_at_all(self) -> Self:
        sources = self._staff_sources()
        if len(sources) > 1:
            raise ValueError(f"staff has one source of keys at most: unset {sources[-1]}")
        if not sources:
            for alone in variables_set(
                _STAFF_VARIABLES,
                JWT_ISSUER=self.staff_jwt_issuer,
                JWT_AUDIENCE=self.staff_jwt_audience,
            ):
                raise ValueError(
                    f"{alone} needs a key of staff: set one of ROLLCALL_STAFF_JWT_SECRET, "
                    "ROLLCALL_STAFF_JWT_PUBLIC_KEY and ROLLCALL_STAFF_JWKS_URL"
                )
        check_secret("ROLLCALL_STAFF_JWT_SECRET", self.staff_jwt_secret)
        self._check_url("staff_jwks_url", self.staff_jwks_url)
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
            secret=secret_text(self.staff_jwt_secret),
            public_key=self.staff_jwt_public_key,
            jwks_url=self.staff_jwks_url,
            algorithms=(),
            rules=replace(
                self._rules(self.staff_jwt_issuer, self.staff_jwt_audience),
                requires_exp=self.staff_requires_exp,
            ),
        )

    def _staff_sources(self) -> list[str]:
        return variables_set(
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
                (self.staff_jwt_secret, self.previous_jwt_secret),
                (self.staff_jwt_public_key, self.previous_jwt_public_key),
                (self.staff_jwks_url, self.previous_jwks_url),
            )
        )
        told_apart = any(
            ours and theirs and not set(listed(ours)) & set(listed(theirs))
            for ours, theirs in (
                (self.staff_jwt_issuer, self.jwt_issuer),
                (self.staff_jwt_audience, self.jwt_audience),
            )
        )
        return same_key and not told_apart
