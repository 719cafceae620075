"""``/views/{id}``: the link to a saved view, which leads to the page that it is of."""

from __future__ import annotations

from aiohttp import web

from api.access.readers import Readers
from api.dashboard.login import login_address, own_path
from api.dashboard.security import SECURITY_HEADERS
from api.http.door import Door, method_not_allowed
from api.http.parameters import parse_named
from api.http.paths import named_in_path
from api.views.answers import LINK
from api.views.described import VIEW_ID
from api.views.store import ViewStore
from schemas.http.problems import ProblemError


class SavedViewLink:
    """The handler."""

    def __init__(self, readers: Readers, store: ViewStore) -> None:
        self._readers = readers
        self._store = store

    def add_routes(self, router: web.UrlDispatcher, door: Door) -> None:
        path, route = LINK + "{id}", "view_link"
        router.add_get(path, door.guard(route, self.open, SECURITY_HEADERS))
        router.add_route("*", path, door.guard(route, method_not_allowed("GET, HEAD")))

    async def open(self, request: web.Request) -> web.Response:
        """To the page; whoever is not logged in is sent to the login, and then here."""
        try:
            await self._readers.admit(request, cookie=True)
        except ProblemError as problem:
            if problem.status not in (401, 403):
                raise
            return _to(login_address(request, problem))
        named = named_in_path(request.rel_url.raw_path, LINK)
        view = await self._store.open(parse_named(VIEW_ID, named))
        return _to(own_path(view.address))


def _to(where: str) -> web.Response:
    return web.Response(status=303, headers={"Location": where})
