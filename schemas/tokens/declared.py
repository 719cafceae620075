"""The settings that say whose tokens of phones count, one by one."""

from __future__ import annotations

from pydantic import Field, SecretStr

from schemas.service.settings import OutgoingSettings


class DeclaredTokenSettings(OutgoingSettings):
    """Each by itself; ``schemas/tokens/settings.py`` says which go together."""

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
