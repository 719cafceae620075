"""One connection of :mod:`schemas.http.server`, whose rules are told there."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, cast

from aiohttp import web

from schemas.http.client_address import TrustedProxies
from schemas.http.deadlines import NOT_FILED
from schemas.http.idle_connections import LEAST_SECONDS
from schemas.http.known_heads import KnownHeads
from schemas.http.lane import LaneConnection, Lanes
from schemas.http.metrics import HttpMetrics
from schemas.http.problems import PROBLEM_JSON, ProblemError
from schemas.http.responses import (
    PLAIN_HEADERS,
    REQUEST_ID,
    plain_response,
    request_id_of,
    unreadable,
    unrouted,
)
from schemas.http.upgraded import UpgradedConnection
from schemas.service.logging import REQUEST_ID_IN_LOG

if TYPE_CHECKING:
    from schemas.http.server import BoundedServer

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Bounds:
    head_seconds: float
    idle_seconds: float
    max_http_connections: int
    max_header_bytes: int
    sockets: Callable[[], int]
    metrics: HttpMetrics
    proxies: TrustedProxies


class BoundedConnection(LaneConnection):
    """One connection, closed when its client is too slow."""

    __slots__ = (
        "_bounds",
        "_counted",
        "_early",
        "_forwarded_for",
        "_head_by",
        "_idle_since",
        "_server",
        "_write_timer",
        "tick",
    )

    def __init__(
        self,
        server: BoundedServer,
        bounds: Bounds,
        lanes: Lanes,
        known: KnownHeads,
        **options: Any,
    ) -> None:
        super().__init__(server, lanes, known, **options)
        self._server = server
        self._bounds = bounds
        self._counted = False
        #: What it said before it was made.
        self._early = b""
        #: When the head of a request that is awaited must be there; 0.0 where none is.
        self._head_by = 0.0
        self.tick = NOT_FILED
        self._write_timer: asyncio.TimerHandle | None = None
        self._idle_since = self._loop.time()
        #: Of the last request; ``None`` before the first.
        self._forwarded_for: tuple[str, ...] | None = None

    @property
    def last_answer(self) -> bool:
        """While the process drains."""
        return self._server.draining

    def idle(self, now: float) -> tuple[str, float] | None:
        """The client's address and since when nothing was asked; ``None`` if it is not to go."""
        if self.proven or self.transport is None:
            return None
        if self._current_request is not None:
            return None
        if now - self._idle_since < LEAST_SECONDS:
            return None
        peername = self.transport.get_extra_info("peername")
        peer = str(peername[0]) if isinstance(peername, tuple) else ""
        proxies = self._bounds.proxies
        if self._forwarded_for is None and proxies.include(peer):
            return None
        return proxies.client(peer, self._forwarded_for or ()), self._idle_since

    def came_in(self, early: bytes, head_by: float) -> None:
        """It was counted before, and has said something: see :mod:`schemas.http.newcomer`."""
        self._counted = True
        self._early = early
        self._head_by = head_by

    def uncount(self) -> None:
        """Once, where it was counted."""
        if self._counted:
            self._counted = False
            self._server.uncount()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if not self._counted:
            if not self._server.count():
                cast(asyncio.Transport, transport).write(self._server.refusal())
                transport.close()
                return
            self._counted = True
        if self._head_by:
            self._server.heads.file(self, self._head_by)
        else:
            self._await_head()
        super().connection_made(transport)
        if self._early:
            early, self._early = self._early, b""
            self.data_received(early)

    async def start(self) -> None:
        """aiohttp's task, which fails where the client has left before its first step."""
        if self.transport is not None:
            await super().start()

    async def _handle_request(
        self, request: web.BaseRequest, start_time: float | None, request_handler: Any
    ) -> tuple[web.StreamResponse, bool]:
        if self.transport is None and not request.content.is_eof():
            # As aiohttp has it where the client leaves later: to wait for the rest is no fault.
            request._cancel(ConnectionResetError("the client has left"))
        return await super()._handle_request(request, start_time, request_handler)

    def connection_lost(self, exc: BaseException | None) -> None:
        self.uncount()
        self._head_by = 0.0
        self._server.heads.drop(self)
        if self._write_timer is not None:
            self._write_timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        requests_before = self._request_count
        super().data_received(data)
        if self._request_count != requests_before:
            self._head_by = 0.0
        elif not self._head_by and self.is_resting:
            self._await_head()  # between requests, and these bytes did not complete one

    def hand_over(self, request: web.BaseRequest, to: UpgradedConnection) -> bytes:
        """Let another protocol have the connection after ``request``; what came behind that.
        Raises ``ConnectionResetError`` where the client has left."""
        transport, behind = self.transport, self._message_tail
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the client has left")
        paused = self._buffer_paused
        if not self.proven:
            address = self._bounds.proxies.client_of(request)
            self._server.strangers[to] = (address, self._idle_since)
        self._counted = False  # the other one counts from now on
        # For aiohttp the connection is lost, though not closed: its parser, timers and task go.
        self.transport = None
        self.connection_lost(None)
        transport.set_protocol(to)
        to.taken_over(self._server, transport)
        if paused:
            transport.resume_reading()
        return behind

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
        if not resp.prepared:
            await plain(request, resp)
        if self._server.draining:
            resp.force_close()
        finished = await super().finish_response(request, resp, start_time)
        if not self.proven and self.transport is not None:
            self._idle_since = self._loop.time()
            self._keep_forwarded_for(request)
            failed = HTTPStatus.BAD_REQUEST <= resp.status < HTTPStatus.INTERNAL_SERVER_ERROR
            if failed and not self._messages and not self._head_by:
                self._await_head()
        return finished

    def _keep_forwarded_for(self, request: web.BaseRequest) -> None:
        if request.headers:  # one that cannot be parsed has none
            self._forwarded_for = tuple(request.headers.getall("X-Forwarded-For", ()))

    def _await_head(self) -> None:
        self._head_by = self._loop.time() + self._bounds.head_seconds
        self._server.heads.file(self, self._head_by)

    def wake(self, now: float) -> None:
        """As :class:`schemas.http.sweep.Woken`: it was filed for a head, and that may be there."""
        if not self._head_by:
            return
        if now < self._head_by:
            self._server.heads.file(self, self._head_by)
            return
        self._head_by = 0.0
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


def refusal() -> bytes:
    """To a connection too many, of which nothing is read."""
    problem = ProblemError("unavailable", "Too many connections. Try again later.")
    # The phones' sample reads `success`, and which call this would have been is not known.
    body = json.dumps({"success": False, **problem.body(request_id="")}).encode()
    headers = {
        "Content-Type": PROBLEM_JSON,
        "Content-Length": str(len(body)),
        "Connection": "close",
        "Server": "Rollcall",
        "X-Content-Type-Options": "nosniff",
        **problem.all_headers(),
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 503 Service Unavailable\r\n{head}\r\n".encode() + body


async def plain(_request: web.BaseRequest, response: web.StreamResponse) -> None:
    """A signal that adds what every answer has."""
    response.headers.update(PLAIN_HEADERS)
