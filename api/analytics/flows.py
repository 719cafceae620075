"""``/api/v1/flows``: from which screen people go to which, ``(start)`` and ``(end)`` included."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from aiohttp import web

from api.analytics.answers.screen_habits import Flow
from api.analytics.answers.screen_habits import Flows as FlowsAnswer
from api.analytics.described.screen_habits import LIST_FLOWS
from api.analytics.engagement import share
from api.analytics.small_groups import SUPPRESSED, added, suppress, suppressed
from api.http.call import Call
from api.http.collaborators import Collaborators
from api.http.documents import Batches, Report, Row, select, shaped, usual_limit
from api.http.door import Handler
from api.http.routes import values_of
from api.periods.parameters import range_request
from api.periods.ranges import Range, RangeRules, resolve
from api.periods.rollups import Progress, parts_of
from api.postgres.database import Connection
from api.quality import now_of
from schemas.database.named_queries import load_queries

RULES: Final = RangeRules(buckets=())
_FILTERS: Final = ("from_screen", "to_screen", "screen")


class Flows:
    """Reads transitions; in a transaction of the connection's."""

    def __init__(self) -> None:
        queries = load_queries("api.analytics", "flows.sql")
        self._flows, self._top_flows = queries["flows"], queries["top_flows"]

    def rows(
        self,
        connection: Connection,
        asked: Range,
        progress: Progress,
        filters: Mapping[str, str],
        limit: int,
    ) -> Batches:
        """Rows of :class:`Flow`, the most frequent first. ``filters``: ``from_screen``,
        ``to_screen`` and ``screen``, which is either."""
        parameters = _parameters(asked, progress, filters, limit)
        rows = shaped(select(connection, self._flows, parameters), _row)
        return _suppressed(rows, progress)

    async def folded_rows(
        self,
        connection: Connection,
        asked: Range,
        progress: Progress,
        filters: Mapping[str, str],
        limit: int,
        top: int,
    ) -> tuple[int, Batches]:
        """As :meth:`rows`, with all screens but ``top`` as ``(other)``: how many, and the rows."""
        parameters = {**_parameters(asked, progress, filters, limit), "top": top}
        batches = select(connection, self._top_flows, parameters)
        first: list[Row] = await anext(batches, [])
        rows = shaped(_with_first(first, batches), _row)
        return first[0]["folded"] if first else 0, _suppressed(rows, progress)


class FlowCalls:
    """The handler."""

    def __init__(self, calls: Collaborators) -> None:
        self._calls = calls
        self._flows = Flows()

    def handlers(self) -> dict[Call, Handler]:
        return {LIST_FLOWS: self.flows}

    async def flows(self, request: web.Request) -> web.StreamResponse:
        values = values_of(request)
        top: int | None = values.get("top")
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
            folded: int | None = None
            if top is None:
                rows = self._flows.rows(connection, asked, progress, filters, limit)
            else:
                folded, rows = await self._flows.folded_rows(
                    connection, asked, progress, filters, limit, top
                )
            return Report(
                FlowsAnswer,
                Flow,
                rows,
                self._calls.quality.fields(freshness),
                {**asked.shown(), "top": top, "folded": folded},
            )

        return await self._calls.reports.answer(request, "flows", open_report)


def _parameters(
    asked: Range, progress: Progress, filters: Mapping[str, str], limit: int
) -> dict[str, Any]:
    return {
        **dict.fromkeys(_FILTERS),
        **filters,
        **parts_of(asked, progress).parameters(),
        "limit": limit,
    }


async def _with_first(first: list[Row], rest: Batches) -> Batches:
    yield first
    async for batch in rest:
        yield batch


def _suppressed(rows: Batches, progress: Progress) -> Batches:
    """How many users went a way is not kept: no more than transitions."""
    least = progress.min_group_size

    def apply(every: list[Row]) -> list[Row]:
        return suppress(every, least, size=lambda row: row["transitions"], merge=_merged)

    return suppressed(rows, least, apply)


def _merged(rows: list[Row]) -> Row:
    ends = {name: {row[name] for row in rows} for name in ("from_screen", "to_screen")}
    names = {name: min(found) if len(found) == 1 else SUPPRESSED for name, found in ends.items()}
    return {
        **names,
        "transitions": added(rows, "transitions"),
        "from_share": None,
        "to_share": None,
    }


def _row(row: Row) -> Row:
    return {
        "from_screen": row["from_screen"],
        "to_screen": row["to_screen"],
        "transitions": row["transitions"],
        "from_share": share(row["transitions"], row["from_transitions"]),
        "to_share": share(row["transitions"], row["to_transitions"]),
    }
