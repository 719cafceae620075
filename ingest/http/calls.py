"""The phones' two calls over HTTP (design, sections 1 and 8).

The hot path does nothing twice and waits for one thing: a cached token, one typed decode, one
encode, then the group's acknowledgement. It needs no middleware, because the application may be
shared with another service. What is usual about a call goes by ``ingest.http.straight_lane``; these
handlers are for the rest.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from multidict import CIMultiDict

from ingest.auth import Authentication
from ingest.body.field_warnings import warning_header
from ingest.body.phone_events import heartbeat_event, logout_event
from ingest.body.validate import BodyReader, Sent, parse_logout
from ingest.http.calls_in_flight import CallsInFlight
from ingest.http.errors import (
    method_not_allowed,
    not_stored,
    overloaded,
    problem_of,
    problem_response,
)
from ingest.http.straight_lane import Accept, StraightLane
from ingest.limits import UserLimits
from ingest.log.group import Acknowledgement
from ingest.log.logouts import Logouts
from ingest.log.not_taken import NotTakenError
from ingest.log.opt_outs import OptOuts
from ingest.log.publisher import Publisher
from ingest.metrics import ACCEPTED, GONE, IngestMetrics
from ingest.settings import IngestSettings
from schemas.http.content_encoding import unpacked
from schemas.http.cors import Cors
from schemas.http.lane import Lane, Lanes
from schemas.http.paths import HEARTBEAT_PATH as HEARTBEAT_PATH
from schemas.http.paths import LOGOUT_PATH as LOGOUT_PATH
from schemas.http.problems import ProblemError, rate_limited
from schemas.http.responses import REQUEST_ID, request_id_of
from schemas.http.server import DirectCalls
from schemas.log.events import encode_event
from schemas.service.logging import REQUEST_ID_IN_LOG
from schemas.tokens.identity import LOGOUT_EXPIRY_TOLERANCE_SECONDS, Identity

#: The bytes that the published sample was written against.
SUCCESS: Final = b'{"success": true}'

logger = logging.getLogger(__name__)


class PhoneCalls:
    """Handlers of the two calls, with their collaborators."""

    def __init__(
        self,
        settings: IngestSettings,
        reader: BodyReader,
        authentication: Authentication,
        limits: UserLimits,
        publisher: Publisher,
        logouts: Logouts,
        opt_outs: OptOuts,
        metrics: IngestMetrics,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._read = reader.heartbeat
        self._authentication = authentication
        self._limits = limits
        self._publisher = publisher
        self._logouts = logouts
        self._opt_outs = opt_outs
        self._metrics = metrics
        self._clock = clock
        self._in_flight = CallsInFlight(settings.max_calls_in_flight, metrics.calls_in_flight)
        self._body_timeout_seconds = settings.http_body_timeout_seconds
        self._max_body_bytes = settings.max_body_bytes
        self._cors = Cors(settings.cors_origin_list)
        common = {"Content-Type": "application/json", "Cache-Control": "no-store"}
        # One answer is a copy of these with its request id.
        self._logout_headers = CIMultiDict(common)
        self._heartbeat_headers = CIMultiDict(
            common, **{"X-Heartbeat-Interval-Seconds": f"{settings.heartbeat_interval_seconds:g}"}
        )

    @property
    def direct(self) -> DirectCalls:
        """The calls that need no router."""
        return {("POST", HEARTBEAT_PATH): self.heartbeat, ("POST", LOGOUT_PATH): self.logout}

    @property
    def lanes(self) -> Lanes:
        """The calls' straight lanes."""
        return {
            HEARTBEAT_PATH: self._lane(
                "heartbeat", self._straight_heartbeat, self._heartbeat_headers
            ),
            LOGOUT_PATH: self._lane("logout", self._straight_logout, self._logout_headers),
        }

    def _lane(self, call: str, accept: Accept, headers: CIMultiDict[str]) -> Lane:
        return StraightLane(
            call,
            accept,
            web.Response(body=SUCCESS, headers=headers),
            authentication=self._authentication,
            in_flight=self._in_flight,
            opt_outs=self._opt_outs,
            cors_headers=self._cors.headers(None),
            max_body_bytes=self._max_body_bytes,
            metrics=self._metrics,
            clock=self._clock,
        ).take

    def add_routes(self, router: web.UrlDispatcher) -> None:
        for (method, path), handler in self.direct.items():
            router.add_route(method, path, handler)
            router.add_options(path, self.preflight)
            router.add_route("*", path, method_not_allowed("OPTIONS, POST", phone_call=True))

    async def heartbeat(self, request: web.Request) -> web.Response:
        return await self._answer(
            request, "heartbeat", self._accept_heartbeat, self._heartbeat_headers
        )

    async def logout(self, request: web.Request) -> web.Response:
        return await self._answer(request, "logout", self._accept_logout, self._logout_headers)

    async def preflight(self, request: web.Request) -> web.Response:
        headers = request.headers
        return web.Response(
            status=204,
            headers={
                "Allow": "OPTIONS, POST",
                REQUEST_ID: request_id_of(headers.get(REQUEST_ID)),
                **self._cors.preflight_headers(headers.get("Origin"), "POST"),
            },
        )

    async def _accept_heartbeat(self, request: web.Request) -> Sent | None:
        """What was sent; ``None`` of a user who has opted out: nothing of it is kept."""
        identity = await self._authentication.of_request(request)
        self._check_rate(identity.user)
        said = await self._said(request)
        if self._opt_outs.covers(identity.user):
            return None
        sent = self._read(*said)
        event = encode_event(heartbeat_event(identity, sent))
        if not await self._publisher.publish(identity.user, event):
            raise not_stored()
        return sent

    async def _accept_logout(self, request: web.Request) -> Sent | None:
        """As :meth:`_accept_heartbeat`."""
        identity = await self._authentication.of_request(
            request, expired_for_seconds=LOGOUT_EXPIRY_TOLERANCE_SECONDS
        )
        said = await self._said(request)
        if self._opt_outs.covers(identity.user):
            return None
        sent = parse_logout(*said)
        if not await self._logouts.publish(logout_event(identity, sent.device_id, identity.device)):
            raise not_stored()
        return sent

    def _straight_heartbeat(
        self, identity: Identity, body: bytes, content_type: str | None
    ) -> tuple[Sent, Acknowledgement]:
        self._check_rate(identity.user)
        sent = self._read(body, content_type)
        event = encode_event(heartbeat_event(identity, sent))
        return sent, self._publisher.publish(identity.user, event)

    def _straight_logout(
        self, identity: Identity, body: bytes, content_type: str | None
    ) -> tuple[Sent, Acknowledgement]:
        sent = parse_logout(body, content_type)
        return sent, self._logouts.publish(logout_event(identity, sent.device_id, identity.device))

    def _check_rate(self, user: str) -> None:
        wait_seconds = self._limits.take(user, time.monotonic())
        if wait_seconds:
            self._metrics.rate_limited["user_events"].inc()
            raise rate_limited("This user sends more often than any app needs to.", wait_seconds)

    async def _answer(
        self,
        request: web.Request,
        call: str,
        accept: Callable[[web.Request], Awaitable[Sent | None]],
        accepted_headers: CIMultiDict[str],
    ) -> web.Response:
        """Run ``accept``; its exceptions become problems, so that nothing leaves us otherwise."""
        started = time.perf_counter()
        headers = request.headers
        request_id = request_id_of(headers.get(REQUEST_ID))
        REQUEST_ID_IN_LOG.set(request_id)
        outcome = ACCEPTED
        is_full = self._in_flight.is_full
        self._in_flight.begin()
        try:
            if is_full:
                self._metrics.shed["calls"].inc()
                raise overloaded()
            sent = await accept(request)
        except (ProblemError, NotTakenError) as error:
            problem = problem_of(error)
            outcome = problem.code
            response = problem_response(problem, request_id, phone_call=True)
            if outcome == "bad_request":
                response.force_close()  # where this request ends is not known
        except (ConnectionError, asyncio.CancelledError):
            self._metrics.requests[call, GONE].inc()
            raise
        except Exception:
            logger.exception("Unexpected error in request %s", request_id)
            outcome = "internal"
            fault = ProblemError("internal", "This is our fault. The request id finds it.")
            response = problem_response(fault, request_id, phone_call=True)
        else:
            response = web.Response(body=SUCCESS, headers=accepted_headers)
            response.headers[REQUEST_ID] = request_id
            if sent is None:
                response.headers["X-Rollcall-Tracking"] = "off"
                self._metrics.not_tracked.inc()
            else:
                if sent.warnings:
                    response.headers["X-Rollcall-Warning"] = warning_header(sent.warnings)
                self._metrics.count_fields(sent, self._clock())
                self._metrics.http_events[call].inc()
            self._metrics.accept_seconds[call].observe(time.perf_counter() - started)
        finally:
            self._in_flight.end()
        self._metrics.requests[call, outcome].inc()
        if outcome in self._metrics.token_refusals:
            self._metrics.token_refusals[outcome].inc()
        cors_headers = self._cors.headers(headers.get("Origin"))
        if cors_headers:
            response.headers.update(cors_headers)
        return response

    async def _said(self, request: web.Request) -> tuple[bytes, str | None, str]:
        """The body, unpacked and at most ``max_body_bytes`` long, its type, and the query.

        Raises ``ProblemError`` ``body_too_large``, ``unsupported_encoding`` or ``bad_request``.
        """
        body = await self._body(request)
        headers = request.headers
        encoding = headers.get("Content-Encoding")
        if encoding is not None:
            body = unpacked(body, encoding, self._max_body_bytes)
        return body, headers.get("Content-Type"), request.raw_path.partition("?")[2]

    async def _body(self, request: web.Request) -> bytes:
        """As it was sent. Raises ``ProblemError`` ``body_too_large`` or ``bad_request``."""
        content = request.content
        try:
            if content.is_eof():  # the usual case: it came with the head
                body = content.read_nowait()
            else:
                body = await self._slow_body(request)
        except (HttpProcessingError, web.RequestPayloadError) as error:
            content.feed_eof()  # aiohttp would wait for the rest, and log that it cannot be read
            raise ProblemError("bad_request", "The body cannot be read as it was sent.") from error
        if len(body) > self._max_body_bytes:
            raise self._too_large()
        return body

    async def _slow_body(self, request: web.Request) -> bytes:
        if (request.content_length or 0) > self._max_body_bytes:
            raise self._too_large()
        body = bytearray()
        try:
            async with asyncio.timeout(self._body_timeout_seconds):
                while chunk := await request.content.readany():
                    body += chunk
                    if len(body) > self._max_body_bytes:
                        raise self._too_large()
        except TimeoutError as error:
            self._metrics.http.timeouts["body"].inc()
            raise ProblemError("bad_request", "The body did not arrive in time.") from error
        return bytes(body)

    def _too_large(self) -> ProblemError:
        return ProblemError("body_too_large", f"A body has at most {self._max_body_bytes} bytes.")
