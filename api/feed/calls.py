"""``GET /api/v1/feed``."""

from __future__ import annotations

import asyncio
import random
import socket
from typing import Final

from aiohttp import web
from aiohttp_sse import EventSourceResponse

from api.access.readers import Readers, reader_of
from api.feed.described import FOLLOW_FEED
from api.feed.hub import Hub, Viewer
from api.http.call import Call
from api.http.door import Handler, common_headers
from api.reads.audit import ReadAudit
from schemas.http.problems import ProblemError

#: The feed has no filter: it shows changes of everybody.
EVERYBODY: Final = b"feed"
#: Of silence, before a comment shows that the connection lives.
HEARTBEAT_SECONDS: Final = 15.0
#: A reader whose token has ended is sent away so soon.
ADMIT_SECONDS: Final = 10.0
#: When browsers come back after an end, in milliseconds: spread out.
RETRY_MS: Final = (1_000, 3_000)
#: What the system and our process may hold for a viewer that does not read.
SEND_BUFFER_BYTES: Final = 65_536


class FeedCall:
    """The handler."""

    def __init__(self, hub: Hub, readers: Readers, reads: ReadAudit) -> None:
        self._reads = reads
        self._hub = hub
        self._readers = readers

    def handlers(self) -> dict[Call, Handler]:
        return {FOLLOW_FEED: self.feed}

    async def feed(self, request: web.Request) -> web.StreamResponse:
        """A snapshot, then deltas, until the reader leaves, is too slow, or its token ends. A HEAD
        tells whether there is room."""
        reader = reader_of(request)
        self._hub.check_room(reader)
        response = EventSourceResponse(ping_interval=HEARTBEAT_SECONDS)
        response.headers.update(common_headers(request))
        if request.method == "HEAD":
            return web.Response(headers=response.headers)
        transport = request.transport
        assert transport is not None  # noqa: S101  (before the answer)
        _bound(transport)
        await self._reads.filter(reader, "feed_start", EVERYBODY, 0)
        viewer = Viewer(reader, request.headers.get("Last-Event-ID"), transport.abort)
        self._hub.join(viewer)
        try:
            await response.prepare(request)
            async with response:
                await response.write(f"retry: {random.randint(*RETRY_MS)}\n\n".encode())  # noqa: S311
                await self._follow(request, response, viewer)
        finally:
            self._hub.leave(viewer)
            self._reads.filter_later(reader, "feed_end", EVERYBODY)
        return response

    async def _follow(
        self, request: web.Request, response: EventSourceResponse, viewer: Viewer
    ) -> None:
        loop = asyncio.get_running_loop()
        admitted_at = loop.time()
        while (event := await viewer.next()) is not None:
            await response.write(event)
            if loop.time() - admitted_at < ADMIT_SECONDS:
                continue
            admitted_at = loop.time()
            try:
                await self._readers.admit(request, cookie=True)
            except ProblemError as problem:
                if problem.status in (401, 403):
                    return


def _bound(transport: asyncio.Transport) -> None:
    transport.set_write_buffer_limits(high=SEND_BUFFER_BYTES)
    connection = transport.get_extra_info("socket")
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
