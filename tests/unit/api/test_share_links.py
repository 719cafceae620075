"""A share link's token and end, and which screens it tells apart."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from api.sharing.link import ENDED, MAX_HOURS, OpenLink, new_link, opened, token_hash
from api.sharing.screens import told_apart, values_apart
from schemas.http.problems import ProblemError
from schemas.managed.manager import Manager

LEAD = Manager("token", "lead")
NOON = datetime(2026, 3, 30, 12, tzinfo=UTC)


def rows(**screens: int) -> list[Any]:
    return [{"screen": name, "foreground": users} for name, users in screens.items()]


def names(shown: list[Any]) -> list[str]:
    return [row["screen"] for row in shown]


def test_a_token_is_of_32_bytes_and_only_its_hash_is_stored() -> None:
    made, other = (new_link("Lobby", MAX_HOURS, LEAD) for _ in range(2))
    assert len(made.token) == 43
    assert made.token != other.token
    assert made.row["token_hash"] == token_hash(made.token)
    assert made.token not in str(made.row)


def test_a_link_opens_until_its_end_and_no_other_token_does() -> None:
    token = new_link("Lobby", 1, LEAD).token
    link = OpenLink(token_hash(token), "Lobby", NOON)
    links = {link.token_hash: link}
    assert opened(links, token, NOON - timedelta(microseconds=1)) is link
    for given, now in (
        (token, NOON),
        (token[:-1], NOON - timedelta(hours=1)),
        (token + "A", NOON - timedelta(hours=1)),
        (new_link("Lobby", 1, LEAD).token, NOON - timedelta(hours=1)),
        ("", NOON - timedelta(hours=1)),
        ("\udcff" * 43, NOON - timedelta(hours=1)),
    ):
        with pytest.raises(ProblemError) as refused:
            opened(links, given, now)
        assert (refused.value.code, refused.value.detail) == ("not_found", ENDED)


@pytest.mark.parametrize(
    ("users", "least", "shown", "others"),
    [
        ([40, 20, 9], 0, ["v0", "v1", "v2"], 0),
        ([2, 20, 40], 5, ["v2"], 22),
        ([9] * 11, 0, [f"v{n}" for n in range(10)], 9),
    ],
)
def test_versions_keep_their_order_and_the_rest_is_a_sum(
    users: list[int], least: int, shown: list[str], others: int
) -> None:
    values = [{"value": f"v{n}", "users": each} for n, each in enumerate(users)]
    found, rest = values_apart(values, least, "(other)")
    assert ([row["value"] for row in found], rest) == (shown, others)
    values.append({"value": "(other)", "users": 100})
    _, with_others = values_apart(values, 0, "(other)")
    assert with_others >= 100


def test_ten_screens_are_told_apart() -> None:
    assert names(told_apart(rows(**{f"S{n}": 50 - n for n in range(12)}), 0)) == [
        f"S{n}" for n in range(10)
    ]


@pytest.mark.parametrize(
    ("screens", "shown"),
    [
        ({"Home": 40, "Cart": 20, "Pay": 9}, ["Home", "Cart", "Pay"]),
        # The rest would be one screen's: the next one goes with it.
        ({"Home": 40, "Cart": 20, "Pay": 2}, ["Home"]),
        ({"Home": 40, "Cart": 4, "Pay": 2}, ["Home"]),
        ({"Home": 2}, []),
        ({}, []),
    ],
)
def test_a_screen_of_few_users_is_in_the_rest(screens: dict[str, int], shown: list[str]) -> None:
    assert names(told_apart(rows(**screens), 5)) == shown
