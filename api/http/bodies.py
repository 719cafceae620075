"""Bodies of requests, read up to a limit of the call's own."""

from __future__ import annotations

import asyncio
from typing import Final
from urllib.parse import parse_qs

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from prometheus_client import Counter

from schemas.http.content_encoding import refuse_packed
from schemas.http.problems import ProblemError

BODY_TIMEOUT_SECONDS: Final = 20.0
_MAX_FIELDS: Final = 8


async def read_body(request: web.Request, max_bytes: int, timeouts: Counter) -> bytes:
    """The body, which must not be compressed.

    Raises ``ProblemError``: ``body_too_large``, ``unsupported_encoding``, or ``bad_request`` if it
    does not come in time (which ``timeouts`` counts) or is not what its headers say.
    """
    refuse_packed(request.headers.get("Content-Encoding"))
    content = request.content
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_TIMEOUT_SECONDS):
            while chunk := await content.readany():
                body += chunk
                if len(body) > max_bytes:
                    raise ProblemError("body_too_large", f"A body has at most {max_bytes} bytes.")
    except TimeoutError as error:
        timeouts.inc()
        raise ProblemError("bad_request", "The body did not arrive in time.") from error
    except (HttpProcessingError, web.RequestPayloadError) as error:
        content.feed_eof()  # aiohttp would wait for the rest, and log that it cannot be read
        raise ProblemError("bad_request", "The body cannot be read as it was sent.") from error
    return bytes(body)


def form_fields(body: bytes) -> dict[str, str]:
    """Of a form as browsers send it; of a field that is there twice the first. Raises
    ``ProblemError`` with code ``bad_request``."""
    try:
        fields = parse_qs(body.decode("ascii"), max_num_fields=_MAX_FIELDS)
    except ValueError:
        raise ProblemError("bad_request", "The form cannot be read.") from None
    return {name: values[0] for name, values in fields.items()}
