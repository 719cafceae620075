"""The other thing Rollcall is compared with: FastAPI, and a sorted set of Redis.

The way that most write it first: when each user was heard is a score, so who is online is a range
of scores. It verifies the token and answers as Rollcall does, on uvloop and httptools; it has no
log, no history, no screens over time and no logout fence, and loses what its Redis had not yet
written to disk.

Run as ``python -m tests.bench.fastapi_redis PORT SOCKET SECRET``, with what ``tests/fastapi.lock``
has on the path; ``SOCKET`` is that of Redis.
"""

from __future__ import annotations

import sys
import time

import jwt
import uvicorn
from fastapi import FastAPI, HTTPException, Request, Response
from pydantic import BaseModel
from redis.asyncio import BlockingConnectionPool, Redis, UnixDomainSocketConnection

#: By default the one call too many fails at once; so it waits its turn.
CONNECTIONS = 64


class Heartbeat(BaseModel):
    screen: str | None = None
    app_version: str | None = None
    device_info: str | None = None


def create_app(redis: Redis, secret: str) -> FastAPI:
    app = FastAPI()

    @app.post("/api/update-online-status")
    async def update(request: Request, heartbeat: Heartbeat) -> Response:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer":
            raise HTTPException(401)
        try:
            claims = jwt.decode(token, secret, algorithms=["HS256"])
        except jwt.PyJWTError:
            raise HTTPException(401) from None
        user = claims["sub"]
        async with redis.pipeline(transaction=False) as pipeline:
            pipeline.zadd("online", {user: time.time()})
            pipeline.hset(f"user:{user}", mapping=heartbeat.model_dump(exclude_none=True))
            await pipeline.execute()
        return Response(b'{"success": true}', media_type="application/json")

    return app


if __name__ == "__main__":
    port, path, secret = sys.argv[1:]
    pool = BlockingConnectionPool(
        CONNECTIONS, connection_class=UnixDomainSocketConnection, path=path
    )
    uvicorn.run(
        create_app(Redis(connection_pool=pool), secret),
        host="127.0.0.1",
        port=int(port),
        loop="uvloop",
        http="httptools",
        log_level="warning",
        access_log=False,
    )
