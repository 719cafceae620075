"""``/api/v1/flows``: from which screen people go to which, ``(start)`` and ``(end)`` included."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from aiohttp import web

from api.calls import (
    Calls,
    add_get,
    limit_parameter,
    range_parameters,
    range_request,
    usual_limit,
)
from api.database import Connection
from api.engagement import share
from api.errors import Door
from api.parameters import exact
from api.quality import now_of
from api.ranges import Range, RangeRules, resolve
from api.reports import Batches, Report, Row, select, shaped
from api.rollups import Progress, parts_of
from schemas.events import MAX_TEXT
from schemas.sql_files import load_queries

COLUMNS: Final = ("from_screen", "to_screen", "transitions", "from_share", "to_share")
RULES: Final = RangeRules(buckets=())
_FILTERS: Final = ("from_screen", "to_screen", "screen")


class Flows:
    """Reads transitions; in a transaction of the connection's."""

    def __init__(self) -> None:
        self._flows = load_queries("api", "flows.sql")["flows"]

    def rows(
        self,
        connection: Connection,
        asked: Range,
        progress: Progress,
        filters: Mapping[str, str],
        limit: int,
    ) -> Batches:
        """Rows of :data:`COLUMNS`, the most frequent first. ``filters``: ``from_screen``,
        ``to_screen`` and ``screen``, which is either."""
        parameters: dict[str, Any] = {
            **dict.fromkeys(_FILTERS),
            **filters,
            **parts_of(asked, progress).parameters(),
            "limit": limit,
        }
        return shaped(select(connection, self._flows, parameters), _row)


class FlowCalls:
    """The handler."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._flows = Flows()

    def add_routes(self, router: web.UrlDispatcher, door: Door) -> None:
        add_get(router, door, "/api/v1/flows", "flows", self.flows)

    async def flows(self, request: web.Request) -> web.StreamResponse:
        values = await self._calls.parameters(
            request,
            {
                **range_parameters(),
                **dict.fromkeys(_FILTERS, exact(MAX_TEXT["screen"])),
                "limit": limit_parameter(request),
            },
        )
        limit = values.get("limit", usual_limit(request))

        async def open_report(connection: Connection) -> Report:
            freshness = await self._calls.quality.freshness(connection)
            progress = await self._calls.quality.progress(connection)
            asked = resolve(
                range_request(values),
                RULES,
                now=now_of(freshness),
                reporting_zone=progress.zone,
                series=None,
            )
            filters: dict[str, str] = {name: values[name] for name in _FILTERS if name in values}
            return Report(
                COLUMNS,
                self._flows.rows(connection, asked, progress, filters, limit),
                self._calls.quality.fields(freshness),
                asked.shown(),
            )

        return await self._calls.reports.answer(request, "flows", open_report)


def _row(row: Row) -> Row:
    return {
        "from_screen": row["from_screen"],
        "to_screen": row["to_screen"],
        "transitions": row["transitions"],
        "from_share": share(row["transitions"], row["from_transitions"]),
        "to_share": share(row["transitions"], row["to_transitions"]),
    }
