"""Settings of the canaries, from the environment."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr

from schemas.service.settings import LogSettings


class CanarySettings(LogSettings):
    """Everything that ``rollcall canary`` needs to know."""

    canary_tokens_file: Path = Field(
        description="File with a token a line, each of another user: `rollcall canary` runs a "
        "device for each. Before a token that is no JWT stands its user id and a blank. Read again "
        "when it changes.",
    )
    canary_api_key: SecretStr = Field(
        min_length=1,
        description="API key with the scope `presence:read`, with which canaries see what is shown "
        "of them.",
    )
    canary_url: str = Field(
        "http://127.0.0.1:8080",
        pattern=r"^https?://[^/?#]+$",
        description="Origin that canaries call, as phones reach it: through the gateway.",
    )
    canary_api_url: str | None = Field(
        None,
        pattern=r"^https?://[^/?#]+$",
        description="Origin of the API that they ask; by default the same.",
    )
    canary_heartbeat_seconds: float = Field(
        90.0, gt=0, le=3600, description="Between the heartbeats of canaries over HTTP."
    )
    canary_poll_seconds: float = Field(
        5.0, ge=0.1, le=60, description="Between two looks at what is shown of canaries."
    )
    canary_settle_seconds: float = Field(
        15.0,
        gt=0,
        le=300,
        description="How long after a change of a canary what was shown before is not yet false.",
    )
    canary_admin_host: str = Field("127.0.0.1", description="Address of the canaries' admin port.")
    canary_admin_port: int = Field(
        9085, ge=0, le=65535, description="Port of the canaries' /metrics, /healthz and /readyz."
    )
    user_claim: str = Field("sub", min_length=1, description="Claim that names the user.")
