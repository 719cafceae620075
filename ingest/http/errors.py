"""From an exception to the answer that the caller gets (design, section 8)."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable

from aiohttp import web

from schemas.http.paths import nothing_here
from schemas.http.problems import PROBLEM_JSON, ProblemError
from schemas.http.responses import REQUEST_ID, request_id_of, routed_paths


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
