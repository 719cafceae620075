"""From an exception to the answer that the caller gets (design, section 8)."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web

from ingest.log.not_taken import NotTakenError
from schemas.http.paths import nothing_here
from schemas.http.problems import (
    NOT_STORED,
    PROBLEM_JSON,
    ProblemError,
    rate_limited,
    retry_after,
)
from schemas.http.responses import REQUEST_ID, request_id_of, routed_paths

#: When to come back where Kafka does not answer: a fleet that came at once would be refused again,
#: and would meet a Kafka that has just come back.
KAFKA_RETRY_SECONDS: Final = (5, 15)


def problem_of(error: ProblemError | NotTakenError) -> ProblemError:
    """What the log refused, as phones hear it."""
    if isinstance(error, ProblemError):
        return error
    match error.cause:
        case "away":
            return not_stored()
        case "full":
            return overloaded()
        case "too_often":
            return rate_limited(
                "This user signs out more often than any app has to.", error.wait_seconds
            )
        case "opt_outs_unknown":
            return ProblemError(
                "unavailable", "It is not known yet who has opted out. Send it again later."
            )


def not_stored() -> ProblemError:
    """The 503 of promise 1."""
    return ProblemError(
        "unavailable", NOT_STORED, headers={"Retry-After": retry_after(KAFKA_RETRY_SECONDS)}
    )


def overloaded() -> ProblemError:
    """The 503 of a process that has as much to do as it may hold."""
    return ProblemError(
        "unavailable", "This was not stored: too much is waiting. Send it again later."
    )


def problem_response(
    problem: ProblemError, request_id: str, *, phone_call: bool = False
) -> web.Response:
    """The problem document. On phones' calls it says ``success: false`` too, which the sample
    reads."""
    body = problem.body(request_id)
    if phone_call:
        body = {"success": False, **body}
    return web.Response(
        status=problem.status,
        body=json.dumps(body).encode(),
        headers={
            "Content-Type": PROBLEM_JSON,
            "Cache-Control": "no-store",
            REQUEST_ID: request_id,
            **problem.all_headers(),
        },
    )


async def not_found(request: web.Request) -> web.Response:
    """For a catch-all route behind all others."""
    problem = ProblemError("not_found", nothing_here(request.path, routed_paths(request.app)))
    return problem_response(problem, request_id_of(request.headers.get(REQUEST_ID)))


def method_not_allowed(
    allow: str, *, phone_call: bool = False
) -> Callable[[web.Request], Awaitable[web.Response]]:
    """A handler for the methods that a path does not have; ``allow`` lists those it has."""

    async def answer(request: web.Request) -> web.Response:
        problem = ProblemError("method_not_allowed", f"Use {allow} here.", headers={"Allow": allow})
        request_id = request_id_of(request.headers.get(REQUEST_ID))
        return problem_response(problem, request_id, phone_call=phone_call)

    return answer
