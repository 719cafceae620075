"""Settings of HTTP: who stands between us and the clients, and how slow those may be."""

from __future__ import annotations

import re
from typing import Final, Self

from pydantic import Field, model_validator

from schemas.http.client_address import Network, TrustedProxies, parse_networks
from schemas.service.settings import Settings

_ORIGIN: Final = re.compile(r"https?://(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::(?:\d{1,5}|\*))?")


class HttpSettings(Settings):
    """Who stands between us and the clients, and how slow those may be."""

    trusted_proxies: str = Field(
        "",
        description="Comma-separated addresses and CIDRs of the proxies in front of us: behind "
        "them the client's address, which only limits use, comes from X-Forwarded-For.",
    )

    http_head_timeout_seconds: float = Field(
        10.0, gt=0, le=600, description="How long the head of a request may take to arrive."
    )
    max_header_bytes: int = Field(
        8_190,
        ge=1_024,
        le=65_536,
        description="Longest header that is read, in bytes, and so the longest token in one; above "
        "it 431. A socket's auth frame takes what fits a message.",
    )
    http_idle_timeout_seconds: float = Field(
        75.0,
        gt=0,
        le=3_600,
        description="How long a connection is kept without a request, or with an answer that its "
        "client does not read. A gateway must give up its own connections sooner.",
    )
    max_http_connections: int = Field(
        10_000,
        ge=1,
        description="Connections of a process that are no authenticated sockets; one more gets a "
        "503.",
    )

    drain_seconds: float = Field(
        5.0,
        ge=0,
        le=300,
        description="How long a service that got SIGTERM goes on answering, not ready any more, so "
        "that the gateway notices; then it stops listening.",
    )

    @model_validator(mode="after")
    def _proxies_are_networks(self) -> Self:
        networks_of("ROLLCALL_TRUSTED_PROXIES", self.trusted_proxies)
        return self

    @property
    def proxies(self) -> TrustedProxies:
        return TrustedProxies(parse_networks(self.trusted_proxies))


def networks_of(variable: str, text: str) -> tuple[Network, ...]:
    """Comma-separated addresses and CIDRs. Raises ``ValueError`` that names the variable and what
    would be right."""
    try:
        return parse_networks(text)
    except ValueError as error:
        raise ValueError(
            f"{variable}: {error}; write addresses or networks such as 10.0.0.0/8, without host "
            "bits"
        ) from error


class CorsSettings(Settings):
    """Whose web pages may make a user's own calls."""

    cors_origins: str = Field(
        "",
        description="Comma-separated origins whose pages may call, such as "
        "https://app.example.com or http://localhost:* for any port.",
    )

    @model_validator(mode="after")
    def _origins_are_origins(self) -> Self:
        for origin in self.cors_origin_list:
            if not _ORIGIN.fullmatch(origin):
                raise ValueError(
                    f"ROLLCALL_CORS_ORIGINS: {origin!r} is not an origin; write one like "
                    "https://app.example.com or http://localhost:*"
                )
        return self

    @property
    def cors_origin_list(self) -> tuple[str, ...]:
        """The allowed origins as browsers spell them, in lower case."""
        return tuple(o.strip().lower() for o in self.cors_origins.split(",") if o.strip())
