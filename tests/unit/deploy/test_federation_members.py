"""Which members a federation is given."""

from __future__ import annotations

import pytest

from deploy.federation.members import MemberError, parse_members


def test_a_url_may_name_several_servers_with_commas() -> None:
    eu, us = parse_members(
        "eu=postgresql://r:p%2C@a:1,b:2/one?sslmode=verify-full,us=postgres://r:q@c/two"
    )
    assert (eu.name, us.name) == ("eu", "us")
    assert eu.user == {"user": "r", "password": "p,"}
    assert (eu.server["host"], eu.server["port"], eu.server["dbname"]) == ("a,b", "1,2", "one")
    assert eu.server["sslmode"] == "verify-full"
    assert us.server["connect_timeout"] == "2"


def test_without_a_name_it_is_called_like_its_database() -> None:
    [member] = parse_members("postgresql://r:p@h/fleet_eu?connect_timeout=9")
    assert member.name == "fleet_eu"
    assert member.server["connect_timeout"] == "9"
    assert member.address == "h:5432/fleet_eu"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("", "no member is named"),
        ("eu", "member 1 is no PostgreSQL URL"),
        ("eu=mysql://r:secret@h/d", "member 1 is no PostgreSQL URL"),
        ("eu=postgresql://r:secret@h/d,us=postgresql://r:sec%zzret@h/d", "member 2 is no"),
        ("eu=postgresql://h/d", "member 1 names no user"),
        ("eu=postgresql://r:secret@/d", "member 1 names no host"),
        ("eu=postgresql://r:secret@h", "member 1 names no database"),
        ("EU=postgresql://r:secret@h/d", "member 1 needs a name"),
        ("postgresql://r:secret@h/d,postgresql://r:secret@i/d", "two members are called d"),
        (",".join(f"m{n}=postgresql://r:secret@h/d" for n in range(65)), "64 are the most"),
    ],
)
def test_what_is_none_is_said_by_its_place_and_without_its_password(given: str, said: str) -> None:
    with pytest.raises(MemberError) as caught:
        parse_members(given)
    assert said in str(caught.value)
    assert "secret" not in str(caught.value)
