"""Errors as every service shows them: ``application/problem+json`` with a closed table of codes.

``ingest/http/errors.py`` and ``api/http/door.py`` turn exceptions into these; the shape is design,
section 8.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

PROBLEM_JSON: Final = "application/problem+json"
#: The 503 of promise 1, over HTTP and in a socket's frame.
NOT_STORED: Final = "This was not stored: the log cannot be written to. Send it again later."
#: When to come back after a 503, in seconds: at random in between, so that a fleet that was
#: refused in one second does not return in one second.
BRIEF_RETRY_SECONDS: Final = (1, 5)

#: code -> (status, title). Clients may switch on the code; a code never changes its meaning.
CODES: Final[dict[str, tuple[int, str]]] = {
    "token_missing": (401, "A Bearer token is required"),
    "token_expired": (401, "The token has expired"),
    "token_not_yet_valid": (401, "The token is not valid yet"),
    "token_revoked": (401, "The token was revoked"),
    "token_invalid": (401, "The token cannot be accepted"),
    "bad_signature": (401, "The token's signature does not match"),
    "unknown_key": (401, "The token was signed with an unknown key"),
    "wrong_audience": (401, "The token is for another audience"),
    "wrong_issuer": (401, "The token is from another issuer"),
    "scope_missing": (403, "The token lacks a scope"),
    "origin_refused": (403, "The page's origin is not allowed"),
    "bad_json": (400, "The body is not a JSON object"),
    "bad_field": (422, "A field cannot be used"),
    "bad_parameter": (400, "A parameter cannot be used"),
    "bad_cursor": (400, "The cursor cannot be used"),
    "bad_request": (400, "The request cannot be understood"),
    "body_too_large": (413, "The body is too large"),
    "unsupported_encoding": (415, "The body's encoding is not supported"),
    "not_found": (404, "Not found"),
    "unknown_user": (404, "No such user"),
    "method_not_allowed": (405, "Method not allowed"),
    "headers_too_large": (431, "The request's head is too large"),
    "rate_limited": (429, "Too many requests"),
    "unavailable": (503, "Not available right now"),
    "not_federated": (501, "A federation does not tell this"),
    "internal": (500, "An unexpected error"),
}

TOKEN_CODES: Final = frozenset(code for code, (status, _) in CODES.items() if status == 401)


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """What is wrong with one field or parameter, and what would be right."""

    field: str
    message: str


@dataclass(slots=True, eq=False)  # exceptions are hashed by what logs them
class ProblemError(Exception):
    """Raise it anywhere behind a door; the door answers it. ``headers`` are added to the answer."""

    code: str
    detail: str
    errors: list[FieldProblem] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def status(self) -> int:
        return CODES[self.code][0]

    @property
    def title(self) -> str:
        return CODES[self.code][1]

    def body(self, request_id: str) -> dict[str, Any]:
        """The problem object. ``type`` is ``about:blank``: the code says which problem it is."""
        return {
            "type": "about:blank",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
            "errors": [{"field": e.field, "message": e.message} for e in self.errors],
            "request_id": request_id,
        }

    def all_headers(self) -> dict[str, str]:
        """The headers that go with the status (RFC 6750, section 3; RFC 9110, section 10)."""
        headers = dict(self.headers)
        if self.code == "token_missing":
            headers.setdefault("WWW-Authenticate", 'Bearer realm="rollcall"')
        elif self.code in TOKEN_CODES:
            headers.setdefault(
                "WWW-Authenticate",
                f'Bearer realm="rollcall", error="invalid_token", error_description="{self.code}"',
            )
        elif self.code == "scope_missing":
            headers.setdefault(
                "WWW-Authenticate", 'Bearer realm="rollcall", error="insufficient_scope"'
            )
        elif self.status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE):
            headers.setdefault("Retry-After", retry_after(BRIEF_RETRY_SECONDS))
        return headers


def retry_after(between_seconds: tuple[int, int]) -> str:
    """A ``Retry-After`` at random between the two, both included."""
    return str(random.randint(*between_seconds))  # noqa: S311 - nothing secret


def rate_limited(detail: str, wait_seconds: float) -> ProblemError:
    """A 429 that says when to come back, in whole seconds (RFC 9110, section 10.2.3)."""
    return ProblemError(
        "rate_limited", detail, headers={"Retry-After": str(max(1, math.ceil(wait_seconds)))}
    )
