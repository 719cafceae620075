"""What readers are told of saved views."""

from __future__ import annotations

from typing import Annotated, Final

from api.http.answers import Answer, described, instant, one_of, told
from api.periods.instants import rfc3339
from api.views.store import SavedView
from api.views.view import ADDRESS, NAME
from schemas.tokens.identity import Identity, PrincipalKind

#: Of the dashboard: to share.
LINK: Final = "/views/"
_ID: Final = "6f1d0a9be2c44be08f0b8f6a1ac2f3d7"
_THEN: Final = "2026-03-30T12:00:00.412Z"


class View(Answer):
    """A saved view."""

    id: Annotated[str, told("Finds the view.", _ID, pattern="^[0-9a-f]{32}$")]
    name: Annotated[str, described(NAME)]
    address: Annotated[str, described(ADDRESS)]
    link: Annotated[str, told("To share: leads to the address.", LINK + _ID)]
    who_kind: Annotated[PrincipalKind, one_of("Who vouches for `who`.", PrincipalKind)]
    who: Annotated[str, told("Who keeps it.", "support")]
    is_mine: Annotated[bool, told("Whether that is who asks.", True)]
    created_at: Annotated[str, instant("When it was saved.", _THEN)]
    changed_at: Annotated[str, instant("When it was changed last.", _THEN)]


class Views(Answer):
    """By name."""

    items: list[View]


def shown(view: SavedView, reader: Identity) -> View:
    """A view as ``reader`` sees it."""
    return View(
        id=view.id,
        name=view.name,
        address=view.address,
        link=LINK + view.id,
        who_kind=view.who_kind,
        who=view.who,
        is_mine=(view.who_kind, view.who) == (reader.kind, reader.user),
        created_at=rfc3339(view.created_at),
        changed_at=rfc3339(view.changed_at),
    )
