"""What a file of rules makes of the names of screens."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.log.screen_rules import (
    MAX_FILE_BYTES,
    MAX_PATTERNS,
    READY,
    READY_RULES,
    ScreenRulesError,
    parse_screen_rules,
)
from schemas.log.settings import ScreenRulesSettings
from schemas.untrusted.text import same_name

UUID = "550e8400-e29b-41d4-a716-446655440000"
MD5 = "d41d8cd98f00b204e9800998ecf8427e"


def folded(name: str, *lines: str) -> str:
    return parse_screen_rules("\n".join(lines)).folder()(name)


def refusal(*lines: str) -> str:
    with pytest.raises(ScreenRulesError) as caught:
        parse_screen_rules("\n".join(lines))
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "becomes"),
    [
        ("/product/4711", "/product/{id}"),
        ("/product/red-shoe", "/product/{id}"),
        ("/product/{id}", "/product/{id}"),
        ("/product/", "/product/"),
        ("/product", "/product"),
        ("/product/4711/reviews", "/product/4711/reviews"),
        ("/shop/product/4711", "/shop/product/4711"),
        ("/Product/4711", "/Product/4711"),
    ],
)
def test_a_placeholder_of_a_path_is_one_segment_of_a_whole_name(name: str, becomes: str) -> None:
    assert folded(name, "/product/{id}") == becomes


@pytest.mark.parametrize(
    ("name", "becomes"),
    [
        ("Chat with Bob", "Chat with {name}"),
        ("Chat with Bob Smith", "Chat with {name}"),
        ("Chat with Bob/Alice", "Chat with {name}"),
        ("Chat with 김철수", "Chat with {name}"),
        ("Chat with ", "Chat with "),
        ("My chat with Bob", "My chat with Bob"),
    ],
)
def test_in_a_name_that_is_no_path_a_placeholder_is_any_text(name: str, becomes: str) -> None:
    assert folded(name, "Chat with {name}") == becomes


@pytest.mark.parametrize(
    ("name", "matches"),
    [
        ("Ann to Bob: hello", True),
        ("Ann to to Bob: : hello", True),
        ("Ann to Bob", False),
        (" to Bob: hello", False),
        ("Ann to : hello", False),
        ("Ann to Bob: ", False),
    ],
)
def test_several_placeholders_each_stand_for_something(name: str, matches: bool) -> None:
    pattern = "{sender} to {recipient}: {text}"
    assert folded(name, pattern) == (pattern if matches else name)


def test_the_first_pattern_that_matches_counts() -> None:
    rules = ("/user/me/{page}", "/user/{id}/{page}", "User {name}")
    assert folded("/user/me/cart", *rules) == "/user/me/{page}"
    assert folded("/user/7/cart", *rules) == "/user/{id}/{page}"
    assert folded("User 7", *rules) == "User {name}"


@pytest.mark.parametrize(
    ("rule", "name", "becomes"),
    [
        ("digits", "/product/4711/photo/2", "/product/{id}/photo/{id}"),
        ("digits", "product_4711", "product_{id}"),
        ("digits", "Order #12", "Order #{id}"),
        ("digits", "Top10", "Top10"),
        ("digits", "v2", "v2"),
        ("digits", "/صفحة/١٢٣", "/صفحة/{id}"),
        ("uuids", f"/order/{UUID}", "/order/{id}"),
        ("uuids", f"order-{UUID.upper()}", "order-{id}"),
        ("uuids", f"/order/{UUID}0", f"/order/{UUID}0"),
        ("hashes", f"/file/{MD5}", "/file/{id}"),
        ("hashes", "/doc/507f1f77bcf86cd799439011", "/doc/{id}"),
        ("hashes", "/doc/507f1f77bcf86c", "/doc/507f1f77bcf86c"),
        ("hashes", "/doc/ProductDetailsScreen2", "/doc/ProductDetailsScreen2"),
        ("queries", "/search?q=my+secret", "/search"),
        ("queries", "/search ?q=my+secret", "/search"),
        ("queries", "?q=1", "{query}"),
        ("queries", "#/cart", "#/cart"),
    ],
)
def test_a_ready_rule_folds_its_kind_and_nothing_else(rule: str, name: str, becomes: str) -> None:
    assert folded(name, rule) == becomes


def test_ready_rules_come_before_patterns_wherever_they_stand() -> None:
    rules = ("# ids of products", "", "/product/{product}", "digits", "queries")
    assert folded("/product/4711?from=mail", *rules) == "/product/{product}"
    assert parse_screen_rules("\n".join(rules)).lines == ["queries", "digits", "/product/{product}"]


@pytest.mark.parametrize("name", ["background", "Background", "Unknown", "UNKNOWN"])
def test_words_of_the_protocol_are_never_folded(name: str) -> None:
    assert folded(name, *READY, "back{x}", "U{x}", "B{x}", "{x}n") == name


def test_nothing_is_folded_into_a_word_of_the_protocol() -> None:
    assert folded("background?from=mail", "queries") == "{background}"
    assert folded("Unknown\u200b?x", "queries") == "{unknown}"


def test_a_pattern_is_the_one_spelling_of_its_text() -> None:
    assert folded("Caf\u00e9 7", "  Cafe\u0301 {number} ") == "Caf\u00e9 {number}"


@pytest.mark.parametrize(
    ("lines", "line", "says"),
    [
        (["digits", "/product/id"], 2, "neither a ready rule (queries, uuids, hashes, digits)"),
        (["# x", "digit"], 2, "nor a pattern, which has a {name} in it"),
        (["/a/{1}"], 1, "letters and _ in braces"),
        (["/a/{id"], 1, "letters and _ in braces"),
        (["/a/{}"], 1, "letters and _ in braces"),
        (["{name}"], 1, "would fold every name"),
        (["/a/{x}{y}"], 1, "stand side by side"),
        (["/a/" + "b" * 128 + "{x}"], 1, "at most 128 characters"),
        (["/{a}", "/product/{x}", "/{b}"], 3, "line 1, /{a}, takes its names first"),
        (["digits", "/level/1/{x}"], 2, "make it /level/{id}/{x}: write that"),
        (["/a/{x}id{y}", "/a/{id}"], 2, "or leave one out"),
        ([f"/a{n}/{{id}}" for n in range(MAX_PATTERNS + 1)], 201, "at most 200 patterns"),
    ],
)
def test_a_line_that_cannot_be_used_is_named_with_the_remedy(
    lines: list[str], line: int, says: str
) -> None:
    told = refusal(*lines)
    assert told.startswith(f"line {line}: ")
    assert says in told


def test_a_line_that_stands_there_twice_is_one_rule() -> None:
    lines = [f"/{'a' * n}/{{id}}" for n in range(1, 101)] * 3
    assert parse_screen_rules("\n".join(lines)).lines == lines[:100]


def test_a_file_without_a_rule_is_refused() -> None:
    assert "names of ready rules" in refusal("# nothing", "")


RULES = st.lists(
    st.one_of(
        st.sampled_from(sorted(READY)),
        st.lists(
            st.sampled_from(["{id}", "{x}", "id", "x", "1", "/", "a", " ", "?", "-", "deadbeef"]),
            min_size=2,
            max_size=6,
        ).map("".join),
    ),
    min_size=1,
    max_size=5,
)
NAMES = st.one_of(
    st.lists(
        st.sampled_from(
            ["/", "a", "id", "{id}", "{", "}", "x", "1", "-", " ", "?", "#", UUID, MD5, "é"]
        ),
        max_size=8,
    ).map("".join),
    st.sampled_from(["background", "Unknown", "background?", "unknown ?1"]),
    st.text(max_size=20),
).map(same_name)


@given(RULES, NAMES)
def test_folding_twice_is_folding_once_and_keeps_the_words_of_the_protocol(
    lines: list[str], name: str
) -> None:
    try:
        fold = parse_screen_rules("\n".join(lines)).folder()
    except ScreenRulesError:
        fold = READY_RULES.folder()
    once = fold(name)
    assert fold(name) == once
    assert fold(once) == once
    assert same_name(once) == once
    assert bool(once) == bool(name)
    reserved = {"background", "unknown"}
    assert (once.lower() in reserved) == (name.lower() in reserved)


@given(
    st.lists(st.sampled_from(["a", "b", "ab", "{x}"]), min_size=1, max_size=6).map("".join),
    st.text("ab", max_size=9),
)
def test_a_pattern_matches_what_an_expression_would(pattern: str, name: str) -> None:
    try:
        fold = parse_screen_rules(pattern).folder()
    except ScreenRulesError:
        return
    expression = re.escape(pattern).replace(re.escape("{x}"), ".+")
    assert (fold(name) == pattern) == (re.fullmatch(expression, name) is not None)


def test_the_longest_name_and_the_most_rules_take_milliseconds() -> None:
    """What is refused otherwise: a name that costs the square of its length."""
    lines = [*READY, *(f"{{a}}x{{b}}y{{c}}z{{d}}w{n}" for n in "abcdefgh" * 12)]
    lines += [f"/{{a}}-{{b}}/{'t' * n}-{{d}}" for n in range(1, 100)]
    fold = parse_screen_rules("\n".join(lines)).folder()
    names = ["xyz" * 5_000, "1" * 15_000 + "a", "f" * 15_000 + "g", "/" * 15_000, "?" * 15_000]
    started = time.process_time()
    for name in names:
        fold(name)
    assert time.process_time() - started < 0.5


def test_a_file_that_cannot_be_used_is_refused_with_its_setting(tmp_path: Path) -> None:
    def told(content: bytes | None) -> str:
        path = tmp_path / "rules"
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(ValueError, match="ROLLCALL_SCREEN_RULES: ") as caught:
            ScreenRulesSettings(screen_rules=path)
        return str(caught.value)

    assert "No such file or directory" in told(None)
    assert "rules: line 2: " in told(b"digits\nnothing\n")
    assert "not a text in UTF-8" in told(b"caf\xe9 {x}")
    assert f"it has more than {MAX_FILE_BYTES} bytes" in told(b"# x\n" * MAX_FILE_BYTES)


def test_without_a_file_there_are_no_rules(tmp_path: Path) -> None:
    path = tmp_path / "rules"
    path.write_text("\ufeffdigits\r\n/cart/{id}\r\n")
    assert ScreenRulesSettings().screens is None
    rules = ScreenRulesSettings(screen_rules=path).screens
    assert rules is not None
    assert rules.lines == ["digits", "/cart/{id}"]
