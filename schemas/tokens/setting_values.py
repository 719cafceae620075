"""Values of settings about tokens: secrets, and lists with commas. PURE."""

from __future__ import annotations

from pydantic import SecretStr

from schemas.tokens.jwt_keys import SECRET_BYTES, secret_bytes


def variables_set(variables: str, **values: object) -> list[str]:
    """The variables that are set."""
    return [variables + name for name, value in values.items() if value]


def secret_text(secret: SecretStr | None) -> str | None:
    """What the secret is, where there is one."""
    return secret.get_secret_value() if secret else None


def listed(text: str | None) -> tuple[str, ...]:
    """What is separated by commas."""
    return tuple(each.strip() for each in (text or "").split(",") if each.strip())


def check_secret(variable: str, secret: SecretStr | None) -> None:
    """Raise ``ValueError`` naming the variable on a secret that is no base64 or can be guessed."""
    if secret is None:
        return
    try:
        found = secret_bytes(secret.get_secret_value())
    except ValueError as error:
        raise ValueError(f"{variable}: {error}") from None
    if len(found) < min(SECRET_BYTES.values()):
        raise ValueError(f"{variable} must have at least 32 bytes (HS256, RFC 7518)")
