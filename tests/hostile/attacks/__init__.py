"""One attack a module, each an ``attack`` that goes on until it is cancelled."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from importlib import import_module
from typing import Final

from tests.hostile.target import Attack

NAMES: Final = (
    "bombs",
    "failed_authentications",
    "half_open",
    "idle_connections",
    "junk_frames",
    "junk_requests",
    "logout_storm",
    "reconnect_storm",
    "slow_bodies",
    "slow_heads",
    "unread_pings",
)


def attacks() -> Mapping[str, Callable[[Attack], Awaitable[None]]]:
    """By name."""
    return {name: import_module(f"{__name__}.{name}").attack for name in NAMES}
