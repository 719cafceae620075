"""The dashboard's pages: a frame around each, for those who may see it.

Nothing on these pages was written by users; what users wrote is put in by the scripts, as text.
"""

from __future__ import annotations

import logging
from typing import Any

import aiohttp_jinja2
from aiohttp import web
from jinja2 import PackageLoader

from api.access.browser_session import BrowserSessions
from api.access.readers import Readers
from api.dashboard.assets import UPLOT_MISSING, Assets
from api.dashboard.login import Login, login_address
from api.dashboard.security import DOCS_HEADERS, SECURITY_HEADERS
from api.dashboard.texts import texts_of
from api.http.door import Door, Handler, method_not_allowed, request_id_of_answer
from api.metrics import ApiMetrics
from api.page_table import DOCS_ROUTE, PAGES, Page, navigation
from api.quality import Quality
from api.settings import ApiSettings
from schemas.http.problems import ProblemError
from schemas.service.distribution import rollcall_version
from schemas.tokens.identity import Identity

logger = logging.getLogger(__name__)


class Dashboard:
    """Pages, their files, login and logout."""

    def __init__(
        self,
        settings: ApiSettings,
        readers: Readers,
        sessions: BrowserSessions,
        quality: Quality,
        metrics: ApiMetrics,
        command: str | None = None,
    ) -> None:
        """``command`` is Rollcall's own command as the reader calls it, if they have it."""
        self._readers = readers
        self._assets = Assets()
        if not self._assets.has_uplot:
            logger.warning("Charts cannot be drawn: %s", UPLOT_MISSING)
        self._login = Login(readers, sessions, metrics)
        self._globals = {
            "static": self._assets.address,
            "uplot": self._assets.uplot_address,
            "modules_of": self._assets.modules_of,
            "swagger": self._assets.swagger_address,
            "simulated": settings.simulated,
            "command": command,
            "heartbeat_interval_seconds": settings.heartbeat_interval_seconds,
            "reporting_zone": lambda: quality.reporting_zone.key,
            "version": rollcall_version(),
        }

    def install(self, app: web.Application, door: Door) -> None:
        """Add the routes, and what their handlers need. From then on a person who opens an address
        is told of a problem by a page, whichever call it is of."""
        door.page = trouble
        templates = aiohttp_jinja2.setup(
            app,
            loader=PackageLoader("api.dashboard"),
            default_helpers=False,
            context_processors=(texts_of,),
        )
        templates.globals |= self._globals
        router = app.router
        for page in PAGES:
            headers = DOCS_HEADERS if page.route == DOCS_ROUTE else SECURITY_HEADERS
            router.add_get(page.path, door.guard(page.route, self._handler(page), headers))
            router.add_route(
                "*", page.path, door.guard(page.route, method_not_allowed("GET, HEAD"))
            )
        static = r"/static/{version}/{name:.+}"
        router.add_get(static, door.guard("static", self._assets.serve, SECURITY_HEADERS))
        router.add_route("*", static, door.guard("static", method_not_allowed("GET, HEAD")))
        self._login.add_routes(router, door)

    def _handler(self, page: Page) -> Handler:
        async def show(request: web.Request) -> web.Response:
            try:
                reader = await self._readers.admit(request, cookie=True)
            except ProblemError as problem:
                if problem.status not in (401, 403):
                    return trouble(request, problem, request_id_of_answer(request))
                if page.public:
                    return aiohttp_jinja2.render_template(page.template, request, {"page": page})
                return web.Response(
                    status=303, headers={"Location": login_address(request, problem)}
                )
            context = _context(page, reader)
            if page.scope not in reader.scopes and not page.public:
                missing = f"{page.title} needs the scope {page.scope}."
                lacking = ProblemError("scope_missing", missing)
                return trouble(request, lacking, request_id_of_answer(request), context)
            return aiohttp_jinja2.render_template(page.template, request, context)

        return show


def _context(page: Page, reader: Identity) -> dict[str, Any]:
    return {
        "page": page,
        "nav": navigation(reader.scopes),
        "routes": [other.route for other in PAGES if other.scope in reader.scopes],
        "scopes": sorted(reader.scopes),
        "reader": reader.name or reader.user,
    }


def trouble(
    request: web.Request,
    problem: ProblemError,
    request_id: str,
    context: dict[str, Any] | None = None,
) -> web.Response:
    """A page that says why there is none and the way on, for a person."""
    shown = {**(context or {}), "problem": problem, "request_id": request_id}
    if problem.status in (401, 403):
        shown["login"] = login_address(request, problem)
    response = aiohttp_jinja2.render_template("trouble.html", request, shown, status=problem.status)
    response.headers.update(SECURITY_HEADERS)
    response.headers.update(problem.all_headers())
    return response
