"""An app's own back end that says whose a token is, as Laravel's ``/api/user`` does; it counts who
asks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

PATH = "/api/user"


class BackEnd:
    """``users`` are by token. ``status`` and ``body``, where set, are answered instead, those of
    ``odd`` for one token alone; while ``gate`` is closed nothing is answered."""

    def __init__(self) -> None:
        self.users: dict[str, Any] = {}
        self.status = 200
        self.body: bytes | None = None
        self.odd: dict[str, int] = {}
        self.asked: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.url = ""

    @property
    def requests(self) -> int:
        return len(self.asked)

    def sign_in(self, token: str, user: Any = None) -> str:
        self.users[token] = {"id": 42, "name": "Ada"} if user is None else user
        return token

    def revoke(self, token: str) -> None:
        del self.users[token]

    async def answer(self, request: web.Request) -> web.Response:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        self.asked.append(token)
        self.headers.append(dict(request.headers))
        await self.gate.wait()
        status = self.odd.get(token, self.status)
        if status != 200 or self.body is not None:
            return web.Response(
                status=status,
                body=self.body,
                headers={"Location": "/login", "Content-Type": "text/html"},
            )
        if token not in self.users:
            if request.headers.get("Accept") != "application/json":
                return web.Response(status=302, headers={"Location": "/login"})
            return web.json_response({"message": "Unauthenticated."}, status=401)
        return web.json_response(self.users[token])

    async def login(self, _request: web.Request) -> web.Response:
        self.asked.append("/login")
        return web.Response(text="<html>")


@asynccontextmanager
async def running_back_end() -> AsyncIterator[BackEnd]:
    server = BackEnd()
    app = web.Application()
    app.router.add_get(PATH, server.answer)
    app.router.add_get("/login", server.login)
    async with TestServer(app) as running:
        server.url = str(running.make_url(PATH))
        yield server
        server.gate.set()
