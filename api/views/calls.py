"""``/api/v1/views``: a reader's saved views. Any reader may open one by its id; only who keeps it
changes it. All take the dashboard's cookie, those that write from our own page only.
"""

from __future__ import annotations

from aiohttp import web

from api.access.readers import reader_of
from api.http.call import Call
from api.http.documents import json_answer
from api.http.door import Handler
from api.http.routes import body_of, values_of
from api.views.answers import Views, shown
from api.views.described import ADD_VIEW, CHANGE_VIEW, DELETE_VIEW, LIST_VIEWS, READ_VIEW
from api.views.store import ViewStore
from api.views.view import Change


class ViewCalls:
    """The handlers."""

    def __init__(self, store: ViewStore) -> None:
        self._store = store

    def handlers(self) -> dict[Call, Handler]:
        return {
            LIST_VIEWS: self.views,
            ADD_VIEW: self.add,
            READ_VIEW: self.view,
            CHANGE_VIEW: self.change,
            DELETE_VIEW: self.delete,
        }

    async def views(self, request: web.Request) -> web.Response:
        reader = reader_of(request)
        views = await self._store.of_reader(reader)
        return json_answer(Views(items=[shown(view, reader) for view in views]))

    async def add(self, request: web.Request) -> web.Response:
        reader = reader_of(request)
        given: Change = body_of(request)
        return json_answer(shown(await self._store.add(reader, given), reader), status=201)

    async def view(self, request: web.Request) -> web.Response:
        reader = reader_of(request)
        return json_answer(shown(await self._store.open(values_of(request)["id"]), reader))

    async def change(self, request: web.Request) -> web.Response:
        reader = reader_of(request)
        given: Change = body_of(request)
        return json_answer(
            shown(await self._store.change(reader, values_of(request)["id"], given), reader)
        )

    async def delete(self, request: web.Request) -> web.Response:
        reader = reader_of(request)
        await self._store.delete(reader, values_of(request)["id"])
        return web.Response(status=204)
