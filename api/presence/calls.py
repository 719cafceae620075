"""Who is online: the public count, lists of users, single ones and many at once."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Final

from aiohttp import web

from api.access.readers import Readers
from api.http.bodies import read_body
from api.http.documents import AS_OF_HEADER, STALE_HEADER, json_answer
from api.http.door import Door, method_not_allowed
from api.http.parameters import check_user_id, refuse_parameters
from api.http.paths import named_in_path
from api.http.tabular import CONTENT_TYPES, Format, accepted_format, csv_head, csv_rows, ndjson_rows
from api.metrics import ApiMetrics
from api.periods.instants import rfc3339
from api.presence.answers import USER_FIELDS, count_answer, single_user_answer, user_answer
from api.presence.filters import (
    ListRequest,
    parse_at,
    parse_lookup,
    parse_online_users,
    parse_users,
)
from api.presence.rows import Count, Page
from api.presence.store import Store
from api.presence.time_travel import TimeTravel
from api.presence.timeline import LOOKUP_PATH, USER_PATH, TimelineCalls
from api.privacy.calls import PrivacyCalls
from api.quality import Quality
from api.reads.audit import Call, ReadAudit
from api.settings import ApiSettings
from schemas.http.paths import COUNT_PATH
from schemas.http.problems import ProblemError, rate_limited
from schemas.http.token_bucket import BucketPolicy, TokenBuckets
from schemas.tokens.identity import Identity

COUNT_CACHE_CONTROL: Final = "public, max-age=1"
NEXT_CURSOR_HEADER: Final = "X-Rollcall-Next-Cursor"
ANY_ORIGIN: Final = {"Access-Control-Allow-Origin": "*"}
#: 1,000 ids of 256 characters, all of them escaped as surrogate pairs: twelve bytes each.
MAX_LOOKUP_BYTES: Final = 3_145_728


class PresenceCalls:
    """The handlers. All but the count want a reader's token."""

    def __init__(
        self,
        settings: ApiSettings,
        store: Store,
        time_travel: TimeTravel,
        timelines: TimelineCalls,
        quality: Quality,
        readers: Readers,
        reads: ReadAudit,
        metrics: ApiMetrics,
        privacy: PrivacyCalls,
    ) -> None:
        self._privacy = privacy
        self._settings = settings
        self._store = store
        self._time_travel = time_travel
        self._timelines = timelines
        self._quality = quality
        self._readers = readers
        self._reads = reads
        self._proxies = settings.proxies
        self._count_limits = TokenBuckets(
            BucketPolicy(settings.count_calls_per_second, settings.count_calls_burst)
        )
        self._body_timeouts = metrics.http.timeouts["body"]
        self._count_rate_limited = metrics.rate_limited["count"]

    def add_routes(self, router: web.UrlDispatcher, door: Door) -> None:
        count = COUNT_PATH
        router.add_get(count, door.guard("count", self.count, ANY_ORIGIN))
        router.add_route("*", count, door.guard("count", method_not_allowed("GET, HEAD")))
        for path, route, handler in (
            ("/api/v1/online-users", "online_users", self.online_users),
            ("/api/v1/users", "users", self.users),
        ):
            router.add_get(path, door.guard(route, handler))
            router.add_route("*", path, door.guard(route, method_not_allowed("GET, HEAD")))
        # A user may be called `lookup`: a GET asks for them, a POST looks up.
        user = self._timelines.beside(door.guard("user", self.user), door)
        user = self._privacy.beside(user, door)
        self._privacy.add_routes(router, door)
        router.add_post(LOOKUP_PATH, door.guard("lookup", self.lookup))
        router.add_get(LOOKUP_PATH, user)
        router.add_route(
            "*", LOOKUP_PATH, door.guard("lookup", method_not_allowed("DELETE, GET, HEAD, POST"))
        )
        any_user = USER_PATH + r"{user_id:[\s\S]+}"  # any character, as the path is decoded here
        router.add_get(any_user, user)
        router.add_route("*", any_user, self._privacy.wrong_method(door))

    async def count(self, request: web.Request) -> web.Response:
        """Public. Parameters are ignored: people add their own to get past caches.

        Raises ``ProblemError`` ``rate_limited`` for an address that asks too often.
        """
        wait_seconds = self._count_limits.take(self._proxies.client_of(request), time.monotonic())
        if wait_seconds:
            self._count_rate_limited.inc()
            raise rate_limited("This address asks for the count too often.", wait_seconds)
        freshness = await self._store.count.get()
        answer = count_answer(
            freshness,
            stale_after_seconds=self._settings.stale_after_seconds,
            offline_after_seconds=self._settings.offline_after_seconds,
        )
        return json_answer(answer, {"Cache-Control": COUNT_CACHE_CONTROL})

    async def online_users(self, request: web.Request) -> web.Response:
        reader = await self._readers.admit(request, cookie=True)
        wanted = accepted_format(request.headers.get("Accept"))
        query = request.rel_url.raw_query_string
        asked = parse_online_users(query, is_file=wanted != "json")
        call: Call = "online_users" if wanted == "json" else "online_users_file"
        return await self._list(reader, call, asked, wanted)

    async def users(self, request: web.Request) -> web.Response:
        reader = await self._readers.admit(request, cookie=True)
        wanted = accepted_format(request.headers.get("Accept"))
        asked = parse_users(request.rel_url.raw_query_string, is_file=wanted != "json")
        call: Call = "users" if wanted == "json" else "users_file"
        return await self._list(reader, call, asked, wanted)

    async def user(self, request: web.Request) -> web.Response:
        reader = await self._readers.admit(request, cookie=True)
        at = parse_at(request.rel_url.raw_query_string)
        user_id = check_user_id(named_in_path(request.rel_url.raw_path, USER_PATH))
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
        await self._reads.users(reader, "user", shown)
        if row is None:
            raise ProblemError("unknown_user", "No user with this id is known.")
        return json_answer({**single_user_answer(row), **travelled})

    async def lookup(self, request: web.Request) -> web.Response:
        """A POST only because many ids are long: it changes nothing."""
        reader = await self._readers.admit(request, cookie=True)
        refuse_parameters(request.rel_url.raw_query_string)
        user_ids = parse_lookup(await read_body(request, MAX_LOOKUP_BYTES, self._body_timeouts))
        known, freshness = await self._store.lookup(user_ids)
        await self._reads.users(reader, "lookup", {user: int(user in known) for user in user_ids})
        return json_answer(
            {
                "items": [user_answer(known[user_id]) for user_id in user_ids if user_id in known],
                "unknown": [user_id for user_id in user_ids if user_id not in known],
                **self._quality.fields(freshness),
            }
        )

    async def _list(
        self, reader: Identity, call: Call, request: ListRequest, wanted: Format
    ) -> web.Response:
        at = request.filter.at
        if at is None:
            page = await self._store.page(reader, request)
        else:
            page = await self._time_travel.page(reader, request, at)
        await self._reads.filter(reader, call, request.filter.context, len(page.rows))
        if wanted != "json":
            return _file(page, wanted, self._quality.fields(page.freshness))
        return json_answer(
            {
                "items": [user_answer(row) for row in page.rows],
                "next_cursor": page.next_cursor,
                **({} if at is None else {"at": rfc3339(at)}),
                **_count(page.count),
                **self._quality.fields(page.freshness),
            },
            {"Vary": "Accept"},
        )


def _file(page: Page, wanted: Format, quality: Mapping[str, Any]) -> web.Response:
    """The users of a page, with what JSON says beside them in headers."""
    rows = [user_answer(row) for row in page.rows]
    body = ndjson_rows(rows)
    if wanted == "csv":
        body = csv_head(USER_FIELDS) + csv_rows(USER_FIELDS, rows)
    headers = {
        "Content-Type": CONTENT_TYPES[wanted],
        "Vary": "Accept",
        AS_OF_HEADER: quality["as_of"] or "",
        STALE_HEADER: "true" if quality["stale"] else "false",
    }
    if page.next_cursor is not None:
        headers[NEXT_CURSOR_HEADER] = page.next_cursor
    return web.Response(body=body, headers=headers)


def _count(count: Count | None) -> dict[str, Any]:
    return {} if count is None else {"count": count.users, "count_is_exact": count.is_exact}
