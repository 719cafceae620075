"""``/api/v1/share-links``, which wants the scope ``presence:manage``, and ``/api/v1/shared``, which
wants a link's token in its path and takes no other."""

from __future__ import annotations

from aiohttp import web

from api.access.readers import reader_of
from api.http.call import Call
from api.http.documents import json_answer
from api.http.door import Handler
from api.http.routes import body_of, values_of
from api.periods.instants import rfc3339
from api.settings import ApiSettings
from api.sharing.answers import ShareLinkMade, ShareLinks, shared_live, shown
from api.sharing.described import (
    CREATE_SHARE_LINK,
    DELETE_SHARE_LINK,
    LIST_SHARE_LINKS,
    READ_SHARED,
)
from api.sharing.link import HOURS, MAX_LINKS, PAGE, is_link_id, new_link
from api.sharing.store import ShareStore
from api.sharing.visitors import Visitors
from schemas.bodies.body import refusal
from schemas.http.problems import FieldProblem, ProblemError
from schemas.managed.manager import manager_of


class SharingCalls:
    """The handlers."""

    def __init__(self, settings: ApiSettings, store: ShareStore, visitors: Visitors) -> None:
        self._settings = settings
        self._store = store
        self._visitors = visitors

    def handlers(self) -> dict[Call, Handler]:
        return {
            LIST_SHARE_LINKS: self.all,
            CREATE_SHARE_LINK: self.create,
            DELETE_SHARE_LINK: self.delete,
            READ_SHARED: self.shared,
        }

    async def all(self, _request: web.Request) -> web.Response:
        return json_answer(ShareLinks(items=[shown(each) for each in await self._store.all()]))

    async def create(self, request: web.Request) -> web.Response:
        asked = body_of(request)
        name: str = asked["name"]
        by = manager_of(reader_of(request))
        made = new_link(name, asked.get("expires_in_hours", HOURS), by)
        expires_at = await self._store.make(made.row)
        if expires_at is None:
            message = f"is one too many: there are {MAX_LINKS} links, end some"
            raise refusal([FieldProblem("name", message)])
        answer = ShareLinkMade(
            id=made.id,
            name=name,
            expires_at=rfc3339(expires_at),
            path=PAGE + made.token,
            token=made.token,
        )
        return json_answer(answer, status=201)

    async def delete(self, request: web.Request) -> web.Response:
        link_id: str = values_of(request)["id"]
        by = manager_of(reader_of(request))
        if not is_link_id(link_id) or not await self._store.end(link_id, by):
            raise ProblemError("not_found", "No share link that has not ended has this id.")
        return web.Response(status=204)

    async def shared(self, request: web.Request) -> web.Response:
        link = await self._visitors.open(request, values_of(request)["token"])
        answer = shared_live(
            link,
            await self._store.snapshot.get(),
            stale_after_seconds=self._settings.stale_after_seconds,
            offline_after_seconds=self._settings.offline_after_seconds,
        )
        return json_answer(answer)
