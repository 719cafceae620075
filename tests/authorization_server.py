"""An authorization server that tells of opaque tokens (RFC 7662), and counts who asks."""

from __future__ import annotations

import asyncio
from base64 import b64decode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import unquote_plus

from aiohttp import web
from aiohttp.test_utils import TestServer

CLIENT_ID = "rollcall:1"
CLIENT_SECRET = "secret of the client %"
INACTIVE: dict[str, Any] = {"active": False}


class AuthorizationServer:
    """``tokens`` says what is known. ``status`` and ``body``, where set, are answered instead;
    while ``gate`` is closed nothing is. ``lost`` connections are closed without an answer."""

    def __init__(self) -> None:
        self.tokens: dict[str, dict[str, Any]] = {}
        self.status = 200
        self.body: bytes | None = None
        self.headers: dict[str, str] = {}
        self.lost = 0
        self.asked: list[str] = []
        self.in_flight = 0
        self.most_in_flight = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.url = ""

    @property
    def requests(self) -> int:
        return len(self.asked)

    def issue(self, token: str, **claims: Any) -> str:
        self.tokens[token] = {"active": True, "sub": "u1", **claims}
        return token

    def revoke(self, token: str) -> None:
        self.tokens[token] = INACTIVE

    async def answer(self, request: web.Request) -> web.Response:
        form = await request.post()
        self.asked.append(str(form["token"]))
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await self.gate.wait()
        finally:
            self.in_flight -= 1
        if self.lost:
            self.lost -= 1
            assert request.transport is not None
            request.transport.close()
        if not _is_our_client(request.headers.get("Authorization", "")):
            return web.json_response({"error": "invalid_client"}, status=401)
        if self.status != 200 or self.body is not None:
            return web.Response(status=self.status, body=self.body, headers=self.headers)
        assert form["token_type_hint"] == "access_token"
        assert request.headers["Accept"] == "application/json"
        return web.json_response(self.tokens.get(str(form["token"]), INACTIVE))


def _is_our_client(authorization: str) -> bool:
    scheme, _, encoded = authorization.partition(" ")
    client, _, secret = b64decode(encoded).decode().partition(":")
    given = (scheme, unquote_plus(client), unquote_plus(secret))
    return given == ("Basic", CLIENT_ID, CLIENT_SECRET)


@asynccontextmanager
async def running_authorization_server() -> AsyncIterator[AuthorizationServer]:
    server = AuthorizationServer()
    app = web.Application()
    app.router.add_post("/introspect", server.answer)
    async with TestServer(app) as running:
        server.url = str(running.make_url("/introspect"))
        yield server
        server.gate.set()


def introspection(server: AuthorizationServer, **values: Any) -> dict[str, Any]:
    """The settings of a service that asks this server."""
    return {
        "introspection_url": server.url,
        "introspection_client_id": CLIENT_ID,
        "introspection_client_secret": CLIENT_SECRET,
        **values,
    }
