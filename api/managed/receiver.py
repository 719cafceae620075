"""Where webhooks and alerts are sent to, as managers say it."""

from __future__ import annotations

from typing import Any, Final

from api.settings import ApiSettings
from schemas.bodies.body import refusal
from schemas.bodies.fields import Field
from schemas.http.problems import FieldProblem, ProblemError
from schemas.openapi.forms import text
from schemas.webhooks.addresses import MAX_URL
from schemas.webhooks.secret_box import SecretBox

_SUCH_AS: Final = "an address such as https://crm.example.com/rollcall"


def _read(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"must be {_SUCH_AS}")
    return value


URL_FIELD: Final = Field(
    text(
        "https, at a public address unless the operator allows others.",
        "https://crm.example.com/rollcall",
        minLength=1,
        maxLength=MAX_URL,
    ),
    _read,
    f"is missing: {_SUCH_AS}",
)


def check_url(settings: ApiSettings, url: str) -> None:
    """Raises ``ProblemError`` for an address that this deployment sends nothing to."""
    try:
        settings.check_webhook_url(url)
    except ValueError as error:
        raise refusal([FieldProblem("url", str(error))]) from None


def key_of(box: SecretBox | None, without: str) -> SecretBox:
    """What secrets are kept under. Raises ``ProblemError`` that says ``without``."""
    if box is None:
        raise ProblemError("unavailable", without)
    return box
