"""Settings of webhooks that those who make them and those who deliver share."""

from __future__ import annotations

from typing import Final

from pydantic import Field, SecretStr, field_validator

from schemas.service.settings import OutgoingSettings
from schemas.tokens.setting_values import listed
from schemas.webhooks.addresses import PrivateHosts, check_webhook_url
from schemas.webhooks.secret_box import SecretBox

MIN_ENCRYPTION_KEY: Final = 32


class WebhookSettings(OutgoingSettings):
    """Which key secrets are stored under, and where messages may go."""

    encryption_key: SecretStr = Field(
        SecretStr(""),
        description="The key under which webhooks' secrets are stored, 32 characters or more: the "
        "same for the API, notify and the commands. Without one there are no webhooks.",
    )
    webhook_private_hosts: str = Field(
        "",
        description="Comma-separated hosts and networks of your own that webhooks may reach, such "
        "as `10.1.0.0/16`; with a dot before it, all names under one. Others must have public "
        "addresses.",
    )

    onesignal_app_id: str = Field(
        "",
        max_length=100,
        pattern=r"^[A-Za-z0-9-]*$",
        description="Id of the OneSignal app that audiences may be sent to: the same for the API "
        "and notify. Without one nothing goes to OneSignal.",
    )

    @field_validator("encryption_key")
    @classmethod
    def _is_long_enough(cls, key: SecretStr) -> SecretStr:
        if 0 < len(key.get_secret_value()) < MIN_ENCRYPTION_KEY:
            raise ValueError(
                f"must have {MIN_ENCRYPTION_KEY} characters or more: openssl rand -base64 33 makes "
                "one"
            )
        return key

    @property
    def secret_box(self) -> SecretBox | None:
        """``None`` without a key."""
        key = self.encryption_key.get_secret_value()
        return SecretBox(key) if key else None

    @property
    def private_hosts(self) -> PrivateHosts:
        return PrivateHosts(listed(self.webhook_private_hosts))

    def check_webhook_url(self, url: str) -> None:
        """Raises ``ValueError``: the rest of a sentence that begins with the field's name."""
        check_webhook_url(url, listed(self.plain_http_hosts.lower()), self.private_hosts)
