"""The members of a federation, as they are given: ``name=postgresql://…,name=postgresql://…``."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

MOST_MEMBERS: Final = 64
#: A URL may name several servers, with commas between them.
_BETWEEN: Final = re.compile(r",(?=(?:[^,/=@]+=)?postgres(?:ql)?://)")
_GIVEN: Final = re.compile(r"(?:(?P<name>[^,/=@]+)=)?(?P<url>postgres(?:ql)?://.*)", re.DOTALL)
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
#: Whose they are, not where the server is.
_OF_THE_USER: Final = ("user", "password")
#: So that the federation's server notices that a member is gone; what a URL says counts more.
_USUAL: Final[Mapping[str, str]] = {
    "connect_timeout": "2",
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "2",
    "tcp_user_timeout": "5000",
    "application_name": "rollcall-federation",
}


class MemberError(RuntimeError):
    """A member cannot be one. One line that names it and the remedy, without a password."""


@dataclass(frozen=True, slots=True)
class Member:
    """``parameters`` are libpq's."""

    name: str
    parameters: Mapping[str, str]

    @property
    def dsn(self) -> str:
        """For this process to connect by."""
        return make_conninfo(**dict(self.parameters))

    @property
    def server(self) -> dict[str, str]:
        """Options of the foreign server: no password is among them."""
        given = {key: each for key, each in self.parameters.items() if key not in _OF_THE_USER}
        return {**_USUAL, **given}

    @property
    def user(self) -> dict[str, str]:
        """Options of the user mapping."""
        return {key: self.parameters[key] for key in _OF_THE_USER if key in self.parameters}

    @property
    def address(self) -> str:
        """Where it is, for messages."""
        get = self.parameters.get
        return f"{get('host', 'localhost')}:{get('port', '5432')}/{get('dbname', '')}"


def parse_members(text: str) -> list[Member]:
    """In the order given. Raises `MemberError`."""
    members = [
        _member(place, part.strip()) for place, part in enumerate(_BETWEEN.split(text), 1) if part
    ]
    if not members:
        raise MemberError("no member is named: give eu=postgresql://… for each, with commas")
    if len(members) > MOST_MEMBERS:
        raise MemberError(f"{len(members)} members: {MOST_MEMBERS} are the most")
    names = [member.name for member in members]
    for name in _twice(names):
        raise MemberError(
            f"two members are called {name}: give each a name of its own, "
            "as in eu=postgresql://…,us=postgresql://…"
        )
    return members


def _member(place: int, text: str) -> Member:
    found = _GIVEN.fullmatch(text)
    if found is None:
        raise MemberError(
            f"member {place} is no PostgreSQL URL: give name=postgresql://user:password@host/database"
        )
    try:
        parsed = conninfo_to_dict(found["url"])
    except psycopg.Error:  # whose text may show the password
        raise MemberError(
            f"member {place} is no PostgreSQL URL that can be read: blanks, / and @ of a password "
            "are written as %20, %2F and %40"
        ) from None
    parameters = {key: str(value) for key, value in parsed.items() if value is not None}
    for needed, what in (("user", "user"), ("host", "host"), ("dbname", "database")):
        if not parameters.get(needed):
            raise MemberError(f"member {place} names no {what}: postgresql://user:…@host/database")
    name = found["name"] or parameters["dbname"]
    if not _NAME.fullmatch(name):
        raise MemberError(
            f"member {place} needs a name of lower-case letters, digits, - and _, at most 32: "
            "eu=postgresql://…"
        )
    return Member(name, parameters)


def _twice(names: Iterable[str]) -> list[str]:
    return [name for name, count in Counter(names).items() if count > 1]
