"""A receiver of webhooks that can be told to fail, to hang and to be gone."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from schemas.managed.manager import Manager
from schemas.webhooks.signing import ID, TIMESTAMP, verify

#: Who makes webhooks and alerts in tests.
BY = Manager("command", "tests")
#: As a status: never answer.
HANG = 0


@dataclass
class Hook:
    """One path of a receiver: what it answers next, and what it got."""

    secret: str = ""
    #: Called with how many attempts there were before.
    answers: Callable[[int], int] = lambda _: 204
    attempts: list[tuple[str, int, bytes]] = field(default_factory=list)
    accepted: list[tuple[str, bytes]] = field(default_factory=list)

    @property
    def changes(self) -> list[dict[str, Any]]:
        """Of all messages that were accepted, in order."""
        return [c for _, body in self.accepted for c in json.loads(body)["data"]["changes"]]

    @property
    def ids(self) -> list[str]:
        """Of the changes, in order, repeats left out as a receiver does."""
        return list(dict.fromkeys(change["id"] for change in self.changes))


class Receiver:
    """Hooks by their paths."""

    def __init__(self) -> None:
        self.hooks: dict[str, Hook] = {}
        self.url = ""
        #: Paths that nobody was to ask for.
        self.strays: list[str] = []

    async def receive(self, request: web.Request) -> web.Response:
        hook = self.hooks.get(request.path)
        if hook is None:
            self.strays.append(request.path)
            return web.Response(status=404)
        body = await request.read()
        verify(hook.secret, request.headers, body, time.time())
        message_id = request.headers[ID]
        hook.attempts.append((message_id, int(request.headers[TIMESTAMP]), body))
        status = hook.answers(len(hook.attempts) - 1)
        if status == HANG:
            await asyncio.sleep(3600)
        if status < 300:
            hook.accepted.append((message_id, body))
        return web.Response(status=status, headers={"Location": self.url + "elsewhere"})


@asynccontextmanager
async def running_receiver() -> AsyncIterator[Receiver]:
    """On a port of its own."""
    receiver = Receiver()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", receiver.receive)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    try:
        yield receiver
    finally:
        await runner.cleanup()
