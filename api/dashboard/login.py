"""The way into the dashboard and out.

The token comes in the address's fragment (which no server and no log sees) or is pasted, is sent
once by ``POST /login`` and begins a session (``api.access.browser_session``).

A reader who follows a link with a token may be logged in already. Then they are asked: another's
link must not make them work, unawares, as somebody else. To press the button is to have seen the
page.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Final
from urllib.parse import urlencode

import aiohttp_jinja2
from aiohttp import web

from api.access.browser_session import BrowserSessions, cookie_name
from api.access.readers import Readers, check_own_page
from api.dashboard.security import SECURITY_HEADERS
from api.http.bodies import form_fields, read_body
from api.http.door import Door, method_not_allowed
from api.metrics import ApiMetrics
from schemas.http.problems import ProblemError
from schemas.tokens.identity import Identity
from schemas.untrusted.text import clean_text

MAX_LOGIN_BYTES: Final = 16_384
_HOME: Final = "/"
#: The name of the form's button: what a script sends is without it.
_PRESSED: Final = "pressed"
#: Why somebody is sent to the login, by the word in its address; the scripts send these, too.
WHY: Final = {
    "ended": "Your session has ended. Log in again to go on where you were.",
    "expired": "Your token has expired. Log in with a new one to go on where you were.",
    "revoked": "Your token or key was revoked. Log in with another one.",
    "refused": "Your token does not count any more. Log in with another one.",
    "scope": "Your token lacks the scope that this page needs. Log in with one that has it.",
}
_WHY_OF_CODE: Final = {
    "token_expired": "expired",
    "token_revoked": "revoked",
    "scope_missing": "scope",
}


class Login:
    """``/login`` and ``/logout``."""

    def __init__(self, readers: Readers, sessions: BrowserSessions, metrics: ApiMetrics) -> None:
        self._readers = readers
        self._sessions = sessions
        self._body_timeouts = metrics.http.timeouts["body"]

    def add_routes(self, router: web.UrlDispatcher, door: Door) -> None:
        for path, route, handler, allow in (
            ("/login", "login", self.login, "GET, HEAD, POST"),
            ("/logout", "logout", self.logout, "POST"),
        ):
            router.add_post(path, door.guard(route, handler, SECURITY_HEADERS))
            if "GET" in allow:
                router.add_get(path, door.guard(route, self.page, SECURITY_HEADERS))
            router.add_route("*", path, door.guard(route, method_not_allowed(allow)))

    async def page(self, request: web.Request) -> web.Response:
        why = WHY.get(request.query.get("why", ""))
        return _form(request, 200, own_path(request.query.get("next", _HOME)), why=why)

    async def login(self, request: web.Request) -> web.Response:
        """From a token to a session; a person reads what is wrong with it."""
        wanted = _HOME
        try:
            check_own_page(request)
            fields = form_fields(await read_body(request, MAX_LOGIN_BYTES, self._body_timeouts))
            wanted = own_path(fields.get("next", _HOME))
            token = pasted(fields.get("token", ""))
            identity = await self._readers.verify(token, request)
            if not fields.get(_PRESSED):
                now = await self._logged_in(request)
                if now is not None and (now.kind, now.user) != (identity.kind, identity.user):
                    return _question(request, wanted, token, now, identity)
            response = _redirect(wanted)
            await self._sessions.start(request, response, token, identity)
        except ProblemError as problem:
            return _form(request, problem.status, wanted, _for_a_person(problem))
        return response

    async def logout(self, request: web.Request) -> web.Response:
        """Raises ``ProblemError`` with code ``unavailable`` while the session cannot be ended: its
        cookie stays, so that nobody takes themselves for logged out."""
        check_own_page(request)
        response = _redirect("/login")
        await self._sessions.end(request, response)
        return response

    async def _logged_in(self, request: web.Request) -> Identity | None:
        token = await self._sessions.token_of(request)
        if not token:
            return None
        try:
            return await self._readers.verify(token, request)
        except ProblemError as problem:
            if problem.status in (401, 403):
                return None  # a session that is worth nothing
            raise


def pasted(text: str) -> str:
    """The token or API key in what was pasted: from a terminal it may be broken into lines, from a
    file in quotes, from a command behind ``Bearer``."""
    parts = text.strip().strip("\"'`").split()
    if parts and parts[0].lower() == "bearer":
        parts = parts[1:]
    return "".join(parts)


def _for_a_person(problem: ProblemError) -> ProblemError:
    """Who pastes something is not who runs the service: its settings are no remedy for them."""
    if problem.code != "token_invalid" or "not a JSON Web Token" not in problem.detail:
        return problem
    return ProblemError(
        problem.code,
        "This is neither a token (three parts with dots, eyJ…) nor an API key (rck_…): paste the "
        "whole of one.",
    )


def login_address(request: web.Request, problem: ProblemError) -> str:
    """Of the login, that says why somebody is there and leads back. A browser keeps the fragment
    itself. Who comes for the first time is told nothing."""
    wanted = request.rel_url.raw_path_qs
    query = {} if wanted == _HOME else {"next": wanted}
    if problem.code != "token_missing":
        query["why"] = _WHY_OF_CODE.get(problem.code, "refused")
    elif cookie_name(request) in request.cookies:
        query["why"] = "ended"
    return f"/login?{urlencode(query)}" if query else "/login"


def own_path(text: str) -> str:
    """``text`` if it is an address of ours, else the first page: a link must not lead from our
    login to another site."""
    # Browsers drop control characters, and take a backslash for a slash.
    odd = "\\" in text or not text.isascii() or clean_text(text) != text
    if odd or not text.startswith("/") or text.startswith("//"):
        return _HOME
    return text


def _form(
    request: web.Request,
    status: int,
    wanted: str,
    problem: ProblemError | None = None,
    why: str | None = None,
) -> web.Response:
    shown = {"problem": problem, "why": why, "next": wanted}
    response = aiohttp_jinja2.render_template("login.html", request, shown, status=status)
    if problem is not None:
        response.headers.update(problem.all_headers())
    return response


def _question(
    request: web.Request, wanted: str, token: str, now: Identity, then: Identity
) -> web.Response:
    shown = {"next": wanted, "token": token, "now": _name(now), "then": _name(then)}
    return aiohttp_jinja2.render_template(
        "login_question.html", request, shown, status=HTTPStatus.CONFLICT
    )


def _name(identity: Identity) -> str:
    return identity.name or identity.user


def _redirect(where: str) -> web.Response:
    return web.Response(status=303, headers={"Location": where})
