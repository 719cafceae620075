"""Settings that say whose tokens count: for phones, and for staff where staff is apart.

Phones have exactly one source: a secret, a public key, a key set by URL, an authorization server
that is asked about opaque tokens, or the app's back end that is asked who the user is; and a
previous key beside it while they move from one to the next. Staff's are in
``schemas/tokens/staff_settings.py``.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any, Final, Self

from pydantic import Field, SecretStr, model_validator

from schemas.http.token_bucket import BucketPolicy
from schemas.service.settings import OutgoingSettings
from schemas.tokens.asked_urls import check_url
from schemas.tokens.asking import Asking
from schemas.tokens.claims import ClaimRules
from schemas.tokens.introspection import AuthorizationServer
from schemas.tokens.jwt import JwtIssuer, possible_algorithms
from schemas.tokens.setting_values import check_secret, listed, secret_text, variables_set
from schemas.tokens.userinfo import SPREAD, STALE_SECONDS, BackEnd

_VARIABLES: Final = "ROLLCALL_"
_PREVIOUS_VARIABLES: Final = "ROLLCALL_PREVIOUS_"
# What back ends call the user's id in an answer about them; OpenID Connect's says sub.
_USERINFO_CLAIMS: Final = ("id", "sub")
_HEADER: Final = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\x20-\x7e]*[\x21-\x7e])")
# Ours to say.
_RESERVED_HEADERS: Final = ("accept", "authorization", "connection", "content-length", "host")


class TokenSettings(OutgoingSettings):
    """How the tokens of phones are verified."""

    jwt_secret: SecretStr | None = Field(
        None,
        description="Shared secret for HS256, from 48 bytes on HS384, from 64 on HS512; with "
        "`base64:` before it, the base64 of the secret's bytes.",
    )
    jwt_public_key: str | None = Field(
        None,
        description="Public key as PEM text: RSA (RS256 to RS512, PS256 to PS512), P-256, P-384 or "
        "P-521 (ES256, ES384, ES512) or Ed25519 (EdDSA).",
    )
    jwks_url: str | None = Field(None, description="URL of a JSON Web Key Set.")
    previous_jwt_secret: SecretStr | None = Field(
        None, description="Secret whose tokens count too, while phones move to another source."
    )
    previous_jwt_public_key: str | None = Field(
        None, description="Public key whose tokens count too, while phones move to another source."
    )
    previous_jwks_url: str | None = Field(
        None, description="Key set whose tokens count too, while phones move to another source."
    )
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
    userinfo_url: str | None = Field(
        None,
        pattern=r"^https?://",
        description="URL of the app's own back end that tells whose a token is, such as "
        "https://app.example/api/user: it is asked with the phone's own `Authorization` header.",
    )
    userinfo_header: SecretStr | None = Field(
        None, description="A header that names us there, as `Name: value`."
    )
    userinfo_cache_seconds: float = Field(
        900.0,
        gt=0,
        le=86_400,
        description="How long its answer about a token is believed, in seconds, give or take 20 %; "
        "an hour longer while it is away.",
    )
    userinfo_max_in_flight: int = Field(
        32, ge=1, le=1024, description="Requests to the user-info URL at once, per process."
    )
    jwt_algorithms: str = Field(
        "",
        description="Comma-separated algorithms that count, of those that the key serves; default "
        "all of them.",
    )
    jwt_issuer: str | None = Field(
        None, description="Required `iss`, if set; several by comma: one of them."
    )
    jwt_audience: str | None = Field(
        None, description="Required audience, if set; several by comma: one of them."
    )
    audience_claim: str = Field(
        "aud", min_length=1, description="Claim that names the audience, such as `client_id`."
    )
    jwt_leeway_seconds: float = Field(
        30.0, ge=0, description="Clock skew tolerated in `exp` and `nbf`, in seconds."
    )
    user_claim: str = Field(
        "sub",
        min_length=1,
        description="Claim that names the user: its name, a path such as `user.id`, or a JSON "
        "pointer. In the answer of a user-info URL, unless this is set, `id` or else `sub`.",
    )
    name_claim: str = Field(
        "name", min_length=1, description="Claim with the user's name; likewise."
    )
    auth_failures_per_second: float = Field(
        50.0,
        gt=0,
        description="Tokens of a client address that are new and not accepted, in the long run; "
        "above it 429 in the place of 401, and a 503 where somebody would have to be asked.",
    )
    auth_failures_burst: int = Field(
        500, ge=1, description="Such tokens of a client address at once."
    )
    token_max_age_seconds: float | None = Field(
        None,
        gt=0,
        description="Longest life of a token from its `iat` on, which is required then; default "
        "as long as it says.",
    )
    token_cache_size: int = Field(
        100_000, ge=1, description="Verified tokens remembered by each process."
    )

    @model_validator(mode="after")
    def _has_one_source_of_keys(self) -> Self:
        sources = variables_set(
            _VARIABLES,
            JWT_SECRET=self.jwt_secret,
            JWT_PUBLIC_KEY=self.jwt_public_key,
            JWKS_URL=self.jwks_url,
            INTROSPECTION_URL=self.introspection_url,
            USERINFO_URL=self.userinfo_url,
        )
        if len(sources) != 1:
            found = " and ".join(sources) or "none"
            raise ValueError(
                "set exactly one of ROLLCALL_JWT_SECRET, ROLLCALL_JWT_PUBLIC_KEY, "
                "ROLLCALL_JWKS_URL, ROLLCALL_INTROSPECTION_URL and ROLLCALL_USERINFO_URL "
                f"(found {found}); for a move from one to another, the old one is a "
                "ROLLCALL_PREVIOUS_…"
            )
        check_secret("ROLLCALL_JWT_SECRET", self.jwt_secret)
        return self

    @model_validator(mode="after")
    def _asks_nobody_in_the_clear(self) -> Self:
        for name in ("jwks_url", "previous_jwks_url", "introspection_url", "userinfo_url"):
            self._check_url(name, getattr(self, name))
        return self

    def _check_url(self, name: str, url: str | None) -> None:
        check_url(f"ROLLCALL_{name.upper()}", url, listed(self.plain_http_hosts.lower()))

    @model_validator(mode="after")
    def _has_one_previous_source_at_most(self) -> Self:
        sources = variables_set(
            _PREVIOUS_VARIABLES,
            JWT_SECRET=self.previous_jwt_secret,
            JWT_PUBLIC_KEY=self.previous_jwt_public_key,
            JWKS_URL=self.previous_jwks_url,
        )
        if len(sources) > 1:
            raise ValueError(f"there is one previous source at most: unset {sources[-1]}")
        check_secret("ROLLCALL_PREVIOUS_JWT_SECRET", self.previous_jwt_secret)
        return self

    @model_validator(mode="after")
    def _can_ask_who_issues_tokens(self) -> Self:
        asked = self.introspection_url or self.userinfo_url
        if self.introspection_url and not (
            self.introspection_client_id and self.introspection_client_secret
        ):
            raise ValueError(
                "ROLLCALL_INTROSPECTION_URL needs ROLLCALL_INTROSPECTION_CLIENT_ID and "
                "ROLLCALL_INTROSPECTION_CLIENT_SECRET"
            )
        if asked and self.jwt_algorithms and not self._has_previous_key:
            raise ValueError("ROLLCALL_JWT_ALGORITHMS means nothing to opaque tokens: unset it")
        if self.userinfo_url and not self._has_previous_key:
            for meaningless in variables_set(
                _VARIABLES, JWT_ISSUER=self.jwt_issuer, JWT_AUDIENCE=self.jwt_audience
            ):
                raise ValueError(
                    f"{meaningless} means nothing to the answers of ROLLCALL_USERINFO_URL, which "
                    "decides alone whose tokens count: unset it"
                )
        _header(self.userinfo_header)
        return self

    @property
    def auth_failures(self) -> BucketPolicy:
        """How often an address may fail (``schemas/tokens/door.py``)."""
        return BucketPolicy(self.auth_failures_per_second, self.auth_failures_burst)

    @property
    def authorization_server(self) -> AuthorizationServer | None:
        """Who is asked about phones' tokens (RFC 7662); ``None`` where nobody is."""
        if not self.introspection_url:
            return None
        return AuthorizationServer(
            asking=Asking(
                variable="ROLLCALL_INTROSPECTION_URL",
                url=self.introspection_url,
                cache_seconds=self.introspection_cache_seconds,
                cache_size=self.token_cache_size,
                max_in_flight=self.introspection_max_in_flight,
            ),
            client_id=self.introspection_client_id or "",
            client_secret=secret_text(self.introspection_client_secret) or "",
            rules=self._rules(self.jwt_issuer, self.jwt_audience),
        )

    @property
    def back_end(self) -> BackEnd | None:
        """Who is asked whose a phone's token is; ``None`` where nobody is."""
        if not self.userinfo_url:
            return None
        rules = self._rules(None, None)
        chosen = "user_claim" in self.model_fields_set
        return BackEnd(
            asking=Asking(
                variable="ROLLCALL_USERINFO_URL",
                url=self.userinfo_url,
                cache_seconds=self.userinfo_cache_seconds,
                cache_size=self.token_cache_size,
                max_in_flight=self.userinfo_max_in_flight,
                spread=SPREAD,
                stale_seconds=STALE_SECONDS,
            ),
            header=_header(self.userinfo_header),
            rules=rules if chosen else replace(rules, user_claims=_USERINFO_CLAIMS),
        )

    @property
    def phone_issuer(self) -> JwtIssuer:
        """Whose JWTs phones carry; without a key where somebody is asked about tokens."""
        return self._issuer(
            _VARIABLES,
            secret=secret_text(self.jwt_secret),
            public_key=self.jwt_public_key,
            jwks_url=self.jwks_url,
            algorithms=listed(self.jwt_algorithms),
            rules=self._rules(self.jwt_issuer, self.jwt_audience),
        )

    @property
    def phone_issuers(self) -> list[JwtIssuer]:
        """All whose JWTs phones carry, keys that are at hand first.

        Raises ``ValueError`` on a key that serves nothing that counts.
        """
        found = []
        if self.jwt_secret or self.jwt_public_key or self.jwks_url:
            found.append(self.phone_issuer)
        if self._has_previous_key:
            previous = self._issuer(
                _PREVIOUS_VARIABLES,
                secret=secret_text(self.previous_jwt_secret),
                public_key=self.previous_jwt_public_key,
                jwks_url=self.previous_jwks_url,
                algorithms=listed(self.jwt_algorithms),
                rules=self._rules(self.jwt_issuer, self.jwt_audience),
            )
            found = [_narrowed(issuer) for issuer in [*found, previous]]
        return sorted(found, key=lambda issuer: issuer.jwks_url is not None)

    @property
    def _has_previous_key(self) -> bool:
        return bool(
            self.previous_jwt_secret or self.previous_jwt_public_key or self.previous_jwks_url
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
            user_claims=(self.user_claim,),
            name_claim=self.name_claim,
            issuers=listed(issuer),
            audiences=listed(audience),
            audience_claim=self.audience_claim,
            leeway_seconds=self.jwt_leeway_seconds,
            max_age_seconds=self.token_max_age_seconds,
        )


def _narrowed(issuer: JwtIssuer) -> JwtIssuer:
    """One of several: each takes of ``ROLLCALL_JWT_ALGORITHMS`` what its key serves."""
    if not issuer.algorithms:
        return issuer
    possible = possible_algorithms(issuer)
    algorithms = tuple(name for name in issuer.algorithms if name in possible)
    if not algorithms:
        raise ValueError(
            f"ROLLCALL_JWT_ALGORITHMS names nothing that {issuer.source} serves, which is "
            f"{', '.join(possible)}"
        )
    return replace(issuer, algorithms=algorithms)


def _header(secret: SecretStr | None) -> tuple[str, str] | None:
    """Name and value. Raises ``ValueError`` on what is no header, or not the operator's to say."""
    if secret is None:
        return None
    found = _HEADER.fullmatch(secret.get_secret_value().strip())
    if found is None or found[1].lower() in _RESERVED_HEADERS:
        raise ValueError(
            "ROLLCALL_USERINFO_HEADER is no header of yours: write one like X-Rollcall-Key: value"
        )
    return found[1], found[2]
