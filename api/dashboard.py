"""The dashboard's pages: a shell that reads the API like everybody else, and the way in.

The token comes in the address's fragment (which no server and no log sees) or is pasted, is sent
once by ``POST /login`` and lives in a cookie that scripts cannot read. Nothing on these pages was
written by users; what users wrote is put in by the script, as text.
"""

from __future__ import annotations

import hashlib
from importlib.resources import files
from typing import Final
from urllib.parse import parse_qs

from aiohttp import web
from jinja2 import Environment, PackageLoader

from api.auth import (
    MAX_COOKIE_TOKEN_CHARACTERS,
    Readers,
    check_own_page,
    cookie_name,
    session_seconds,
)
from api.bodies import read_body
from api.errors import Door, method_not_allowed
from api.metrics import ApiMetrics
from api.settings import ApiSettings
from schemas.problems import ProblemError

MAX_LOGIN_BYTES: Final = 16_384
_TYPES: Final = {
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
}
SECURITY_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    # Not `no-referrer`: with that browsers send `Origin: null` with our own form.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_IMMUTABLE: Final = "public, max-age=31536000, immutable"


class Dashboard:
    """Pages, their files, login and logout."""

    def __init__(self, settings: ApiSettings, readers: Readers, metrics: ApiMetrics) -> None:
        self._settings = settings
        self._readers = readers
        self._body_timeouts = metrics.http.timeouts["body"]
        self._static = _load_static()
        # Part of their address: a page always gets the files that it was made with.
        self._version = _version_of(self._static)
        templates = Environment(loader=PackageLoader("api"), autoescape=True)
        templates.globals["static"] = f"/static/{self._version}"
        self._page = templates.get_template("dashboard.html").render()
        self._login_page = templates.get_template("login.html")

    def add_routes(self, router: web.UrlDispatcher, door: Door) -> None:
        static = "/static/{version}/{name}"
        for path, route, handler in (
            ("/", "dashboard", self.page),
            ("/login", "login", self.login_page),
            (static, "static", self.static),
        ):
            router.add_get(path, door.guard(route, handler, SECURITY_HEADERS))
            allow = "GET, HEAD"
            if path == "/login":
                router.add_post(path, door.guard("login", self.login, SECURITY_HEADERS))
                allow = "GET, HEAD, POST"
            router.add_route("*", path, door.guard(route, method_not_allowed(allow)))
        router.add_post("/logout", door.guard("logout", self.logout, SECURITY_HEADERS))
        router.add_route("*", "/logout", door.guard("logout", method_not_allowed("POST")))

    async def page(self, request: web.Request) -> web.Response:
        """The dashboard; without a session, the way to one."""
        try:
            await self._readers.admit(request, cookie=True)
        except ProblemError as problem:
            if problem.status not in (401, 403):
                raise
            return _redirect("/login")
        return _html(self._page)

    async def login_page(self, request: web.Request) -> web.Response:
        return self._login(200)

    async def login(self, request: web.Request) -> web.Response:
        """From a token to a session; a person reads what is wrong with it."""
        try:
            check_own_page(request)
            body = await read_body(request, MAX_LOGIN_BYTES, self._body_timeouts)
            token = _token_of_form(body)
            identity = await self._readers.verify(token)
            if len(token) > MAX_COOKIE_TOKEN_CHARACTERS:
                raise ProblemError("bad_request", "The token is too long for a browser's cookie.")
        except ProblemError as problem:
            return self._login(problem.status, problem.detail, problem.all_headers())
        response = _redirect("/")
        response.set_cookie(
            cookie_name(request),
            token,
            max_age=session_seconds(identity),
            path="/",
            secure=self._secure(request),
            httponly=True,
            samesite="Strict",
        )
        return response

    async def logout(self, request: web.Request) -> web.Response:
        check_own_page(request)
        response = _redirect("/login")
        response.set_cookie(
            cookie_name(request),
            "",
            max_age=0,
            path="/",
            secure=self._secure(request),
            httponly=True,
            samesite="Strict",
        )
        return response

    async def static(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name not in self._static:
            raise ProblemError("not_found", "Nothing is at this address.")
        # During an upgrade a page of the other version may ask: ours, but not to be kept.
        ours = request.match_info["version"] == self._version
        return web.Response(
            body=self._static[name],
            content_type=_TYPES[name[name.rindex(".") :]],
            charset="utf-8",
            headers={"Cache-Control": _IMMUTABLE if ours else "no-cache"},
        )

    def _login(
        self, status: int, problem: str = "", headers: dict[str, str] | None = None
    ) -> web.Response:
        return _html(self._login_page.render(problem=problem), status, headers)

    def _secure(self, request: web.Request) -> bool:
        # A forged header could only make the forger's own cookie stricter.
        forwarded = request.headers.get("X-Forwarded-Proto") == "https"
        return self._settings.api_cookie_secure or request.secure or forwarded


def _token_of_form(body: bytes) -> str:
    try:
        fields = parse_qs(body.decode("ascii"), max_num_fields=8)
    except ValueError:
        raise ProblemError("bad_request", "The form cannot be read.") from None
    tokens = fields.get("token", [""])
    return "".join(tokens[0].split())  # pasted from a terminal, it may be broken into lines


def _load_static() -> dict[str, bytes]:
    return {
        entry.name: entry.read_bytes()
        for entry in (files("api") / "static").iterdir()
        if entry.name.endswith(tuple(_TYPES))
    }


def _version_of(static: dict[str, bytes]) -> str:
    digest = hashlib.sha256()
    for name, content in sorted(static.items()):
        digest.update(name.encode() + b"\0" + content + b"\0")
    return digest.hexdigest()[:12]


def _html(text: str, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(text=text, status=status, content_type="text/html", headers=headers)


def _redirect(where: str) -> web.Response:
    return web.Response(status=303, headers={"Location": where})
