"""aiohttp's server, made so that slow and idle clients cannot hold it.

1. The head of a request is complete ``head`` seconds after the connection was made, or after its
   first byte where the connection had carried a request before. Slowloris sends a byte now and
   then: each costs us nothing and gains it nothing.
2. A connection without a request ends after ``idle`` seconds (aiohttp's keep-alive time-out).
3. So does one whose client does not read its answer.
4. Of plain HTTP connections there are at most ``max_http_connections`` a process; one more gets a
   503 at once, unread, and is closed. Authenticated sockets have a limit of their own and do not
   count here; those that have not authenticated yet do. Long before, idle connections that nobody
   vouched for make room (``schemas/http/idle_connections.py``); after a 4xx they are kept no longer
   than a head may take.
5. While the process drains before its end, each answer is the last of its connection: clients and
   gateways connect anew, elsewhere.
6. A frozen path is reached however its slashes and capitals are written (``schemas.http.paths``).
7. Bodies stay packed: aiohttp would unpack what nobody reads, without end, on the loop that all
   others wait for. The handler that reads one unpacks it (``schemas.http.content_encoding``).
8. What aiohttp would answer by itself is answered as ``schemas.http.responses`` has it.
9. A call of a new connection that is known is answered before there is more of the connection than
   its descriptor (``schemas.http.newcomer``).
10. A connection that became a socket leaves aiohttp (``schemas.http.upgraded``), and is counted on.

Bodies have their time-out where they are read. A request that came in time costs one comparison
more than in aiohttp's own server, and a *direct* call less: the few calls that nearly all requests
are go to their handlers without the router, for which they are no different. Where such a call has
a straight lane, and looks as usual, it does not even become a request (``schemas.http.lane``).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import resource
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, cast

from aiohttp import HttpVersion11, web
from aiohttp.web_protocol import RequestHandler

from schemas.http.connection import BoundedConnection, Bounds, plain, refusal
from schemas.http.idle_connections import LEAST_SECONDS, Idle, is_crowded, to_close
from schemas.http.known_heads import KnownHeads
from schemas.http.lane import Lanes
from schemas.http.metrics import HttpMetrics
from schemas.http.newcomer import Newcomer
from schemas.http.paths import frozen_path
from schemas.http.problems import ProblemError
from schemas.http.responses import REQUEST_ID, plain_response, request_id_of
from schemas.http.settings import HttpSettings
from schemas.http.sweep import Sweep
from schemas.http.upgraded import UpgradedConnection
from schemas.service.shutdown import Stop

#: After a look for connections that may make room and that found too few, until the next: each is
#: a walk over all of them.
LOOK_SECONDS: Final = 0.1
#: Files that are no connections of clients: listeners, Kafka, PostgreSQL, logs.
OTHER_OPEN_FILES: Final = 256

#: Handlers by method and path. They cannot ask for ``match_info`` or ``app``: the router sets them.
DirectCalls = Mapping[tuple[str, str], Callable[[web.Request], Awaitable[web.StreamResponse]]]

logger = logging.getLogger(__name__)


class BoundedServer(web.Server):
    """Makes the connections, and counts them."""

    def __init__(self, like: web.Server, bounds: Bounds, direct: DirectCalls, lanes: Lanes) -> None:
        super().__init__(
            _directly(direct, like.request_handler), request_factory=like.request_factory
        )
        self._kwargs = {
            **like._kwargs,
            "keepalive_timeout": bounds.idle_seconds,
            "auto_decompress": False,
            "max_field_size": bounds.max_header_bytes,
            # Two system calls a connection, for what our time-outs and pings find much sooner.
            "tcp_keepalive": False,
            # The rest of a refused body, which is read so that the client reads the answer.
            "lingering_time": bounds.head_seconds,
        }
        self.bounds = bounds
        self.lanes = lanes
        self.known = KnownHeads(bounds.max_header_bytes)
        #: Those of whom a descriptor is all there is, by it.
        self.newcomers: dict[int, Newcomer] = {}
        #: When heads of requests must be there: one timer for all connections.
        self.heads = Sweep()
        self.open_connections = 0
        #: Upgraded connections that have shown no token yet: client address, idle since.
        self.strangers: dict[UpgradedConnection, tuple[str, float]] = {}
        self.draining = False
        self._look_again_at = 0.0

    def __call__(self) -> BoundedConnection:
        return BoundedConnection(
            self, self.bounds, self.lanes, self.known, loop=self._loop, **self._kwargs
        )

    def came_in(self, early: bytes, head_by: float) -> BoundedConnection:
        """An ordinary connection for one that was counted before, and has said something."""
        connection = self()
        connection.came_in(early, head_by)
        return connection

    def count(self) -> bool:
        """Count a new connection. ``False``: there are too many, and it gets the refusal."""
        if self.is_full:
            self.bounds.metrics.refused.inc()
            return False
        self.open_connections += 1
        self.bounds.metrics.connections.inc()
        return True

    def uncount(self) -> None:
        """One that was counted has ended."""
        self.open_connections -= 1
        self.bounds.metrics.connections.dec()

    def refusal(self) -> bytes:
        """What one more than there may be is told, unread."""
        return refusal()

    def pre_shutdown(self) -> None:
        super().pre_shutdown()
        for newcomer in [*self.newcomers.values()]:
            newcomer.close()

    async def shutdown(self, timeout: float | None = None) -> None:
        newcomers = [each.shutdown(timeout) for each in self.newcomers.values()]
        await asyncio.gather(super().shutdown(timeout), *newcomers)

    @property
    def is_full(self) -> bool:
        """Asked for each new connection: room is made where there may be some."""
        most = self.bounds.max_http_connections
        if is_crowded(self._http_connections, most):
            self._make_room(most)
        return self._http_connections >= most

    @property
    def _http_connections(self) -> int:
        return self.open_connections - self.bounds.sockets()

    def _make_room(self, most: int) -> None:
        now = self._loop.time()
        if now < self._look_again_at:
            return
        connections: list[RequestHandler | Newcomer | UpgradedConnection] = [
            *self.connections,
            *self.newcomers.values(),
        ]
        idle = [
            Idle(*found, place)
            for place, connection in enumerate(connections)
            if isinstance(connection, BoundedConnection | Newcomer)
            and (found := connection.idle(now)) is not None
        ]
        for stranger, (address, since) in self.strangers.items():
            if now - since >= LEAST_SECONDS:
                idle.append(Idle(address, since, len(connections)))
                connections.append(stranger)
        closing = to_close(idle, self._http_connections, most)
        if is_crowded(self._http_connections - len(closing), most):
            self._look_again_at = now + LOOK_SECONDS
        for place in closing:
            self.bounds.metrics.made_room.inc()
            connections[place].force_close()

    def upgraded_lost(self, connection: UpgradedConnection) -> None:
        """One that was handed over has ended."""
        self.strangers.pop(connection, None)
        self.uncount()


class BoundedRunner(web.AppRunner):
    """Runs an application behind a :class:`BoundedServer`.

    ``sockets`` tells how many authenticated sockets are open; ``shutdown_timeout`` is how long, in
    seconds, what is in flight may take at the end. The routes of the ``direct`` calls are also the
    application's, which is asked for whatever is unusual about one.
    """

    def __init__(
        self,
        app: web.Application,
        settings: HttpSettings,
        metrics: HttpMetrics,
        *,
        shutdown_timeout: float,
        sockets: Callable[[], int] = lambda: 0,
        direct: DirectCalls | None = None,
        lanes: Lanes | None = None,
    ) -> None:
        super().__init__(app, access_log=None, shutdown_timeout=shutdown_timeout)
        app.on_response_prepare.append(plain)
        for route in app.router.routes():
            route._expect_handler = _go_on
        self._bounds = Bounds(
            head_seconds=settings.http_head_timeout_seconds,
            idle_seconds=settings.http_idle_timeout_seconds,
            max_http_connections=settings.max_http_connections,
            max_header_bytes=settings.max_header_bytes,
            sockets=sockets,
            metrics=metrics,
            proxies=settings.proxies,
        )
        self._direct = direct or {}
        self._lanes = lanes or {}
        self._drain_seconds = settings.drain_seconds

    async def drain(self, stop: Stop) -> None:
        """Go on answering for as long as gateways may take to notice that we are not ready, unless
        ``stop`` hurries. Keeps nobody's connection."""
        assert isinstance(self.server, BoundedServer)  # noqa: S101 - :meth:`_make_server`
        self.server.draining = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._drain_seconds):
                await stop.hurry.wait()

    async def _make_server(self) -> BoundedServer:
        like = await super()._make_server()
        return BoundedServer(like, self._bounds, self._direct, self._lanes)


def _directly(direct: DirectCalls, routed: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def handle(request: web.Request) -> Awaitable[web.StreamResponse]:
        if request.version < HttpVersion11 and "Transfer-Encoding" in request.headers:
            return _refuse_coded(request)
        path = request.path
        handler = direct.get((request.method, path))
        if handler is not None and "Expect" not in request.headers:
            return handler(request)
        frozen = frozen_path(path)
        if frozen is not None and frozen != path:
            url = request.rel_url.with_path(frozen, keep_query=True)
            request = request.clone(rel_url=url)
        return cast(Awaitable[web.StreamResponse], routed(request))

    return handle


def prove(request: web.BaseRequest) -> None:
    """The request's token counts: its connection never makes room for others."""
    connection = request.protocol
    if isinstance(connection, BoundedConnection):
        connection.proven = True


async def _refuse_coded(request: web.Request) -> web.StreamResponse:
    """HTTP/1.0 has no transfer codings: a proxy in between may see another end of this request
    (RFC 9112, section 6.1)."""
    request.content.feed_eof()
    problem = ProblemError("bad_request", "HTTP/1.0 has no Transfer-Encoding.")
    return plain_response(problem, request_id_of(request.headers.get(REQUEST_ID)))


async def _go_on(request: web.Request) -> None:
    """Answers ``Expect: 100-continue``; any other expectation is ignored (RFC 9110, section
    10.1.1). aiohttp's handler fails on one that is not UTF-8, and repeats any other."""
    if request.version >= HttpVersion11 and request.headers["Expect"].lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # the answer has not begun


def allow_open_files(connections: int) -> None:
    """Let this process have so many connections, as far as the system allows it; say so where it
    does not, because the limits of the settings would then never be reached."""
    wanted = connections + OTHER_OPEN_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < wanted:
        logger.warning(
            "This process may open %d files, its connection limits want %d: raise the limit of "
            "open files (ulimit -Hn), or lower the connection limits",
            *(hard, wanted),
        )
        wanted = hard
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
