"""Settings of mail by which product alerts tell."""

from __future__ import annotations

from typing import Final, Literal, Self, TypeAlias
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, model_validator

from schemas.alerts.address import check_email
from schemas.service.settings import Settings

Tls: TypeAlias = Literal["starttls", "implicit", "none"]
NO_HOST: Final = (
    "needs ROLLCALL_SMTP_HOST: set it, and ROLLCALL_SMTP_FROM, for the API, notify and the commands"
)


class MailHostSettings(Settings):
    """Whether there is mail at all: who makes alerts wants to know no more."""

    smtp_host: str = Field(
        "",
        description="Mail server by which product alerts tell; without one there is no e-mail.",
    )

    def check_email(self, address: object) -> str:
        """The address, if it can be told. Raises ``ValueError``: the rest of a sentence that begins
        with the field's name."""
        checked = check_email(address)
        if not self.smtp_host:
            raise ValueError(NO_HOST)
        return checked


class MailSettings(MailHostSettings):
    """How notify gives mail to the server."""

    smtp_port: int = Field(587, ge=1, le=65535, description="Port of the mail server.")
    smtp_tls: Tls = Field(
        "starttls",
        description="How mail is kept from being read on its way to the mail server: `starttls`; "
        "`implicit`, usual on port 465; `none`, of a server in your own network alone.",
    )
    smtp_username: str = Field("", description="User at the mail server; empty: nobody logs in.")
    smtp_password: SecretStr = Field(
        SecretStr(""), description="The password of ROLLCALL_SMTP_USERNAME."
    )
    smtp_from: str = Field(
        "", description="Address that mail is from, such as `rollcall@example.com`."
    )
    dashboard_url: str = Field(
        "",
        description="Where readers have the dashboard, such as `https://rollcall.example.com`: "
        "mail of alerts has a link to it.",
    )

    @model_validator(mode="after")
    def _can_send(self) -> Self:
        if self.dashboard_url:
            parts = urlsplit(self.dashboard_url)
            if parts.scheme not in ("http", "https") or not parts.netloc:
                raise ValueError(
                    "ROLLCALL_DASHBOARD_URL must be an address such as https://rollcall.example.com"
                )
        if not self.smtp_host:
            return self
        try:
            check_email(self.smtp_from)
        except ValueError as error:
            raise ValueError(f"ROLLCALL_SMTP_FROM {error}") from None
        if bool(self.smtp_username) != bool(self.smtp_password.get_secret_value()):
            raise ValueError(
                "ROLLCALL_SMTP_USERNAME and ROLLCALL_SMTP_PASSWORD belong together: set both or "
                "neither"
            )
        if self.smtp_username and self.smtp_tls == "none":
            raise ValueError(
                "ROLLCALL_SMTP_TLS must not be none with a ROLLCALL_SMTP_PASSWORD, which would "
                "be sent in the clear"
            )
        return self
