"""Who is online: the public count, lists of users, single ones and many at once."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from aiohttp import web
from msgspec import UNSET
from msgspec.structs import asdict

from api.access.readers import reader_of
from api.http.call import Call
from api.http.documents import AS_OF_HEADER, STALE_HEADER, json_answer
from api.http.door import Handler
from api.http.parameters import bad_parameter
from api.http.routes import body_of, values_of
from api.http.tabular import CONTENT_TYPES, Format, accepted_format, csv_head, csv_rows, ndjson_rows
from api.metrics import ApiMetrics
from api.periods.instants import rfc3339
from api.presence.answers import (
    USER_FIELDS,
    Count,
    LookedUp,
    Users,
    count_answer,
    single_user_answer,
    user_answer,
)
from api.presence.badge import LABEL, badge, parse_label
from api.presence.described.count import COUNT_ONLINE_USERS, SHOW_COUNT_AS_BADGE
from api.presence.described.people import LIST_ONLINE_USERS, LIST_USERS, LOOK_UP_USERS, READ_USER
from api.presence.filters import (
    Audience,
    list_request,
)
from api.presence.rows import Page
from api.presence.store import Store
from api.presence.time_travel import TimeTravel
from api.quality import Quality
from api.reads.audit import Call as AuditedCall
from api.reads.audit import ReadAudit
from api.settings import ApiSettings
from schemas.http.problems import ProblemError, rate_limited
from schemas.http.token_bucket import BucketPolicy, TokenBuckets

COUNT_CACHE_CONTROL: Final = "public, max-age=1"
NEXT_CURSOR_HEADER: Final = "X-Rollcall-Next-Cursor"


class PresenceCalls:
    """The handlers. All but the count want a reader's token."""

    def __init__(
        self,
        settings: ApiSettings,
        store: Store,
        time_travel: TimeTravel,
        quality: Quality,
        reads: ReadAudit,
        metrics: ApiMetrics,
    ) -> None:
        self._settings = settings
        self._store = store
        self._time_travel = time_travel
        self._quality = quality
        self._reads = reads
        self._proxies = settings.proxies
        self._count_limits = TokenBuckets(
            BucketPolicy(settings.count_calls_per_second, settings.count_calls_burst)
        )
        self._count_rate_limited = metrics.rate_limited["count"]

    def handlers(self) -> dict[Call, Handler]:
        return {
            COUNT_ONLINE_USERS: self.count,
            SHOW_COUNT_AS_BADGE: self.badge,
            LIST_ONLINE_USERS: self.online_users,
            LIST_USERS: self.users,
            READ_USER: self.user,
            LOOK_UP_USERS: self.lookup,
        }

    async def count(self, request: web.Request) -> web.Response:
        """Public. Parameters are ignored: people add their own to get past caches.

        Raises ``ProblemError`` ``rate_limited`` for an address that asks too often.
        """
        answer = await self._public_count(request)
        return json_answer(answer, {"Cache-Control": COUNT_CACHE_CONTROL})

    async def badge(self, request: web.Request) -> web.Response:
        """The same as a picture, under the same limit. Of its parameters ``label`` is looked at."""
        try:
            label = parse_label(request.rel_url.query.get("label", LABEL))
        except ValueError as error:
            raise bad_parameter("label", str(error)) from None
        return web.Response(
            text=badge(await self._public_count(request), label),
            content_type="image/svg+xml",
            charset="utf-8",
            headers={"Cache-Control": COUNT_CACHE_CONTROL},
        )

    async def _public_count(self, request: web.Request) -> Count:
        wait_seconds = self._count_limits.take(self._proxies.client_of(request), time.monotonic())
        if wait_seconds:
            self._count_rate_limited.inc()
            raise rate_limited("This address asks for the count too often.", wait_seconds)
        freshness = await self._store.count.get()
        return count_answer(
            freshness,
            stale_after_seconds=self._settings.stale_after_seconds,
            offline_after_seconds=self._settings.offline_after_seconds,
        )

    async def online_users(self, request: web.Request) -> web.Response:
        return await self._list(request, "online", "online_users", "online_users_file")

    async def users(self, request: web.Request) -> web.Response:
        return await self._list(request, "known", "users", "users_file")

    async def user(self, request: web.Request) -> web.Response:
        values = values_of(request)
        at: datetime | None = values.get("at")
        user_id: str = values["user_id"]
        travelled: dict[str, Any] = {}
        if at is None:
            row = await self._store.user(user_id)
        else:
            row, freshness = await self._time_travel.user(user_id, at)
            travelled = {"at": rfc3339(at), **self._quality.fields(freshness)}
        shown = {user_id: int(row is not None)}
        if row is not None:
            # A phone that several users have shows those to each.
            for others in (row.other_users or {}).values():
                shown |= dict.fromkeys(others, 1)
        await self._reads.users(reader_of(request), "user", shown)
        if row is None:
            raise ProblemError("unknown_user", "No user with this id is known.")
        return json_answer(single_user_answer(row, **travelled))

    async def lookup(self, request: web.Request) -> web.Response:
        """A POST only because many ids are long: it changes nothing."""
        reader = reader_of(request)
        user_ids: list[str] = body_of(request)
        known, freshness = await self._store.lookup(user_ids)
        await self._reads.users(reader, "lookup", {user: int(user in known) for user in user_ids})
        return json_answer(
            LookedUp(
                items=[user_answer(known[user_id]) for user_id in user_ids if user_id in known],
                unknown=[user_id for user_id in user_ids if user_id not in known],
                **self._quality.fields(freshness),
            )
        )

    async def _list(
        self, request: web.Request, audience: Audience, document: AuditedCall, file: AuditedCall
    ) -> web.Response:
        reader = reader_of(request)
        wanted = accepted_format(request.headers.get("Accept"))
        asked = list_request(audience, values_of(request), is_file=wanted != "json")
        at = asked.filter.at
        if at is None:
            page = await self._store.page(reader, asked)
        else:
            page = await self._time_travel.page(reader, asked, at)
        call = document if wanted == "json" else file
        await self._reads.filter(reader, call, asked.filter.context, len(page.rows))
        if wanted != "json":
            return _file(page, wanted, self._quality.fields(page.freshness))
        return json_answer(
            Users(
                items=[user_answer(row) for row in page.rows],
                next_cursor=page.next_cursor,
                at=UNSET if at is None else rfc3339(at),
                count=UNSET if page.count is None else page.count.users,
                count_is_exact=UNSET if page.count is None else page.count.is_exact,
                **self._quality.fields(page.freshness),
            ),
            {"Vary": "Accept"},
        )


def _file(page: Page, wanted: Format, quality: Mapping[str, Any]) -> web.Response:
    """The users of a page, with what JSON says beside them in headers."""
    rows = [user_answer(row) for row in page.rows]
    body = ndjson_rows(rows)
    if wanted == "csv":
        body = csv_head(USER_FIELDS) + csv_rows(USER_FIELDS, map(asdict, rows))
    headers = {
        "Content-Type": CONTENT_TYPES[wanted],
        "Vary": "Accept",
        AS_OF_HEADER: quality["as_of"] or "",
        STALE_HEADER: "true" if quality["stale"] else "false",
    }
    if page.next_cursor is not None:
        headers[NEXT_CURSOR_HEADER] = page.next_cursor
    return web.Response(body=body, headers=headers)
