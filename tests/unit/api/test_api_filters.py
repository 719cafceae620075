"""Query parameters become typed filters, or an error that names them."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.http.parameters import Parameter, parse, parse_named
from api.http.words import NAMED
from api.presence.filters import (
    KNOWN_USERS,
    LOOKUP,
    ONLINE_USERS,
    ListRequest,
    UserFilter,
    like_prefix,
    like_substring,
    list_request,
)
from schemas.http.problems import ProblemError
from schemas.untrusted.text import clean_text, same_name


def asked(query: str, of: tuple[Parameter, ...], *, is_file: bool = False) -> dict[str, Any]:
    return parse(query, {each.name: each for each in of}, in_file=is_file)


def parse_online_users(query: str, *, is_file: bool = False) -> ListRequest:
    return list_request("online", asked(query, ONLINE_USERS, is_file=is_file), is_file=is_file)


def parse_users(query: str, *, is_file: bool = False) -> ListRequest:
    return list_request("known", asked(query, KNOWN_USERS, is_file=is_file), is_file=is_file)


def refused(query: str) -> list[tuple[str, str]]:
    with pytest.raises(ProblemError) as caught:
        parse_online_users(query)
    assert caught.value.code == "bad_parameter"
    return [(error.field, error.message) for error in caught.value.errors]


def test_without_parameters_a_list_is_the_first_fifty_by_last_change() -> None:
    assert parse_online_users("") == ListRequest(UserFilter("online"), 50, None)
    assert parse_users("") == ListRequest(UserFilter("known"), 50, None)


@pytest.mark.parametrize("asked", ["Café", "Café ", " Cafe\u0301", "Cafe\u0301\u200b"])
def test_A3_a_name_is_asked_for_as_phones_send_it(asked: str) -> None:
    """What phones send is stored in one spelling, so readers may write any."""
    wanted = parse_online_users(f"screen={quote(asked)}&app_version={quote(asked)}").filter
    assert (wanted.screen, wanted.app_version) == ("Café", "Café")


def test_every_parameter_is_taken() -> None:
    query = (
        "screen=My%20Screen&state=background&app_version=1.0%2B2&device=Pixel+9&q=%C3%A9"
        "&sort=-last_active&limit=500&cursor=abc"
    )
    assert parse_online_users(query) == ListRequest(
        UserFilter(
            "online",
            screen="My Screen",
            state="background",
            app_version="1.0+2",
            device="Pixel 9",
            q="é",
            sort="-last_active",
        ),
        500,
        "abc",
    )


def test_a_search_box_that_was_cleared_is_no_filter() -> None:
    assert parse_online_users("q=&device=") == parse_online_users("")


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=501", "limit"),
        ("limit=-1", "limit"),
        ("limit=", "limit"),
        ("limit=5e1", "limit"),
        ("limit=%D9%A3", "limit"),  # an Arabic digit
        ("limit=" + "9" * 5000, "limit"),
        ("sort=name", "sort"),
        ("sort=changed_at", "sort"),
        ("state=offline", "state"),
        ("state=", "state"),
        ("screen=", "screen"),
        ("screen=a%00b", "screen"),
        ("screen=%FF", "screen"),
        ("screen=%ED%A0%80", "screen"),
        ("screen=" + "x" * 129, "screen"),
        ("app_version=" + "x" * 65, "app_version"),
        ("device=" + "x" * 257, "device"),
        ("q=" + "x" * 257, "q"),
        ("q=%0A", "q"),
        ("cursor=", "cursor"),
        ("color=red", "color"),
        ("screen", "screen"),
        ("screen=a&screen=a", "screen"),
    ],
)
def test_a_parameter_that_cannot_be_used_is_named(query: str, field: str) -> None:
    assert [name for name, _ in refused(query)] == [field]


def test_every_mistake_is_named_at_once() -> None:
    assert [name for name, _ in refused("limit=x&sort=y&nonsense=z")] == [
        "limit",
        "sort",
        "nonsense",
    ]


def test_users_take_no_filter_that_only_online_users_have() -> None:
    with pytest.raises(ProblemError) as caught:
        parse_users("screen=Home")
    assert caught.value.errors[0].field == "screen"
    assert "state, sort, q, search, limit, cursor, count" in caught.value.errors[0].message


def test_a_flood_of_parameters_is_refused() -> None:
    with pytest.raises(ProblemError, match=r"bad_parameter"):
        parse_online_users("&".join(f"a{n}=1" for n in range(10_000)))


def test_a_call_without_parameters_refuses_any() -> None:
    assert parse("", {}) == {}
    with pytest.raises(ProblemError):
        parse("x=1", {})


@given(st.text(max_size=300))
def test_any_text_is_a_filter_or_refused(text: str) -> None:
    query = "screen=" + quote(text, errors="surrogatepass")
    stored = same_name(text)
    if clean_text(stored) == stored and 1 <= len(stored) <= 128:
        assert parse_online_users(query).filter.screen == stored
    else:
        assert refused(query)[0][0] == "screen"


@given(st.text(st.characters(codec="latin-1")))
def test_any_query_string_is_parsed_or_refused(query: str) -> None:
    with suppress(ProblemError):
        parse_online_users(query)


def like(pattern: str) -> re.Pattern[str]:
    """What LIKE means, for the tests: %, _ and a backslash before what is meant itself."""
    parts = re.findall(r"\\.|.", pattern, re.DOTALL)
    special = {"%": ".*", "_": "."}
    return re.compile("".join(special.get(p) or re.escape(p[-1]) for p in parts), re.DOTALL)


@given(st.text("ab%_\\", max_size=5), st.text("ab%_\\", max_size=8))
def test_patterns_mean_what_was_typed(typed: str, stored: str) -> None:
    assert bool(like(like_prefix(typed)).fullmatch(stored)) == stored.startswith(typed)
    assert bool(like(like_substring(typed)).fullmatch(stored)) == (typed in stored)


@pytest.mark.parametrize("user_id", ["", "a\0b", "a\ud800", "a\nb", "x" * 257])
def test_an_id_that_no_user_can_have_is_refused(user_id: str) -> None:
    with pytest.raises(ProblemError) as caught:
        parse_named(NAMED, user_id)
    assert caught.value.errors[0].field == "user_id"


def lookup(document: object) -> list[str]:
    found: list[str] = LOOKUP.parse(json.dumps(document).encode())
    return found


def test_a_lookup_keeps_the_order_and_collapses_repeats() -> None:
    assert lookup({"user_ids": ["c", "a", "c", "b", "a"]}) == ["c", "a", "b"]


# Not deeper than Python could go: how deep a body may nest is ours to say.
TOO_DEEP = b'{"user_ids": ["a"], "x": ' + b"[" * 256 + b"]" * 256 + b"}"


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'"x"', b"{", b"\xff", b'{"user_ids": [NaN]}', TOO_DEEP]
)
def test_a_lookup_without_a_json_object_is_bad_json(body: bytes) -> None:
    with pytest.raises(ProblemError) as caught:
        LOOKUP.parse(body)
    assert caught.value.code == "bad_json"


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ({}, "user_ids"),
        ({"user_ids": "ada"}, "user_ids"),
        ({"user_ids": None}, "user_ids"),
        ({"user_ids": []}, "user_ids"),
        ({"user_ids": ["x"] * 1001}, "user_ids"),
        ({"user_ids": ["a", 5]}, "user_ids[1]"),
        ({"user_ids": ["a", "b", ""]}, "user_ids[2]"),
        ({"user_ids": ["a\0"]}, "user_ids[0]"),
        ({"user_ids": ["x" * 257]}, "user_ids[0]"),
        ({"user_ids": ["\ud800"]}, "user_ids[0]"),
        ({"user_ids": ["ada"], "at": "2026-03-30T12:00:00Z"}, "at"),
    ],
)
def test_a_lookup_that_cannot_be_used_names_the_field(document: object, field: str) -> None:
    with pytest.raises(ProblemError) as caught:
        lookup(document)
    assert caught.value.code == "bad_field"
    assert caught.value.errors[0].field == field


def test_a_lookup_takes_a_thousand_ids() -> None:
    assert len(lookup({"user_ids": [str(n) for n in range(1000)]})) == 1000
