"""``/api/ws``: the thin shell around :class:`ingest.session.Session`, and all sockets of a process.

One task a socket reads a message, does what the session makes of it, and reads the next: one
message of a client is in work, the rest waits in the reader's and the kernel's bounded buffers.
What a client does not read is bounded too: above :data:`UNREAD_BYTES` it is a slow reader (4408).

Of a user who has too many sockets the newest wins over one that is gone: of the same device the one
that was silent for longest goes, of others one that leaves a ping unanswered for
:data:`PROBE_SECONDS`. Only where all are there the new one is refused (4429).
"""

from __future__ import annotations

import asyncio
import random
import secrets
import time
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import Final

from aiohttp import WebSocketError, WSMessage, WSMsgType, web

from ingest.auth import Authentication
from ingest.cors import Cors
from ingest.errors import method_not_allowed, problem_response
from ingest.limits import ConnectionLimits, UserLimits
from ingest.metrics import IngestMetrics
from ingest.ping_intervals import PingIntervals
from ingest.publisher import Acknowledgement, Publisher
from ingest.session import Session
from ingest.session_actions import (
    BINARY,
    LOGGED_OUT,
    LOST_OR_SLOW,
    NORMAL,
    TOO_MANY,
    Action,
    Close,
    Ping,
    Send,
    Verify,
    Write,
)
from ingest.settings import IngestSettings
from schemas.events import Logout, encode_event
from schemas.http_problems import REQUEST_ID, request_id_of
from schemas.paths import SOCKET_PATH as SOCKET_PATH
from schemas.problems import ProblemError
from schemas.service_log import REQUEST_ID_IN_LOG
from schemas.tokens import Identity

#: Answers are some hundred bytes, so this is a client that has not read for long.
UNREAD_BYTES: Final = 65_536
#: How long the most silent socket of a user may take to show that it is there.
PROBE_SECONDS: Final = 1.0
#: How long a closing handshake may take.
CLOSE_TIMEOUT_SECONDS: Final = 2.0
# aiohttp would wait for a slow reader once this much was written; we close it instead.
_NEVER_WAIT_BYTES: Final = 1 << 62
_SHORTEST_WAIT_SECONDS: Final = 0.001


class Sockets:
    """All sockets of this process, by connection id."""

    def __init__(
        self,
        settings: IngestSettings,
        authentication: Authentication,
        publisher: Publisher,
        metrics: IngestMetrics,
        user_limits: UserLimits,
        connection_limits: ConnectionLimits,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.authentication = authentication
        self.publisher = publisher
        self.metrics = metrics
        self.user_limits = user_limits
        self.connection_limits = connection_limits
        self.clock = clock
        self.policy = settings.session_policy
        self.ping_intervals = PingIntervals(self.policy.ping_interval_seconds)
        self._cors = Cors(settings.cors_origin_list)
        self._compression = settings.websocket_compression
        # aiohttp refuses a message of exactly its limit.
        self._max_message_bytes = settings.max_body_bytes + 1
        self._drain_seconds = settings.websocket_drain_seconds
        self._reconnect_spread_ms = settings.reconnect_spread_ms
        self._open: dict[str, _Socket] = {}
        #: The sockets that are counted, by user.
        self._of_user: dict[str, set[_Socket]] = {}
        self._endings: set[asyncio.Task[None]] = set()
        self._max_connections = settings.max_connections
        self._draining = False

    def add_routes(self, router: web.UrlDispatcher) -> None:
        router.add_get(SOCKET_PATH, self.handle, allow_head=False)
        router.add_route("*", SOCKET_PATH, method_not_allowed("GET", phone_call=True))

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """One socket, from its handshake to its end."""
        request_id = request_id_of(request.headers.get(REQUEST_ID))
        # Of the handshake, for as long as the socket lives.
        REQUEST_ID_IN_LOG.set(request_id)
        try:
            # Before aiohttp looks at them: it logs offers that it does not know, a token perhaps.
            scheme, token = offered_token(request.headers.get("Sec-WebSocket-Protocol"))
            websocket = web.WebSocketResponse(
                timeout=CLOSE_TIMEOUT_SECONDS,
                protocols=(scheme,) if scheme else (),
                autoping=False,
                compress=self._compression,
                max_msg_size=self._max_message_bytes,
                writer_limit=_NEVER_WAIT_BYTES,
            )
            identity = await self._admit(request, websocket, token)
        except ProblemError as problem:
            self.metrics.handshake_refusals[problem.code].inc()
            return problem_response(problem, request_id, phone_call=True)
        await websocket.prepare(request)
        socket = _Socket(self, websocket, request)
        connection = socket.session.connection
        self._open[connection] = socket
        self.metrics.sockets_open.inc()
        try:
            await socket.run(identity)
        finally:
            del self._open[connection]
            self.metrics.sockets_open.dec()
        return websocket

    async def end_signed_out(self, connections: Iterable[str]) -> None:
        """Close those of the connections that are ours: their devices signed out (4409)."""
        mine = [self._open[each] for each in connections if each in self._open]
        await asyncio.gather(
            *(each.do(each.session.close(LOGGED_OUT, "logged out")) for each in mine)
        )

    async def drain(self) -> None:
        """Tell all sockets to come back, and close them, over a few seconds (1012)."""
        self._draining = True
        await asyncio.gather(*(self._restart(socket) for socket in list(self._open.values())))

    async def _restart(self, socket: _Socket) -> None:
        await asyncio.sleep(random.uniform(0, self._drain_seconds))  # noqa: S311
        reconnect_after_ms = random.randrange(self._reconnect_spread_ms + 1)  # noqa: S311
        await socket.do(socket.session.restart(reconnect_after_ms))

    async def _admit(
        self, request: web.Request, websocket: web.WebSocketResponse, token: str
    ) -> Identity | None:
        """Whom the handshake names; ``None`` if the first frame is to do that. Raises
        ``ProblemError``."""
        if self._draining:
            raise ProblemError("unavailable", "This server is about to restart; connect again.")
        if not _opens(websocket, request):
            raise ProblemError("bad_request", "Open a WebSocket (RFC 6455, version 13) here.")
        if not self._cors.origin_allowed(request.headers.get("Origin")):
            raise ProblemError("origin_refused", "Pages of this origin may not open a socket.")
        if len(self._open) >= self._max_connections:
            raise ProblemError("unavailable", "This server holds as many sockets as it can.")
        if "Authorization" in request.headers:
            return await self.authentication.of_request(request)
        return await self.authentication.of_token(token, request) if token else None

    async def count(self, socket: _Socket, user: str, device: str | None) -> bool:
        """Count ``socket`` as one of ``user``, whose ``device`` it names if it does. ``False``:
        there are too many, all of which are there."""
        limits = self.connection_limits
        if not limits.open(user):
            gone = None if limits.full else await self._gone(user, device)
            if gone is None:
                return False
            self.uncount(gone)
            task = asyncio.create_task(gone.do(gone.session.close(LOST_OR_SLOW, "replaced")))
            self._endings.add(task)
            task.add_done_callback(self._endings.discard)
            if not limits.open(user):
                return False
        socket.counted_user = user
        self._of_user.setdefault(user, set()).add(socket)
        return True

    def uncount(self, socket: _Socket) -> None:
        """Let somebody else have its place."""
        user, socket.counted_user = socket.counted_user, None
        if user is None:
            return
        self.connection_limits.close(user)
        sockets = self._of_user[user]
        sockets.discard(socket)
        if not sockets:
            del self._of_user[user]

    async def _gone(self, user: str, device: str | None) -> _Socket | None:
        """The socket of ``user`` whose place a new one may have."""
        by_silence = sorted(self._of_user.get(user, ()), key=lambda socket: socket.session.heard_at)
        if device is not None:
            for socket in by_silence:
                if socket.session.device_name == device:
                    return socket
        for socket in by_silence:
            if not socket.probed:
                answers = await socket.answers(PROBE_SECONDS)
                return None if answers or socket.counted_user is None else socket
        return None


def offered_token(subprotocols: str | None) -> tuple[str, str]:
    """The word ``bearer``, as it was offered, and the token behind it: the one header that a page
    can set is that of its subprotocols. Two empty texts if none are offered.

    Raises ``ProblemError`` ``bad_request`` for any others: a browser would give up, and say only
    1006, if none of its offers were taken.
    """
    if subprotocols is None:
        return "", ""
    offers = [offer.strip() for offer in subprotocols.split(",")]
    for scheme, token in pairwise(offers):
        if scheme.lower() == "bearer" and token:
            return scheme, token
    raise ProblemError(
        "bad_request",
        "None of these subprotocols is known here. Offer none and send an auth frame with the "
        "user's token first, or offer bearer and the token.",
    )


def _opens(websocket: web.WebSocketResponse, request: web.Request) -> bool:
    """Whether the request opens a WebSocket."""
    try:
        return websocket.can_prepare(request).ok
    except ValueError:  # a key that is not ASCII
        return False


class _Socket:
    """One socket: what its session asks for is done here."""

    __slots__ = (
        "_loop",
        "_probe",
        "_request",
        "_sockets",
        "_transport",
        "_websocket",
        "counted_user",
        "session",
    )

    def __init__(
        self,
        sockets: Sockets,
        websocket: web.WebSocketResponse,
        request: web.Request,
    ) -> None:
        self._sockets = sockets
        self._websocket = websocket
        self._request = request
        self._transport = request.transport
        self._loop = asyncio.get_running_loop()
        #: Resolved by whatever comes next: a sign that the client is there.
        self._probe: asyncio.Future[bool] | None = None
        self.counted_user: str | None = None
        self.session = Session(
            sockets.policy,
            secrets.token_urlsafe(12),
            self._loop.time(),
            sockets.user_limits.take,
            random.random,
            sockets.ping_intervals.of,
        )

    async def run(self, identity: Identity | None) -> None:
        """Until the socket is closed."""
        session, websocket = self.session, self._websocket
        ended = False
        try:
            if identity is not None:
                await self.do(await self._admitted(identity))
            while not websocket.closed:
                wait_seconds = session.deadline - self._loop.time()
                try:
                    message = await websocket.receive(max(wait_seconds, _SHORTEST_WAIT_SECONDS))
                except TimeoutError:
                    await self.do(session.wake(self._loop.time()))
                    continue
                ended = message.type is WSMsgType.CLOSE
                self._end_probe(there=not websocket.closed)
                await self._take(message)
                # A client that never stops sending must not hold up what is due.
                await self.do(session.wake(self._loop.time()))
        finally:
            await self.do(session.gone() if ended else session.cut(self._loop.time()))
            if session.lost_after_seconds is not None and session.user is not None:
                self._sockets.ping_intervals.lost_silently(session.user, session.lost_after_seconds)
            self._sockets.metrics.socket_closes[session.close_code or NORMAL].inc()
            self._end_probe(there=False)
            self._sockets.uncount(self)

    @property
    def probed(self) -> bool:
        """Whether somebody waits for a sign of it."""
        return self._probe is not None

    async def answers(self, within_seconds: float) -> bool:
        """Whether the client answers a ping in time."""
        self._probe = self._loop.create_future()
        try:
            await self._ping()
            async with asyncio.timeout(within_seconds):
                return await self._probe
        except (TimeoutError, ConnectionError):
            return False
        finally:
            self._probe = None

    def _end_probe(self, *, there: bool) -> None:
        if self._probe is not None and not self._probe.done():
            self._probe.set_result(there)

    async def do(self, actions: Sequence[Action]) -> None:
        """Do what the session asks for, and what follows from it. The events among ``actions`` are
        handed over together, so that an array of frames waits for Kafka once."""
        while actions:
            handed_over: list[tuple[Write, Acknowledgement | None]] = []
            follow: list[Action] = []
            for action in actions:
                match action:
                    case Write():
                        handed_over.append((action, self._hand_over(action)))
                    case Send():
                        follow += await self._send(action)
                    case Ping():
                        await self._ping()
                    case Verify(token):
                        follow += await self._verify(token)
                    case Close(code, reason):
                        await self._close(code, reason)
            for write, acknowledgement in handed_over:
                if acknowledgement is not None and await acknowledgement:
                    self._sockets.metrics.count_socket_event(write, self._sockets.clock())
                    follow += self.session.written(write)
                else:
                    follow += self.session.not_written(write, self._loop.time())
            actions = follow

    async def _take(self, message: WSMessage) -> None:
        session = self.session
        if message.type is WSMsgType.TEXT:
            await self.do(session.message(message.data, self._loop.time()))
        elif message.type is WSMsgType.PING:
            session.heard(self._loop.time())
            if not self._websocket.closed:
                await self._websocket.pong(message.data)
        elif message.type is WSMsgType.PONG:
            session.heard(self._loop.time())
        elif message.type is WSMsgType.BINARY:
            await self.do(session.close(BINARY, "frames are JSON text"))
        elif message.type is WSMsgType.ERROR and isinstance(message.data, WebSocketError):
            # Not UTF-8 (1007), too long (1009), no WebSocket (1002): the reader has closed.
            await self.do(session.close(message.data.code, "protocol error"))

    async def _admitted(self, identity: Identity) -> list[Action]:
        if not await self._sockets.count(self, identity.user, identity.device):
            return self.session.close(TOO_MANY, "too many connections")
        if self.session.close_code is not None:
            return []
        return self.session.admitted(identity, self._valid_until(identity), self._loop.time())

    async def _verify(self, token: str) -> list[Action]:
        session, sockets = self.session, self._sockets
        try:
            identity = await sockets.authentication.of_token(token, self._request)
        except ProblemError as problem:
            if problem.code in sockets.metrics.token_refusals:
                sockets.metrics.token_refusals[problem.code].inc()
            return session.refused(problem, self._loop.time())
        if session.user is None:
            device = session.device_of(identity)
            if not await sockets.count(self, identity.user, device):
                return session.close(TOO_MANY, "too many connections")
        if session.close_code is not None:  # closed while we asked
            return []
        return session.verified(identity, self._valid_until(identity), self._loop.time())

    def _valid_until(self, identity: Identity) -> float:
        if identity.accepted_until is None:
            return float("inf")
        return self._loop.time() + identity.accepted_until - self._sockets.clock()

    def _hand_over(self, write: Write) -> Acknowledgement | None:
        event = write.event
        try:
            return self._sockets.publisher.publish(
                event.user, encode_event(event), urgent=isinstance(event, Logout)
            )
        except ProblemError:
            return None

    async def _send(self, send: Send) -> list[Action]:
        if send.error is not None:
            self._sockets.metrics.frame_errors[send.error].inc()
        if not self._writable():
            return []
        if self._unread_bytes() > UNREAD_BYTES:
            return self.session.close(LOST_OR_SLOW, "slow reader")
        await self._websocket.send_str(send.text)
        return []

    async def _ping(self) -> None:
        if self._writable():
            await self._websocket.ping()

    def _writable(self) -> bool:
        transport = self._transport
        return not (self._websocket.closed or transport is None or transport.is_closing())

    def _unread_bytes(self) -> int:
        return self._transport.get_write_buffer_size() if self._transport is not None else 0

    async def _close(self, code: int, reason: str) -> None:
        # Not drained: that would wait for a slow reader without end.
        await self._websocket.close(code=code, message=reason.encode(), drain=False)
        if self._transport is not None:
            # What a client that is gone or slow did not read is not kept for it.
            self._transport.abort()
