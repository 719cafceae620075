"""Settings of notify, from the environment."""

from __future__ import annotations

from pydantic import Field, SecretStr, model_validator

from processor.notify.onesignal import OneSignal
from processor.notify.pace import Pace
from processor.notify.retries import RetryPolicy
from schemas.alerts.settings import MailSettings
from schemas.log.settings import KafkaSettings
from schemas.service.settings import DatabaseSettings, LogSettings, PrivacySettings
from schemas.webhooks.settings import WebhookSettings


class NotifySettings(
    KafkaSettings, DatabaseSettings, WebhookSettings, MailSettings, PrivacySettings, LogSettings
):
    """Everything that notify needs to know."""

    notify_admin_host: str = Field("127.0.0.1", description="Address of notify's admin port.")
    notify_admin_port: int = Field(
        9084, ge=0, le=65535, description="Port of notify's /metrics, /healthz and /readyz."
    )
    notify_consumer_group: str = Field(
        "rollcall-notify",
        description="Kafka consumer group in which the processes of notify share the partitions; "
        "ROLLCALL_TOPIC_PREFIX goes before it.",
    )
    notify_session_timeout_seconds: float = Field(
        6.0, gt=0, description="Silence after which Kafka gives a notify's partitions away."
    )
    notify_timeout_seconds: float = Field(
        15.0, gt=0, le=60, description="How long a receiver may take to answer, in seconds."
    )
    notify_retry_seconds: float = Field(
        86_400.0,
        gt=0,
        le=3 * 86_400,
        description="Age of a change from which on it becomes a dead letter if it cannot be "
        "delivered, in seconds.",
    )

    onesignal_api_key: SecretStr = Field(
        SecretStr(""), description="REST API key of the OneSignal app, for notify alone."
    )
    onesignal_url: str = Field(
        "https://api.onesignal.com",
        pattern=r"^https?://",
        description="Where OneSignal's REST API is. The rules for addresses of webhooks hold for "
        "it too.",
    )
    onesignal_calls_per_second: float = Field(
        10.0, gt=0, le=150, description="Calls of each notify to OneSignal in a second, at most."
    )

    @model_validator(mode="after")
    def _has_a_key_for_its_app(self) -> NotifySettings:
        if self.onesignal_app_id and not self.onesignal_api_key.get_secret_value():
            raise ValueError(
                "ROLLCALL_ONESIGNAL_APP_ID wants ROLLCALL_ONESIGNAL_API_KEY too: see Keys & IDs in "
                "OneSignal's settings"
            )
        return self

    @property
    def onesignal(self) -> OneSignal | None:
        """``None``: it is not set up."""
        if not self.onesignal_app_id:
            return None
        pace = Pace(self.onesignal_calls_per_second)
        key = self.onesignal_api_key.get_secret_value()
        return OneSignal(self.onesignal_app_id, key, self.onesignal_url, pace)

    @property
    def retry_policy(self) -> RetryPolicy:
        return RetryPolicy(give_up_seconds=self.notify_retry_seconds)
