"""OneSignal as its reference has the create-message call: a request that is not so is refused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

from aiohttp import web

from tests.rigs.webhook_receiver import HANG

APP_ID = "b1c7f5a0-6f7e-4c57-9a3e-0f6d1b1f2a11"
API_KEY = "os_v2_app_secret"
MOST_USERS = 20_000
KNOWN = {
    *("app_id", "target_channel", "include_aliases", "idempotency_key", "contents", "headings"),
    *("name", "template_id"),
}


@dataclass
class OneSignal:
    """What came, and whom a push went to: once for each key."""

    #: Called with how many calls there were before; 200 goes on.
    answers: Callable[[int], int] = lambda _: 200
    headers: dict[str, str] = field(default_factory=dict)
    calls: list[dict[str, Any]] = field(default_factory=list)
    sent: dict[str, dict[str, Any]] = field(default_factory=dict)
    url: str = ""

    @property
    def pushed(self) -> list[str]:
        """Of all messages, repeats counted."""
        aliases = [message["include_aliases"]["external_id"] for message in self.sent.values()]
        return sorted(user for each in aliases for user in each)

    async def notifications(self, request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != f"Key {API_KEY}":
            return web.json_response({"errors": ["Access denied"]}, status=403)
        said = await request.json()
        problem = _problem(said)
        if problem is not None:
            return web.json_response({"errors": [problem]}, status=400)
        self.calls.append(said)
        status = self.answers(len(self.calls) - 1)
        if status == HANG:
            # It was taken, and nobody is told.
            self.sent.setdefault(said["idempotency_key"], said)
            await asyncio.sleep(3600)
        if status != 200:
            return web.json_response({"errors": ["no"]}, status=status, headers=self.headers)
        self.sent.setdefault(said["idempotency_key"], said)
        return web.json_response({"id": str(uuid4()), "external_id": None})


def _problem(said: dict[str, Any]) -> str | None:
    users = said.get("include_aliases", {}).get("external_id")
    checks = {
        "app_id": said.get("app_id") == APP_ID,
        "target_channel": said.get("target_channel") == "push",
        "include_aliases": isinstance(users, list) and 1 <= len(users) <= MOST_USERS,
        "contents": "template_id" in said or "en" in said.get("contents", {}),
        "unknown": said.keys() <= KNOWN,
        "idempotency_key": str(UUID(said["idempotency_key"])) == said["idempotency_key"],
    }
    return next((name for name, is_right in checks.items() if not is_right), None)


@asynccontextmanager
async def running_onesignal() -> AsyncIterator[OneSignal]:
    """On a port of its own."""
    onesignal = OneSignal()
    app = web.Application(client_max_size=2**24)
    app.router.add_post("/notifications", onesignal.notifications)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    onesignal.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield onesignal
    finally:
        await runner.cleanup()
