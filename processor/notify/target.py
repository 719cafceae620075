"""A webhook as its lanes share it: filter, keys, and what is known of its URL."""

from __future__ import annotations

import asyncio
from typing import Final

from processor.notify.store import Webhook
from schemas.tokens.circuit_breaker import Circuit
from schemas.webhooks.filter import parse_filter
from schemas.webhooks.secret_box import SecretBox
from schemas.webhooks.signing import secret_key

#: A receiver that hangs holds no more connections.
REQUESTS_AT_ONCE: Final = 4


class Door:
    """One URL, whoever it belongs to: a circuit, and few requests at a time."""

    def __init__(self) -> None:
        self.circuit = Circuit()
        self.turns = asyncio.Semaphore(REQUESTS_AT_ONCE)
        self._recovered = asyncio.Event()

    def succeeded(self) -> None:
        """Whoever waits to try again does so now."""
        self.circuit.succeeded()
        recovered, self._recovered = self._recovered, asyncio.Event()
        recovered.set()

    async def pause(self, seconds: float) -> None:
        """So long, or until somebody else was answered."""
        try:
            async with asyncio.timeout(seconds):
                await self._recovered.wait()
        except TimeoutError:
            return


class Target:
    """Raises ``AnotherKeyError`` if a secret does not open."""

    def __init__(self, webhook: Webhook, box: SecretBox, door: Door) -> None:
        self.id = webhook.id
        self.url = webhook.url
        self.created_at = webhook.created_at
        self.filter = parse_filter(webhook.filter)
        self.door = door
        self.keys: list[bytes] = []
        self.renew(webhook, box)

    def renew(self, webhook: Webhook, box: SecretBox) -> None:
        """Other secrets, or the same."""
        stored = (webhook.secret, webhook.previous_secret)
        self.keys = [secret_key(box.open(each, webhook.id)) for each in stored if each is not None]
