"""``/shared/{token}``: the page of a share link, for people without a login."""

from __future__ import annotations

from typing import Final

import aiohttp_jinja2
from aiohttp import web

from api.dashboard.security import SECURITY_HEADERS
from api.http.door import Door, method_not_allowed
from api.http.paths import named_in_path
from api.sharing.link import PAGE, OpenLink
from api.sharing.visitors import HEADERS, Visitors
from schemas.http.problems import ProblemError

_HEADERS: Final = {**SECURITY_HEADERS, **HEADERS}


class SharedPage:
    """The handler."""

    def __init__(self, visitors: Visitors) -> None:
        self._visitors = visitors

    def add_routes(self, router: web.UrlDispatcher, door: Door) -> None:
        path, route = PAGE + "{token}", "shared_page"
        router.add_get(path, door.guard(route, self.show, _HEADERS))
        refuse = method_not_allowed("GET, HEAD")
        router.add_route("*", path, door.guard(route, refuse, _HEADERS))

    async def show(self, request: web.Request) -> web.Response:
        """Parameters are ignored: what sends links adds its own."""
        link: OpenLink | None = None
        try:
            link = await self._visitors.open(request, named_in_path(request.rel_url.raw_path, PAGE))
        except ProblemError as problem:
            if problem.code != "not_found":
                raise
        status = 404 if link is None else 200
        return aiohttp_jinja2.render_template("shared.html", request, {"link": link}, status=status)
