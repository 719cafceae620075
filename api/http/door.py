"""From an exception to the answer that the caller gets, and what every answer has (design,
section 8).

A decorator around each handler, not a middleware: ``rollcall up`` runs the API in an application
that it shares with ingest, which has its own rules.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, TypeAlias

from aiohttp import web

from api.metrics import ANSWERED, GONE, ApiMetrics
from schemas.http.paths import nothing_here
from schemas.http.problems import PROBLEM_JSON, TOKEN_CODES, ProblemError
from schemas.http.responses import NOSNIFF, REQUEST_ID, request_id_of, routed_paths
from schemas.service.logging import REQUEST_ID_IN_LOG

_REQUEST_ID_KEY: Final = web.RequestKey("api_request_id", str)

Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]

logger = logging.getLogger(__name__)


def problem_response(problem: ProblemError, request_id: str) -> web.Response:
    """The problem document. ASCII: a parameter's name may hold what UTF-8 cannot."""
    return web.Response(
        status=problem.status,
        body=json.dumps(problem.body(request_id)).encode(),
        headers={"Content-Type": PROBLEM_JSON, **problem.all_headers()},
    )


def request_id_of_answer(request: web.Request) -> str:
    """Behind a door: what the answer is called in our log."""
    return request[_REQUEST_ID_KEY]


def common_headers(request: web.Request) -> dict[str, str]:
    """What every answer has. What a handler does not declare public concerns people: no cache may
    keep it. For who sends the head of an answer itself; the door adds them to all others."""
    return {"Cache-Control": "no-store", REQUEST_ID: request[_REQUEST_ID_KEY], **NOSNIFF}


#: Of shorter answers compression saves nothing worth its time.
_COMPRESSED_FROM_BYTES: Final = 2_000


def _compress(response: web.StreamResponse) -> None:
    """Pages and JSON, if the client takes it: a day of concurrency is a tenth then. Answers hold no
    secret beside what a stranger could choose, so that lengths tell nothing."""
    if response.content_type not in ("application/json", "text/html"):
        return
    if "Content-Encoding" in response.headers:  # a file that is kept compressed
        return
    if isinstance(response, web.Response) and (response.content_length or 0) >= (
        _COMPRESSED_FROM_BYTES
    ):
        response.enable_compression()
        response.headers["Vary"] = ", ".join(
            filter(None, (response.headers.get("Vary"), "Accept-Encoding"))
        )


def asks_for_html(request: web.Request) -> bool:
    """Whether a person looks at the answer: browsers name HTML when they open an address, programs
    and our own scripts do not."""
    return "text/html" in request.headers.get("Accept", "")


class Door:
    """Wraps handlers: errors become problem documents, everything is counted and timed."""

    #: How a person is told of a problem, where there is a dashboard: a page of it.
    page: Callable[[web.Request, ProblemError, str], web.Response] | None = None

    def __init__(self, metrics: ApiMetrics) -> None:
        self._metrics = metrics

    def guard(
        self, route: str, handler: Handler, headers: Mapping[str, str] | None = None
    ) -> Handler:
        """``handler`` behind the door. ``route`` is its name in metrics; ``headers`` go with
        every answer, errors included."""

        async def answer(request: web.Request) -> web.StreamResponse:
            request_id = request_id_of(request.headers.get(REQUEST_ID))
            request[_REQUEST_ID_KEY] = request_id
            REQUEST_ID_IN_LOG.set(request_id)
            started = time.perf_counter()
            outcome = GONE
            try:
                response, outcome = await self._outcome(route, handler, request, request_id)
            finally:
                self._metrics.requests[route, outcome].inc()
                self._metrics.request_seconds[route].observe(time.perf_counter() - started)
            if not response.prepared:
                response.headers.update(headers or {})
                _compress(response)
                for name, value in common_headers(request).items():
                    response.headers.setdefault(name, value)
            return response

        return answer

    async def _outcome(
        self, route: str, handler: Handler, request: web.Request, request_id: str
    ) -> tuple[web.StreamResponse, str]:
        try:
            return await handler(request), ANSWERED
        except ProblemError as error:
            problem = error
        except (ConnectionError, asyncio.CancelledError):
            raise  # the client left: nobody to answer
        except Exception:
            # The route's name only: paths and queries name people.
            logger.exception("Unexpected error on %s, request %s", route, request_id)
            problem = ProblemError("internal", "An error that we did not foresee; it was logged.")
        if problem.code in TOKEN_CODES:
            self._metrics.token_refusals[problem.code].inc()
        if self.page is not None and asks_for_html(request):
            response = self.page(request, problem, request_id)
        else:
            response = problem_response(problem, request_id)
        response.headers["Vary"] = "Accept"
        if problem.code == "bad_request":
            response.force_close()  # where this request ends may not be known
        return response, problem.code


async def not_found(request: web.Request) -> web.StreamResponse:
    """For a catch-all route behind all others."""
    raise ProblemError("not_found", nothing_here(request.path, routed_paths(request.app)))


def method_not_allowed(allow: str) -> Handler:
    """A handler for the methods that a path does not have; ``allow`` lists those it has.

    Routes of their own, because a catch-all behind them would turn aiohttp's 405 into its 404.
    """

    async def refuse(request: web.Request) -> web.StreamResponse:
        raise ProblemError("method_not_allowed", f"Use {allow} here.", headers={"Allow": allow})

    return refuse
