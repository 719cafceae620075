"""Which addresses may be kept: pages of ours that name nobody."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest

from api.annotations.note import WANTED
from api.page_table import PAGES as DASHBOARD
from api.views.view import CHANGE, MAX_ADDRESS, NEW_VIEW, PAGES, Change, parse_address
from schemas.http.problems import ProblemError

FILTER = quote(json.dumps({"online": True, "screen": "Cart"}))


@pytest.mark.parametrize(
    "address",
    [
        *PAGES,
        "/users?screen=Cart%20%26%20more&state=foreground&sort=-changed_at",
        "/users?at=2026-03-30T12%3A00%3A00Z",
        "/screens?range=7d&metric=dwell_p95_ms&show=Home&show=Cart",
        "/screens/a%2Fb?range=24h",
        "/screens/...",
        "/?wall",
        f"/audience#{FILTER}",
    ],
)
def test_a_page_with_its_filters_may_be_kept(address: str) -> None:
    assert parse_address(address) == address


@pytest.mark.parametrize(
    "address",
    [
        "",
        "users",
        "https://evil.example/users",
        "javascript:alert(1)",
        "//evil.example",
        "/\\evil.example",
        "/users\\..",
        "/users?x=\n",
        "/users?screen=a b",
        "/users?screen=Caf\u00e9",
        "/screens/../users/ada",
        "/screens/..",
        "/screens/%2e%2e",
        "/screens/.%2E/",
        "/screens/",
        "/screens/a/b",
        "/login?next=/",
        "/logout",
        "/audit",
        "/audit?user=ada",
        "/docs",
        "/views/6f1d0a9be2c44be08f0b8f6a1ac2f3d7",
        "/api/v1/users",
        "/static/x/y.js",
        "/users#" + FILTER,
        "/audience#nonsense",
        "/audience#[]",
        "/users?screen=" + "x" * MAX_ADDRESS,
        "/users?" + "&".join(f"a{n}=1" for n in range(100)),
    ],
)
def test_nothing_else_may_be_kept(address: str) -> None:
    with pytest.raises(ValueError, match=r"^(must|is|has) "):
        parse_address(address)


@pytest.mark.parametrize(
    "address",
    [
        "/users/ada",
        "/users/ada?range=1h",
        "/users?q=ada",
        "/users?screen=Cart&%71=ada",
        "/users?user_id=ada",
        "/audience#" + quote(json.dumps({"exclude_user_ids": ["ada"]})),
    ],
)
def test_what_names_a_user_is_not_kept(address: str) -> None:
    with pytest.raises(ValueError, match="what is kept must name nobody"):
        parse_address(address)


def test_every_page_that_can_be_kept_is_one_of_the_dashboards() -> None:
    """And every other page of it was left out on purpose."""
    assert {page.path for page in DASHBOARD} - set(PAGES) == {
        r"/users/{user_id:[\s\S]+}",
        r"/screens/{screen:[\s\S]+}",
        "/audit",
        "/docs",
    }


def refused(parse: object, body: object) -> dict[str, str]:
    with pytest.raises(ProblemError) as caught:
        parse(json.dumps(body).encode())  # type: ignore[operator]
    assert caught.value.code == "bad_field"
    return {error.field: error.message for error in caught.value.errors}


def test_every_field_that_cannot_be_used_is_named() -> None:
    assert set(refused(NEW_VIEW.parse, {"name": " ", "address": "//x", "color": "red"})) == {
        "name",
        "address",
        "color",
    }
    assert set(refused(NEW_VIEW.parse, {})) == {"name", "address"}
    assert set(refused(CHANGE.parse, {})) == {"name"}
    assert refused(CHANGE.parse, {"name": "x" * 101}) == {"name": "is longer than 100 characters"}
    assert CHANGE.parse(b'{"name": " Cart "}') == Change("Cart")


def test_a_note_is_a_short_text_of_a_known_kind() -> None:
    note = WANTED.parse(b'{"text": " Release 4.2 "}')
    assert (note.text, note.kind, note.at) == ("Release 4.2", "note", None)
    wrong = {"text": "x" * 201, "at": "yesterday", "kind": "party"}
    assert refused(WANTED.parse, wrong) == {
        "text": "is longer than 200 characters",
        "at": "must be an instant such as 2026-03-29T10:15:00Z",
        "kind": "must be release or incident or campaign or note",
    }
    assert set(refused(WANTED.parse, {"at": "2026-03-29T10:15:00Z"})) == {"text"}
    assert set(refused(WANTED.parse, {"text": "\u0000"})) == {"text"}
