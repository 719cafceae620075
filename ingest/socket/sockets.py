"""``/api/ws``: all sockets of a process, from their handshakes on.

What a socket does is in ``ingest/socket/session.py``, and done by ``ingest/socket/shell.py``.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable, Iterable
from functools import partial

from aiohttp import web

from ingest.auth import Authentication
from ingest.body.validate import BodyReader
from ingest.http.errors import method_not_allowed, problem_response
from ingest.limits import ConnectionLimits, UserLimits
from ingest.log.cancellation import end
from ingest.log.cut_off import CutOff, look_seconds
from ingest.log.logouts import Logouts
from ingest.log.not_taken import NotTakenError
from ingest.log.opt_outs import OptOuts
from ingest.log.publisher import Publisher
from ingest.metrics import IngestMetrics
from ingest.settings import IngestSettings
from ingest.socket.actions import LOGGED_OUT, NOT_TRACKED
from ingest.socket.collaborators import SocketCollaborators
from ingest.socket.handshake import Handshake, offered_token, opens
from ingest.socket.ping_intervals import PingIntervals
from ingest.socket.places import SocketPlaces
from ingest.socket.reader import SharedReaders
from ingest.socket.renewals import Renewals
from ingest.socket.shell import Socket
from schemas.http.cors import Cors
from schemas.http.paths import SOCKET_PATH as SOCKET_PATH
from schemas.http.problems import ProblemError
from schemas.http.responses import REQUEST_ID, request_id_of
from schemas.http.server import prove
from schemas.http.sweep import Sweep
from schemas.http.upgraded import hand_over
from schemas.log.diagnosis import turns_away
from schemas.log.events import partition_of
from schemas.log.settings import KafkaSettings
from schemas.service.logging import REQUEST_ID_IN_LOG
from schemas.tokens.identity import Identity

logger = logging.getLogger(__name__)


class Sockets:
    """All sockets of this process, by connection id."""

    def __init__(
        self,
        settings: IngestSettings,
        reader: BodyReader,
        authentication: Authentication,
        publisher: Publisher,
        logouts: Logouts,
        opt_outs: OptOuts,
        metrics: IngestMetrics,
        user_limits: UserLimits,
        connection_limits: ConnectionLimits,
        clock: Callable[[], float] = time.time,
    ) -> None:
        policy = settings.session_policy
        ping_intervals = PingIntervals(policy.ping_interval_seconds)
        renewals = Renewals(publisher, opt_outs, metrics)
        self._shared = SocketCollaborators(
            policy,
            reader,
            authentication,
            publisher,
            logouts,
            opt_outs,
            metrics,
            user_limits.take,
            SocketPlaces(connection_limits),
            ping_intervals,
            ping_intervals.of,
            SharedReaders(settings.max_body_bytes),
            Sweep(),
            renewals,
            clock,
        )
        self._open = self._shared.open
        self._authentication = authentication
        self._opt_outs = opt_outs
        self._metrics = metrics
        self._cors = Cors(settings.cors_origin_list)
        self._compression = settings.websocket_compression
        self._drain_seconds = settings.websocket_drain_seconds
        self._reconnect_spread_ms = settings.reconnect_spread_ms
        self._max_connections = settings.max_connections
        self._draining = False
        self._partitions = settings.partitions
        self._cut_off_seconds = settings.cut_off_seconds
        self._kafka: KafkaSettings = settings
        self._cut_off = CutOff(settings.partitions)
        self._looking: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look after those of whom nothing can be written."""
        self._looking = asyncio.create_task(self._look(), name="cut-off-sockets")

    async def close(self) -> None:
        if self._looking is not None:
            await end(self._looking)

    def add_routes(self, router: web.UrlDispatcher) -> None:
        router.add_get(SOCKET_PATH, self.handle, allow_head=False)
        router.add_route("*", SOCKET_PATH, method_not_allowed("GET", phone_call=True))

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """A handshake. The socket lives on when this has returned."""
        request_id = request_id_of(request.headers.get(REQUEST_ID))
        REQUEST_ID_IN_LOG.set(request_id)
        try:
            # Before aiohttp looks at them: it logs offers that it does not know, a token perhaps.
            scheme, token = offered_token(request.headers.get("Sec-WebSocket-Protocol"))
            handshake = Handshake(protocols=(scheme,) if scheme else (), compress=self._compression)
            identity = await self._admit(request, handshake, token)
        except ProblemError as problem:
            self._metrics.handshake_refusals[problem.code].inc()
            return problem_response(problem, request_id, phone_call=True)
        await handshake.prepare(request)
        client = self._authentication.client_of(request)
        socket = Socket(self._shared, client, request_id, handshake.frames)
        early = hand_over(request, socket)
        if early:
            socket.data_received(early)
        await socket.admit(identity)
        return handshake

    async def end_signed_out(self, connections: Iterable[str], not_tracked: bool) -> None:
        """Close those of the connections that are ours: their devices signed out (4409), or their
        user is not tracked any more (4403)."""
        mine = [self._open[each] for each in connections if each in self._open]
        code, reason = (NOT_TRACKED, "not tracked") if not_tracked else (LOGGED_OUT, "logged out")
        await self._end(mine, code, reason)

    async def end_opted_out(self) -> None:
        """Close the sockets of all who have opted out (4403)."""
        covers = self._opt_outs.covers
        try:
            theirs = [
                socket
                for socket in self._open.values()
                if socket.session.user is not None and covers(socket.session.user)
            ]
        except NotTakenError:
            return  # this process is not ready, and says why
        await self._end(theirs, NOT_TRACKED, "not tracked")

    async def _end(self, sockets: Iterable[Socket], code: int, reason: str) -> None:
        await asyncio.gather(
            *(each.end(partial(each.session.close, code, reason)) for each in sockets)
        )

    async def drain(self) -> None:
        """Tell all sockets to come back, and close them, over a few seconds (1012)."""
        self._draining = True
        spread = self._drain_seconds, self._reconnect_spread_ms
        await asyncio.gather(
            *(self._restart(socket, *spread) for socket in list(self._open.values()))
        )

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(look_seconds(self._cut_off_seconds))
            with self._metrics.background.goes_on("cut_off"):
                partitions = self._cut_off.look(self._shared.publisher.written)
                if partitions and not await turns_away(self._kafka):
                    self._send_away(partitions)

    def _send_away(self, partitions: frozenset[int]) -> None:
        """Tell those whose events cannot be written to come back elsewhere (1012)."""
        theirs = [
            socket
            for socket in self._open.values()
            if (user := socket.session.user) is not None
            and not socket.session.closed
            and partition_of(user, self._partitions) in partitions
        ]
        if not theirs:
            return
        logger.warning(
            "Kafka says nothing about partition %s: %d sockets are told to come back, by "
            "another ingest if there is one",
            ", ".join(map(str, sorted(partitions))),
            len(theirs),
        )
        half = self._cut_off_seconds / 2
        over_seconds = min(self._drain_seconds, half)
        spread_ms = min(self._reconnect_spread_ms, int(1000 * half))
        for socket in theirs:
            self._shared.start(self._restart(socket, over_seconds, spread_ms))

    async def _restart(self, socket: Socket, over_seconds: float, spread_ms: int) -> None:
        await asyncio.sleep(random.uniform(0, over_seconds))  # noqa: S311
        reconnect_after_ms = random.randrange(spread_ms + 1)  # noqa: S311
        await socket.end(lambda: socket.session.restart(reconnect_after_ms))

    async def _admit(
        self, request: web.Request, websocket: web.WebSocketResponse, token: str
    ) -> Identity | None:
        """Whom the handshake names; ``None`` if the first frame is to do that. Raises
        ``ProblemError``."""
        if self._draining:
            raise ProblemError("unavailable", "This server is about to restart; connect again.")
        if not opens(websocket, request):
            raise ProblemError("bad_request", "Open a WebSocket (RFC 6455, version 13) here.")
        if not self._cors.origin_allowed(request.headers.get("Origin")):
            raise ProblemError("origin_refused", "Pages of this origin may not open a socket.")
        if len(self._open) >= self._max_connections:
            raise ProblemError("unavailable", "This server holds as many sockets as it can.")
        if "Authorization" in request.headers:
            return await self._authentication.of_request(request)
        if not token:
            return None
        identity = await self._authentication.of_token(
            token, partial(self._authentication.client_of, request)
        )
        prove(request)
        return identity
