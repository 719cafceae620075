"""What Rollcall is compared with: a straightforward aiohttp service, one upserted row a request.

It verifies the token and answers as Rollcall does, on uvloop and with a connection pool; it has no
log, no history, no expiry, no logout fence.

Run as ``python -m tests.bench.baseline PORT URL SECRET``.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator

import jwt
import uvloop
from aiohttp import web
from psycopg_pool import AsyncConnectionPool

CREATE = """
CREATE TABLE IF NOT EXISTS online (
    user_id text PRIMARY KEY, screen text, app_version text, device_info text,
    last_active timestamptz NOT NULL
)
"""
UPSERT = """
INSERT INTO online (user_id, screen, app_version, device_info, last_active)
VALUES (%s, %s, %s, %s, now())
ON CONFLICT (user_id) DO UPDATE SET
    screen = EXCLUDED.screen, app_version = EXCLUDED.app_version,
    device_info = EXCLUDED.device_info, last_active = EXCLUDED.last_active
"""


def create_app(database_url: str, secret: str) -> web.Application:
    pool = AsyncConnectionPool(database_url, min_size=8, max_size=16, open=False)

    async def lifespan(_app: web.Application) -> AsyncIterator[None]:
        await pool.open()
        async with pool.connection() as connection:
            await connection.execute(CREATE)
        yield
        await pool.close()

    async def update(request: web.Request) -> web.Response:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer":
            raise web.HTTPUnauthorized
        try:
            claims = jwt.decode(token, secret, algorithms=["HS256"])
        except jwt.PyJWTError:
            raise web.HTTPUnauthorized from None
        body = await request.json()
        async with pool.connection() as connection:
            await connection.execute(
                UPSERT,
                (
                    claims["sub"],
                    body.get("screen"),
                    body.get("app_version"),
                    body.get("device_info"),
                ),
            )
        return web.json_response({"success": True})

    app = web.Application()
    app.cleanup_ctx.append(lifespan)
    app.router.add_post("/api/update-online-status", update)
    return app


async def serve(port: int, database_url: str, secret: str) -> None:
    runner = web.AppRunner(create_app(database_url, secret), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), sys.argv[2], sys.argv[3]))
