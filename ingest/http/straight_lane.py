"""The phones' two calls without a task, ``Request``, ``Response`` or future each (ADR 7).

A call takes this lane where nothing is unusual about it: the connection's part of that is told in
``schemas.http.lane``, and here its token was verified before or can be at once, its user has not
opted out, and its body is no longer than it may be. Everything else falls through to
``ingest.http.calls``, before anything was done. A call that was taken is answered here whatever
comes of it, by the same rules and with the same bytes: ``tests/contract`` compares them.

The calls of a record are answered together once Kafka has acknowledged it, and counted together.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping

import msgspec
from aiohttp import web
from aiohttp.helpers import rfc822_formatted_time

from ingest.auth import Authentication
from ingest.body.field_warnings import warning_header
from ingest.body.validate import Sent
from ingest.http.calls_in_flight import CallsInFlight
from ingest.http.errors import not_stored, problem_of, problem_response
from ingest.log.group import Acknowledgement
from ingest.log.not_taken import NotTakenError
from ingest.log.opt_outs import OptOuts
from ingest.metrics import ACCEPTED, IngestMetrics, observe_all
from schemas.http.known_answers import KnownAnswer, answer_bytes
from schemas.http.known_heads import UsualCall
from schemas.http.lane import Asked
from schemas.http.problems import ProblemError
from schemas.http.responses import request_id_of
from schemas.service.logging import REQUEST_ID_IN_LOG
from schemas.tokens.identity import Identity

logger = logging.getLogger(__name__)

#: Hands a call's event over, synchronously. Raises ``ProblemError`` and
#: ``NotTakenError``.
Accept = Callable[[Identity, bytes, str | None], tuple[Sent, Acknowledgement]]


class _Call(msgspec.Struct, gc=False):
    """One call whose answer is owed. ``started`` is of ``time.perf_counter``."""

    lane: StraightLane
    connection: Asked
    request_id: str
    started: float
    closing: bool
    sent: Sent


class StraightLane:
    """Of one call: its ``name``, what ``accept`` does, and the ``answer`` afterwards."""

    def __init__(
        self,
        name: str,
        accept: Accept,
        answer: web.Response,
        *,
        authentication: Authentication,
        in_flight: CallsInFlight,
        opt_outs: OptOuts,
        cors_headers: Mapping[str, str],
        max_body_bytes: int,
        metrics: IngestMetrics,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.name = name
        self._known = KnownAnswer(answer, cors_headers)
        self._accept = accept
        self._cached = authentication.cached
        self._at_once = authentication.at_once
        self._in_flight = in_flight
        self._opted_out = opt_outs.covers
        self._cors_headers = cors_headers
        self._max_body_bytes = max_body_bytes
        self._metrics = metrics
        self._clock = clock

    def take(self, connection: Asked, asked: UsualCall) -> bool:
        """As :data:`schemas.http.lane.Lane`."""
        started = time.perf_counter()
        if self._in_flight.is_full or len(asked.body) > self._max_body_bytes:
            return False
        authorization = asked.authorization
        identity = self._cached(authorization) or self._at_once(authorization)
        if identity is None:
            return False
        try:
            if self._opted_out(identity.user):
                return False
        except NotTakenError:  # not known yet: the ordinary handler says so
            return False
        connection.proven = True
        connection.enter_lane()
        self._in_flight.begin()
        request_id = request_id_of(asked.request_id)
        closing = asked.closing
        try:
            sent, kafka = self._accept(identity, asked.body, asked.content_type)
        except Exception as error:  # noqa: BLE001 - it owes an answer, whatever went wrong
            self._refuse(connection, request_id, error, closing=closing)
            return True
        call = _Call(self, connection, request_id, started, closing, sent)
        if kafka.done():  # that of a logout which this one repeats
            settle([call], kafka.result())
        else:
            kafka.owe(settle, call)
        return True

    def _refuse(
        self, connection: Asked, request_id: str, error: Exception, *, closing: bool
    ) -> None:
        """The problem that ``error`` is; anything else is a fault of ours."""
        if isinstance(error, (ProblemError, NotTakenError)):
            problem = problem_of(error)
        else:
            REQUEST_ID_IN_LOG.set(request_id)
            logger.error("Unexpected error in request %s", request_id, exc_info=error)
            problem = ProblemError("internal", "This is our fault. The request id finds it.")
        self._metrics.requests[self.name, problem.code].inc()
        self._in_flight.end()
        response = problem_response(problem, request_id, phone_call=True)
        response.headers.update(self._cors_headers)
        closing = closing or connection.last_answer
        data = answer_bytes(response, rfc822_formatted_time(), closing=closing)
        connection.answer(data, closing=closing)

    def _answer(self, call: _Call) -> None:
        """The call is in the log."""
        sent = call.sent
        warning = warning_header(sent.warnings) if sent.warnings else ""
        closing = call.closing or call.connection.last_answer
        call.connection.answer(
            self._known.bytes(call.request_id, warning, closing=closing), closing=closing
        )

    def _settle(self, calls: list[_Call], acknowledged: bool) -> None:
        now = time.perf_counter()
        for call in calls:
            try:
                if acknowledged:
                    self._answer(call)
                else:
                    self._refuse(
                        call.connection, call.request_id, not_stored(), closing=call.closing
                    )
            except Exception:  # the others of the record wait for their answers
                logger.exception("A call could not be answered")
                call.connection.force_close()
        if not acknowledged:
            return
        metrics, count = self._metrics, len(calls)
        self._in_flight.end(count)
        metrics.requests[self.name, ACCEPTED].inc(count)
        metrics.http_events[self.name].inc(count)
        observe_all(metrics.accept_seconds[self.name], [now - call.started for call in calls])
        unix_seconds = self._clock()
        for call in calls:
            sent = call.sent
            if sent.warnings or sent.unknown_fields or sent.sent_at is not None:
                metrics.count_fields(sent, unix_seconds)


def settle(calls: list[_Call], acknowledged: bool) -> None:
    """Answer the calls of one record."""
    lanes = {call.lane for call in calls}
    for lane in lanes:
        of_lane = calls if len(lanes) == 1 else [call for call in calls if call.lane is lane]
        lane._settle(of_lane, acknowledged)
