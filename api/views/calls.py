"""``/api/v1/views``: a reader's saved views. Any reader may open one by its id; only who keeps it
changes it. All take the dashboard's cookie, those that write from our own page only.
"""

from __future__ import annotations

from typing import Any, Final

from aiohttp import web

from api.access.readers import Readers
from api.http.bodies import read_body
from api.http.documents import json_answer
from api.http.door import Door, Handler, method_not_allowed
from api.http.parameters import refuse_parameters
from api.http.paths import named_in_path
from api.metrics import ApiMetrics
from api.periods.instants import rfc3339
from api.views.store import SavedView, ViewStore
from api.views.view import MAX_BODY_BYTES, parse_change, parse_new_view
from schemas.tokens.identity import Identity

PATH: Final = "/api/v1/views"
#: Of the dashboard: to share.
LINK: Final = "/views/"


class ViewCalls:
    """The handlers."""

    def __init__(self, store: ViewStore, readers: Readers, metrics: ApiMetrics) -> None:
        self._store = store
        self._readers = readers
        self._body_timeouts = metrics.http.timeouts["body"]

    def add_routes(self, router: web.UrlDispatcher, door: Door) -> None:
        one = f"{PATH}/{{id}}"
        routes: tuple[tuple[str, str, dict[str, Handler], str], ...] = (
            (PATH, "views", {"GET": self.views, "POST": self.add}, "GET, HEAD, POST"),
            (
                one,
                "view",
                {"GET": self.view, "PATCH": self.change, "DELETE": self.delete},
                "DELETE, GET, HEAD, PATCH",
            ),
        )
        for path, route, handlers, allow in routes:
            router.add_get(path, door.guard(route, handlers.pop("GET")))
            for method, handler in handlers.items():
                router.add_route(method, path, door.guard(route, handler))
            router.add_route("*", path, door.guard(route, method_not_allowed(allow)))

    async def views(self, request: web.Request) -> web.Response:
        reader = await self._reader(request)
        views = await self._store.of_reader(reader)
        return json_answer({"items": [_shown(view, reader) for view in views]})

    async def add(self, request: web.Request) -> web.Response:
        reader = await self._reader(request)
        given = parse_new_view(await self._body(request))
        return json_answer(_shown(await self._store.add(reader, given), reader), status=201)

    async def view(self, request: web.Request) -> web.Response:
        reader = await self._reader(request)
        return json_answer(_shown(await self._store.open(_named(request)), reader))

    async def change(self, request: web.Request) -> web.Response:
        reader = await self._reader(request)
        given = parse_change(await self._body(request))
        return json_answer(_shown(await self._store.change(reader, _named(request), given), reader))

    async def delete(self, request: web.Request) -> web.Response:
        reader = await self._reader(request)
        await self._store.delete(reader, _named(request))
        return web.Response(status=204)

    async def _reader(self, request: web.Request) -> Identity:
        reader = await self._readers.admit(request, cookie=True)
        refuse_parameters(request.rel_url.raw_query_string)
        return reader

    async def _body(self, request: web.Request) -> bytes:
        return await read_body(request, MAX_BODY_BYTES, self._body_timeouts)


def _named(request: web.Request) -> str:
    return named_in_path(request.rel_url.raw_path, f"{PATH}/")


def _shown(view: SavedView, reader: Identity) -> dict[str, Any]:
    return {
        "id": view.id,
        "name": view.name,
        "address": view.address,
        "link": LINK + view.id,
        "who_kind": view.who_kind,
        "who": view.who,
        "is_mine": (view.who_kind, view.who) == (reader.kind, reader.user),
        "created_at": rfc3339(view.created_at),
        "changed_at": rfc3339(view.changed_at),
    }
