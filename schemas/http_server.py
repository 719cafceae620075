"""aiohttp's server, made so that slow and idle clients cannot hold it.

1. The head of a request is complete ``head`` seconds after the connection was made, or after its
   first byte where the connection had carried a request before. Slowloris sends a byte now and
   then: each costs us nothing and gains it nothing.
2. A connection without a request ends after ``idle`` seconds (aiohttp's keep-alive time-out).
3. So does one whose client does not read its answer.
4. Of plain HTTP connections there are at most ``max_http_connections`` a process; one more gets a
   503 at once, unread, and is closed. Authenticated sockets have a limit of their own and do not
   count here; those that have not authenticated yet do. Long before, idle connections that nobody
   vouched for make room (``schemas/idle_connections.py``); after a 4xx they are kept no longer than
   a head may take.
5. While the process drains before its end, each answer is the last of its connection: clients and
   gateways connect anew, elsewhere.
6. A frozen path is reached however its slashes and capitals are written (``schemas.paths``).
7. Bodies stay packed: aiohttp would unpack what nobody reads, without end, on the loop that all
   others wait for. Whoever reads one unpacks it (``schemas.content_encoding``).
8. What aiohttp would answer by itself is answered as ``schemas.http_problems`` has it.

Bodies have their time-out where they are read. A request that came in time costs one comparison
more than in aiohttp's own server, and a *direct* call less: the few calls that nearly all requests
are go to their handlers without the router, for which they are no different.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import resource
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, cast

from aiohttp import HttpVersion11, web
from aiohttp.base_protocol import BaseProtocol
from aiohttp.web_protocol import RequestHandler
from prometheus_client import CollectorRegistry, Counter, Gauge

from schemas.client_address import TrustedProxies
from schemas.http_problems import REQUEST_ID, plain_response, request_id_of, unreadable, unrouted
from schemas.idle_connections import LEAST_SECONDS, Idle, is_crowded, to_close
from schemas.paths import frozen_path
from schemas.problems import PROBLEM_JSON, ProblemError
from schemas.service_log import REQUEST_ID_IN_LOG
from schemas.settings import HttpSettings
from schemas.stopping import Stop

#: What a client was too slow with.
TIMEOUTS: Final = ("head", "body", "idle", "write")
#: After a look for connections that may make room and that found too few, until the next: each is
#: a walk over all of them.
LOOK_SECONDS: Final = 0.1
#: Files that are no connections of clients: listeners, Kafka, PostgreSQL, logs.
OTHER_OPEN_FILES: Final = 256

#: Handlers by method and path. They cannot ask for ``match_info`` or ``app``: the router sets them.
DirectCalls = Mapping[tuple[str, str], Callable[[web.Request], Awaitable[web.StreamResponse]]]

logger = logging.getLogger(__name__)


class HttpMetrics:
    """Of one service's public port; ``prefix`` is that of the service's metrics."""

    def __init__(self, registry: CollectorRegistry, prefix: str) -> None:
        self.connections = Gauge(
            f"{prefix}_http_connections",
            "Connections of clients that are open, sockets included.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self.refused = Counter(
            f"{prefix}_http_connections_refused",
            "Connections that were refused because there are too many.",
            registry=registry,
        )
        self.made_room = Counter(
            f"{prefix}_http_connections_made_room",
            "Idle connections without a token that counts, closed because there are many.",
            registry=registry,
        )
        self.unreadable = Counter(
            f"{prefix}_http_unreadable",
            "Requests that are not HTTP as we understand it, answered 400.",
            registry=registry,
        )
        timeouts = Counter(
            f"{prefix}_http_timeouts",
            "Connections that were closed because the client was too slow, by what was awaited.",
            ("cause",),
            registry=registry,
        )
        self.timeouts: Mapping[str, Counter] = {cause: timeouts.labels(cause) for cause in TIMEOUTS}


@dataclass(frozen=True, slots=True)
class _Bounds:
    head_seconds: float
    idle_seconds: float
    max_http_connections: int
    max_header_bytes: int
    sockets: Callable[[], int]
    metrics: HttpMetrics
    proxies: TrustedProxies


class _Connected(BaseProtocol):
    """What aiohttp does first with a new connection, less its ``TCP_NODELAY``: asyncio and uvloop
    have set that already, and doing it again costs a tenth of a call with its own connection."""

    __slots__ = ()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)


class BoundedConnection(RequestHandler, _Connected):
    """One connection, closed when its client is too slow."""

    __slots__ = (
        "_bounds",
        "_counted",
        "_forwarded_for",
        "_head_timer",
        "_idle_since",
        "_server",
        "_write_timer",
        "proven",
    )

    def __init__(self, server: BoundedServer, bounds: _Bounds, **options: Any) -> None:
        super().__init__(server, **options)
        self._server = server
        self._bounds = bounds
        self._counted = False
        self._head_timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None
        self._idle_since = self._loop.time()
        #: Of the last request; ``None`` before the first.
        self._forwarded_for: tuple[str, ...] | None = None
        #: It showed a token that counts.
        self.proven = False

    def idle(self, now: float) -> tuple[str, float] | None:
        """The client's address and since when nothing was asked; ``None`` if it is not to go."""
        if self.proven or self._current_request is not None or self.transport is None:
            return None
        if now - self._idle_since < LEAST_SECONDS:
            return None
        peername = self.transport.get_extra_info("peername")
        peer = str(peername[0]) if isinstance(peername, tuple) else ""
        proxies = self._bounds.proxies
        if self._forwarded_for is None and proxies.include(peer):
            return None
        return proxies.client(peer, self._forwarded_for or ()), self._idle_since

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if self._server.is_full:
            self._refuse(cast(asyncio.Transport, transport))
            return
        self._counted = True
        self._server.open_connections += 1
        self._bounds.metrics.connections.inc()
        self._await_head()
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        if self._counted:
            self._counted = False
            self._server.open_connections -= 1
            self._bounds.metrics.connections.dec()
        self._stop_head_timer()
        if self._write_timer is not None:
            self._write_timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        requests_before = self._request_count
        super().data_received(data)
        if self._request_count != requests_before:
            self._stop_head_timer()
        elif self._head_timer is None and self._waiter is not None and not self._waiter.done():
            self._await_head()  # between requests, and these bytes did not complete one

    def pause_writing(self) -> None:
        super().pause_writing()
        if not self._upgraded:  # a socket has a rule of its own
            self._write_timer = self._loop.call_later(self._bounds.idle_seconds, self._write_late)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """The answer to a request that cannot be parsed, or whose handler failed. Raises ``exc`` if
        that is because the client left: then there is nobody to answer, and nothing to log."""
        left = self.transport is None or self.transport.is_closing()
        if left and isinstance(exc, ConnectionError):
            raise exc
        request_id = request_id_of(request.headers.get(REQUEST_ID))
        REQUEST_ID_IN_LOG.set(request_id)
        if status < HTTPStatus.INTERNAL_SERVER_ERROR:
            self._count_unreadable(exc)
            problem = unreadable(exc)
        else:
            logger.error("Unexpected error in request %s", request_id, exc_info=exc)
            problem = ProblemError("internal", "This is our fault. The request id finds it.")
        if request.writer.output_size > 0:
            raise ConnectionError("the answer has begun: another cannot follow")
        return plain_response(problem, request_id)

    def _count_unreadable(self, error: BaseException | None) -> None:
        self._bounds.metrics.unreadable.inc()
        # Neither the sender's address nor what was sent, which may be a token.
        logger.warning("Refused a request: %s", type(error).__name__)

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        if isinstance(resp, web.HTTPError):
            # No route: those of an application begin with a slash, `OPTIONS *` has none.
            resp = plain_response(unrouted(resp), request_id_of(request.headers.get(REQUEST_ID)))
        if self._server.draining:
            resp.force_close()
        finished = await super().finish_response(request, resp, start_time)
        if not self.proven:
            self._idle_since = self._loop.time()
            if request.headers:  # one that cannot be parsed has none
                self._forwarded_for = tuple(request.headers.getall("X-Forwarded-For", ()))
            failed = HTTPStatus.BAD_REQUEST <= resp.status < HTTPStatus.INTERNAL_SERVER_ERROR
            if failed and not self._messages and self._head_timer is None:
                self._await_head()
        return finished

    def _await_head(self) -> None:
        self._head_timer = self._loop.call_later(self._bounds.head_seconds, self._head_late)

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _head_late(self) -> None:
        self._head_timer = None
        self._bounds.metrics.timeouts["head"].inc()
        self.force_close()

    def _process_keepalive(self) -> None:
        closed_before = self._force_close
        super()._process_keepalive()
        if self._force_close and not closed_before:
            self._bounds.metrics.timeouts["idle"].inc()

    def _write_late(self) -> None:
        self._write_timer = None
        self._bounds.metrics.timeouts["write"].inc()
        transport = self.transport
        self.force_close()
        if transport is not None:
            transport.abort()  # closing would wait until the client has read everything

    def _refuse(self, transport: asyncio.Transport) -> None:
        self._bounds.metrics.refused.inc()
        problem = ProblemError("unavailable", "Too many connections. Try again later.")
        # The phones' sample reads `success`, and which call this would have been is not known.
        body = json.dumps({"success": False, **problem.body(request_id="")}).encode()
        headers = {
            "Content-Type": PROBLEM_JSON,
            "Content-Length": str(len(body)),
            "Connection": "close",
            **problem.all_headers(),
        }
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        transport.write(f"HTTP/1.1 503 Service Unavailable\r\n{head}\r\n".encode() + body)
        transport.close()


class BoundedServer(web.Server):
    """Makes the connections, and counts them."""

    def __init__(self, like: web.Server, bounds: _Bounds, direct: DirectCalls) -> None:
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
        self._bounds = bounds
        self.open_connections = 0
        self.draining = False
        self._look_again_at = 0.0

    def __call__(self) -> RequestHandler:
        return BoundedConnection(self, self._bounds, loop=self._loop, **self._kwargs)

    @property
    def is_full(self) -> bool:
        """Asked for each new connection: room is made where there may be some."""
        most = self._bounds.max_http_connections
        if is_crowded(self._http_connections, most):
            self._make_room(most)
        return self._http_connections >= most

    @property
    def _http_connections(self) -> int:
        return self.open_connections - self._bounds.sockets()

    def _make_room(self, most: int) -> None:
        now = self._loop.time()
        if now < self._look_again_at:
            return
        connections = self.connections
        idle = [
            Idle(*found, place)
            for place, connection in enumerate(connections)
            if isinstance(connection, BoundedConnection)
            and (found := connection.idle(now)) is not None
        ]
        closing = to_close(idle, self._http_connections, most)
        if is_crowded(self._http_connections - len(closing), most):
            self._look_again_at = now + LOOK_SECONDS
        for place in closing:
            self._bounds.metrics.made_room.inc()
            connections[place].force_close()


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
    ) -> None:
        super().__init__(app, access_log=None, shutdown_timeout=shutdown_timeout)
        for route in app.router.routes():
            route._expect_handler = _go_on
        self._bounds = _Bounds(
            head_seconds=settings.http_head_timeout_seconds,
            idle_seconds=settings.http_idle_timeout_seconds,
            max_http_connections=settings.max_http_connections,
            max_header_bytes=settings.max_header_bytes,
            sockets=sockets,
            metrics=metrics,
            proxies=settings.proxies,
        )
        self._direct = direct or {}
        self._drain_seconds = settings.drain_seconds

    async def drain(self, stop: Stop) -> None:
        """Go on answering for as long as gateways may take to notice that we are not ready, unless
        ``stop`` hurries. Keeps nobody's connection."""
        assert isinstance(self.server, BoundedServer)  # noqa: S101 - :meth:`_make_server`
        self.server.draining = True
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.hurry.wait(), self._drain_seconds)

    async def _make_server(self) -> BoundedServer:
        return BoundedServer(await super()._make_server(), self._bounds, self._direct)


def _directly(direct: DirectCalls, routed: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def handle(request: web.Request) -> Awaitable[web.StreamResponse]:
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
