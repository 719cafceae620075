"""What our HTTP server answers where no handler of ours could: problems like all others.

aiohttp has pages of its own for a request that it cannot parse or route, and for a handler that
fails. The first of them repeats what was sent, perhaps a token. Ours repeat nothing.
"""

from __future__ import annotations

import json
import random
import re
from typing import Final

from aiohttp import web
from aiohttp.http_exceptions import BadHttpMethod, InvalidURLError, LineTooLong

from schemas.http.problems import PROBLEM_JSON, ProblemError

REQUEST_ID: Final = "X-Request-ID"
#: No browser takes what we send for something else than we say.
NOSNIFF: Final = {"X-Content-Type-Options": "nosniff"}
#: What every answer has: no version that says what to try, and no guess at its type.
PLAIN_HEADERS: Final = {"Server": "Rollcall", **NOSNIFF}
# They are no secrets: a generator of our own costs no system call a request.
_ids: Final = random.Random()  # noqa: S311
_SANE_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}")
_UNREADABLE: Final[dict[type[BaseException], str]] = {
    BadHttpMethod: "This is not HTTP/1.1.",
    InvalidURLError: "The request's target is not a URL.",
}


def request_id_of(inbound: str | None) -> str:
    """The caller's request id if it is sane (a gateway's trace id), else a random one."""
    if inbound is not None and _SANE_REQUEST_ID.fullmatch(inbound):
        return inbound
    return f"{_ids.getrandbits(96):024x}"


def routed_paths(app: web.Application) -> list[str]:
    """The paths of ``app`` that have no variable part."""
    return [
        resource.canonical
        for resource in app.router.resources()
        if isinstance(resource, web.PlainResource)
    ]


def unreadable(error: BaseException | None) -> ProblemError:
    """For a request that cannot be parsed."""
    if isinstance(error, LineTooLong):
        return ProblemError(
            "headers_too_large",
            f"A line of the request's head has at most {error.args[1]} bytes here "
            "(ROLLCALL_MAX_HEADER_BYTES). A longer token goes into the auth frame of a socket.",
        )
    why = "The request is not HTTP/1.1 as RFC 9112 defines it."
    detail = _UNREADABLE.get(type(error), why) if error is not None else why
    return ProblemError("bad_request", detail)


def unrouted(error: web.HTTPError) -> ProblemError:
    """For a request that aiohttp refuses before a handler of ours sees it."""
    if isinstance(error, web.HTTPNotFound):
        return ProblemError("not_found", "Nothing is at this address.")
    return ProblemError("bad_request", "This cannot be asked for here.")


def plain_response(problem: ProblemError, request_id: str) -> web.Response:
    """The problem to a caller of whom nothing else is known: which call it would have been is not,
    so ``success`` is there for the phones' sample, which reads it. The connection ends."""
    response = web.Response(
        status=problem.status,
        body=json.dumps({"success": False, **problem.body(request_id)}).encode(),
        headers={
            "Content-Type": PROBLEM_JSON,
            "Cache-Control": "no-store",
            REQUEST_ID: request_id,
            **NOSNIFF,
            **problem.all_headers(),
        },
    )
    response.force_close()
    return response


async def never_sniffed(_request: web.Request, response: web.StreamResponse) -> None:
    """A signal of an application's answers, its errors included."""
    response.headers.update(NOSNIFF)
