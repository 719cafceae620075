"""The phones' two calls over HTTP (design, sections 1 and 8).

The hot path does nothing twice and waits for one thing: a cached token, one typed decode, one
encode, then the group's acknowledgement. It needs no middleware, because the application may be
shared with another service.
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
from ingest.body.validate import Sent, parse_heartbeat, parse_logout
from ingest.http.cors import Cors
from ingest.http.errors import method_not_allowed, problem_response
from ingest.limits import UserLimits
from ingest.log.logouts import Logouts
from ingest.log.opt_outs import OptOuts
from ingest.log.publisher import Publisher, overloaded, unavailable
from ingest.metrics import ACCEPTED, GONE, IngestMetrics
from ingest.settings import IngestSettings
from schemas.http.content_encoding import unpacked
from schemas.http.paths import HEARTBEAT_PATH as HEARTBEAT_PATH
from schemas.http.paths import LOGOUT_PATH as LOGOUT_PATH
from schemas.http.problems import ProblemError, rate_limited
from schemas.http.responses import REQUEST_ID, request_id_of
from schemas.http.server import DirectCalls
from schemas.log.events import Heartbeat, Logout, encode_event
from schemas.service.logging import REQUEST_ID_IN_LOG
from schemas.tokens.identity import LOGOUT_EXPIRY_TOLERANCE_SECONDS

#: The bytes that the published sample was written against.
SUCCESS: Final = b'{"success": true}'

logger = logging.getLogger(__name__)


class PhoneCalls:
    """Handlers of the two calls, with their collaborators."""

    def __init__(
        self,
        settings: IngestSettings,
        authentication: Authentication,
        limits: UserLimits,
        publisher: Publisher,
        logouts: Logouts,
        opt_outs: OptOuts,
        metrics: IngestMetrics,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._authentication = authentication
        self._limits = limits
        self._publisher = publisher
        self._logouts = logouts
        self._opt_outs = opt_outs
        self._metrics = metrics
        self._clock = clock
        self._in_flight = 0
        self._max_in_flight = settings.max_calls_in_flight
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
                **self._cors.preflight_headers(headers.get("Origin")),
            },
        )

    async def _accept_heartbeat(self, request: web.Request) -> Sent | None:
        """What was sent; ``None`` of a user who has opted out: nothing of it is kept."""
        identity = await self._authentication.of_request(request)
        self._check_rate(identity.user)
        said = await self._said(request)
        if self._opt_outs.covers(identity.user):
            return None
        sent = parse_heartbeat(*said)
        event = Heartbeat(
            user=identity.user,
            token=identity.token,
            name=identity.name,
            device_id=sent.device_id,
            claimed_device=identity.device,
            device_info=sent.device_info,
            platform=sent.platform,
            app_version=sent.app_version,
            screen=sent.screen,
            app_state=sent.app_state,
        )
        if not await self._publisher.publish(identity.user, encode_event(event)):
            raise unavailable()
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
        until = identity.accepted_until
        event = Logout(
            user=identity.user,
            token=identity.token,
            device_id=sent.device_id,
            claimed_device=identity.device,
            token_expires_ms=None if until is None else int(until * 1000),
        )
        if not await self._logouts.publish(event):
            raise unavailable()
        return sent

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
        self._in_flight += 1
        self._metrics.calls_in_flight.inc()
        try:
            if self._in_flight > self._max_in_flight:
                self._metrics.shed["calls"].inc()
                raise overloaded()
            sent = await accept(request)
        except ProblemError as problem:
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
            self._in_flight -= 1
            self._metrics.calls_in_flight.dec()
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
