"""What settings of tokens may stand together, and whom they make: whose tokens phones carry.

Phones have exactly one source: a secret, a public key, a key set by URL, an authorization server
that is asked about opaque tokens, or the app's back end that is asked who the user is; and a
previous key beside it while they move from one to the next. Staff's are in
``schemas/tokens/staff_settings.py``.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any, Final, Self

from pydantic import SecretStr, model_validator

from schemas.http.token_bucket import BucketPolicy
from schemas.tokens.asked_urls import check_url
from schemas.tokens.asking import Asking
from schemas.tokens.claims import ClaimRules
from schemas.tokens.declared import DeclaredTokenSettings
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


class TokenSettings(DeclaredTokenSettings):
    """How the tokens of phones are verified."""

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
