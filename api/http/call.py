"""One declaration of each call: what it is, who may make it, what it takes and answers. PURE.

All else comes from it: its route and 405, its name in metrics, the scope that is asked for and what
its parameters become (:mod:`api.http.routes`), its operation in the OpenAPI document
(:mod:`api.openapi`) and its line in docs/api.md. A room declares its calls in ``described``; its
handlers say which of them they serve.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from api.http.parameters import Parameter
from api.scopes import AUDIT_SCOPE, EXPORT_SCOPE, MANAGE_SCOPE, PRIVACY_SCOPE, READ_SCOPE
from schemas.bodies.body import Body
from schemas.openapi.answers import ANYBODY as EVERYBODY
from schemas.openapi.answers import OF_READERS, PHONES, refusals
from schemas.openapi.forms import Json, Security, operation, ref

Method: TypeAlias = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]


@dataclass(frozen=True, slots=True)
class Callers:
    """Who may make a call: those with ``scope``, by the dashboard's ``cookie`` too. Without a scope
    it is for the user whose ``own`` token it is, or for everybody."""

    scope: str | None
    cookie: bool = True
    own: bool = False

    @property
    def security(self) -> Security:
        """As OpenAPI has it."""
        if self.scope is None:
            return PHONES if self.own else EVERYBODY
        scope = [self.scope]
        session = ({"session": list[str]()},) if self.cookie else ()
        return ({"staffToken": scope}, {"apiKey": scope}, *session)

    @property
    def told(self) -> str:
        """As the documentation's table has it."""
        if self.scope is None:
            return "the user's own token" if self.own else "anyone"
        return f"scope `{self.scope}`"


READERS: Final = Callers(READ_SCOPE)
EXPORTERS: Final = Callers(EXPORT_SCOPE)
AUDITORS: Final = Callers(AUDIT_SCOPE)
MANAGERS: Final = Callers(MANAGE_SCOPE)
#: What cannot be undone wants more than a browser's click.
SUPPORT: Final = Callers(PRIVACY_SCOPE, cookie=False)
THE_USER: Final = Callers(None, own=True)
ANYBODY: Final = Callers(None)


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """A method of a path. ``route`` is its name in metrics, which calls may share; ``answers`` are
    those by status that are no refusal; ``refuses`` names what it refuses beyond what all calls of
    its kind do (``schemas.openapi.answers``). With ``ignores_parameters`` none is looked at."""

    method: Method
    path: str
    route: str
    tag: Json
    operation: str
    summary: str
    about: str
    answers: Mapping[str, Json]
    may: Callers = READERS
    parameters: tuple[Parameter, ...] = ()
    ignores_parameters: bool = False
    body: Body | None = None
    refuses: tuple[str, ...] = ()
    #: Of every answer, errors included.
    headers: Mapping[str, str] = field(default_factory=dict)
    #: Pages of ``ROLLCALL_CORS_ORIGINS`` may make it.
    of_pages: bool = False

    def described(self) -> Json:
        """Its operation in OpenAPI."""
        body: Json | None = None
        if self.body is not None:
            content = {"application/json": {"schema": ref(self.body.name)}}
            body = {"required": self.body.required, "content": content}
        described = operation(
            self.operation,
            self.summary,
            self.about,
            {**self.answers, **self._refusals()},
            security=self.may.security,
            parameters=[each.described() for each in self.parameters],
            body=body,
        )
        return {"tags": [self.tag["name"]], **described}

    def _refusals(self) -> dict[str, Json]:
        if self.may == ANYBODY:
            return refusals(*self.refuses)
        if self.body is not None:
            of_kind = refusals("BadBody", "BodyTooLarge", "UnsupportedEncoding", "BadField")
        elif any(each.name == "cursor" for each in self.parameters):
            of_kind = refusals("BadList")
        else:
            of_kind = refusals("BadParameter")
        return {**of_kind, **OF_READERS, **refusals(*self.refuses)}
