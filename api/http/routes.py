"""What every call about analytics does first: let its reader in, read its parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

from aiohttp import web

from api.access.readers import Readers
from api.http import parameters
from api.http.documents import Reports
from api.http.door import Door, Handler, method_not_allowed
from api.http.parameters import Parser
from api.http.tabular import accepted_format
from api.periods.ranges import Bucket, RangeRequest, parse_moment, parse_zone
from api.postgres.database import Database
from api.quality import Quality

#: Rows of a table at most, in one piece and in a stream.
MAX_ROWS: Final = 500
MAX_EXPORT_ROWS: Final = 100_000


@dataclass(frozen=True, slots=True)
class Calls:
    """The collaborators of the calls about analytics."""

    database: Database
    readers: Readers
    quality: Quality
    reports: Reports

    async def parameters(self, request: web.Request, known: Mapping[str, Parser]) -> dict[str, Any]:
        """Those of a reader's call. Raises ``ProblemError``: a token code or ``bad_parameter``."""
        await self.readers.admit(request, cookie=True)
        return parameters.parse(request.rel_url.raw_query_string, known)


def range_parameters(buckets: tuple[Bucket, ...] = ()) -> dict[str, Parser]:
    """The parsers of ``from``, ``to``, ``tz`` and, if there is a choice, ``bucket``."""
    parsers: dict[str, Parser] = {"from": parse_moment, "to": parse_moment, "tz": parse_zone}
    if buckets:
        parsers["bucket"] = parameters.one_of(cast(tuple[str, ...], buckets))
    return parsers


def range_request(values: Mapping[str, Any]) -> RangeRequest:
    """Of what :func:`range_parameters` parsed."""
    return RangeRequest(
        start=values.get("from"),
        end=values.get("to"),
        bucket=values.get("bucket"),
        zone=values.get("tz"),
    )


def limit_parameter(request: web.Request) -> Parser:
    """How many rows a table may have: fewer in one piece than in a stream."""
    return parameters.limit_to(MAX_ROWS if _in_one_piece(request) else MAX_EXPORT_ROWS)


def usual_limit(request: web.Request) -> int:
    """How many rows it has if nobody says."""
    return parameters.DEFAULT_LIMIT if _in_one_piece(request) else MAX_EXPORT_ROWS


def _in_one_piece(request: web.Request) -> bool:
    return accepted_format(request.headers.get("Accept")) == "json"


def add_get(router: web.UrlDispatcher, door: Door, path: str, route: str, handler: Handler) -> None:
    """A call that can only be read, and 405 for every other method."""
    router.add_get(path, door.guard(route, handler))
    router.add_route("*", path, door.guard(route, method_not_allowed("GET, HEAD")))
