"""What a phone's body says: design, section 1."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ingest.body.field_warnings import FieldWarning, warning_header
from ingest.body.validate import BodyReader, Sent, parse_logout
from ingest.metrics import FIELDS
from schemas.http.problems import ProblemError
from schemas.log.events import MAX_DEVICE_ID, MAX_TEXT, Heartbeat, encode_event
from schemas.untrusted.nesting import MAX_DEPTH

parse_heartbeat = BodyReader().heartbeat
TEXT_FIELDS = ("screen", "app_version", "device_info", "platform", "device_id")
KNOWN_FIELDS = (*TEXT_FIELDS, "app_state", "sent_at")


def body(**fields: object) -> bytes:
    return json.dumps(fields).encode()


def warned(sent: Sent) -> str:
    return warning_header(sent.warnings)


def refusal(raw: bytes) -> ProblemError:
    with pytest.raises(ProblemError) as caught:
        parse_heartbeat(raw)
    return caught.value


def test_a_well_formed_body_is_taken_as_it_is() -> None:
    sent = parse_heartbeat(
        body(
            screen="Home",
            app_version="1.4.2+7",
            device_info="Pixel 8, Android 14",
            device_id="d-1",
            platform="android",
            app_state="resumed",
        )
    )
    assert sent == Sent(
        screen="Home",
        app_version="1.4.2+7",
        device_info="Pixel 8, Android 14",
        device_id="d-1",
        platform="android",
        app_state="resumed",
    )


@pytest.mark.parametrize("raw", [b"", b"{}", b" \r\n\t", b" { } ", b"\xef\xbb\xbf{}"])
def test_an_empty_body_says_nothing(raw: bytes) -> None:
    assert parse_heartbeat(raw) == Sent()
    assert parse_logout(raw) == Sent()


@pytest.mark.parametrize("field", KNOWN_FIELDS)
def test_null_means_absent(field: str) -> None:
    assert parse_heartbeat(body(**{field: None})) == Sent()


@pytest.mark.parametrize("field", [*TEXT_FIELDS, "app_state"])
@pytest.mark.parametrize("blank", ["", "   ", "\u00a0\u3000"])
def test_a_blank_text_means_absent(field: str, blank: str) -> None:
    assert parse_heartbeat(body(**{field: blank})) == Sent()


def test_text_keeps_its_inner_spaces_and_its_emoji() -> None:
    text = "Zoë’s  cart 👩‍👩‍👧"
    assert parse_heartbeat(body(screen=text)) == Sent(screen=text)


@pytest.mark.parametrize("field", sorted(MAX_TEXT))
@pytest.mark.parametrize(
    ("sent", "taken"),
    [
        ("Home ", "Home"),
        ("\t Home\u00a0\u3000", "Home"),
        ("\u200b\u2060Home \u200f\ufeff ", "Home"),
        ("Cafe\u0301", "Caf\u00e9"),
        ("\u1100\u1161\u11a8", "\uac01"),
        ("\u200b", None),
    ],
)
def test_A3_what_looks_the_same_is_one_name(field: str, sent: str, taken: str | None) -> None:
    assert getattr(parse_heartbeat(body(**{field: sent})), field) == taken
    assert getattr(parse_heartbeat(body(**{field: sent, "x": 1})), field) == taken


def test_a_device_id_is_kept_as_it_was_sent_because_it_says_who() -> None:
    assert parse_heartbeat(body(device_id=" Cafe\u0301")).device_id == " Cafe\u0301"


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"true", "true"),
        (b"false", "false"),
        (b"12", "12"),
        (b"-0", "-0"),
        (b"1.50", "1.50"),
        (b"1e999", "1e999"),
        (b"123456789012345678901234567890", "123456789012345678901234567890"),
    ],
)
@pytest.mark.parametrize("field", TEXT_FIELDS)
def test_a_number_or_boolean_is_taken_as_the_text_that_was_sent(
    field: str, raw: bytes, text: str
) -> None:
    sent = parse_heartbeat(b'{"%b": %b}' % (field.encode(), raw))
    assert getattr(sent, field) == text
    assert sent.warnings == (FieldWarning(field, "taken_as_text"),)


def test_a_number_of_thousands_of_digits_is_cut_like_any_text() -> None:
    sent = parse_heartbeat(b'{"screen": %b}' % (b"9" * 5000))
    assert sent.screen == "9" * 128
    assert warned(sent) == "screen: taken as text; screen: cut to 128 characters"


@pytest.mark.parametrize(("field", "limit"), MAX_TEXT.items())
def test_over_long_text_is_cut(field: str, limit: int) -> None:
    exactly = parse_heartbeat(body(**{field: "ü" * limit}))
    assert getattr(exactly, field) == "ü" * limit
    assert exactly.warnings == ()
    longer = parse_heartbeat(body(**{field: "ü" * limit + "x"}))
    assert getattr(longer, field) == "ü" * limit
    assert warned(longer) == f"{field}: cut to {limit} characters"


@pytest.mark.parametrize(
    "whole",
    [
        "👩‍👩‍👧",
        "👍🏽",
        "🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",
        "🇩🇪",
        "\u0928\u0303\u0308",  # has no composed form
        "क्षि",
        "กำ",
        "1\ufe0f\u20e3",
    ],
)
@pytest.mark.parametrize("kept", range(1, 6))
def test_text_is_cut_between_characters_as_people_count_them(whole: str, kept: int) -> None:
    """However much of the character would still fit in."""
    room = min(kept, len(whole) - 1)
    start = "a" * (128 - room)
    sent = parse_heartbeat(body(screen=start + whole + "b"))
    assert sent.screen == start
    assert warned(sent) == "screen: cut to 128 characters"


def test_a_row_of_flags_is_cut_between_flags() -> None:
    assert parse_heartbeat(body(platform="🇩🇪" * 20)).platform == "🇩🇪" * 16
    assert parse_heartbeat(body(platform="x" + "🇩🇪" * 20)).platform == "x" + "🇩🇪" * 15


def test_a_character_without_end_is_cut_at_the_limit() -> None:
    sent = parse_heartbeat(body(screen="x" + "\u0323" * 5000))
    assert sent.screen == "x" + "\u0323" * 127


def test_a_blank_that_the_cut_leaves_at_the_end_goes_too() -> None:
    assert parse_heartbeat(body(screen="a" * 127 + " b")).screen == "a" * 127


def test_control_characters_nul_and_lone_surrogates_are_removed() -> None:
    sent = parse_heartbeat(
        rb'{"screen": "a\u0000b\ud800c\u001b\u0085d\udfff", "device_id": "\ud83d\ude00"}'
    )
    assert sent.screen == "abcd"
    assert sent.device_id == "😀"
    assert warned(sent) == "screen: control characters removed"


def test_raw_control_characters_are_removed_too() -> None:
    assert parse_heartbeat(b'{"screen": "a\x00b\nc"}').screen == "abc"


def test_a_text_of_nothing_but_control_characters_is_absent() -> None:
    sent = parse_heartbeat(rb'{"device_id": "\u0000\u0001", "app_state": "\u0000"}')
    assert sent.device_id is None
    assert sent.app_state is None
    assert warned(sent) == (
        "app_state: control characters removed; device_id: control characters removed"
    )


@pytest.mark.parametrize(
    "state",
    ["foreground", "resumed", "inactive", "background", "hidden", "paused", "detached"],
)
def test_known_app_states_are_taken_in_any_case(state: str) -> None:
    assert parse_heartbeat(body(app_state=state)) == Sent(app_state=state)
    assert parse_heartbeat(body(app_state=f" {state.upper()}")) == Sent(app_state=state)


@pytest.mark.parametrize(
    ("sent", "state"),
    [
        ("AppLifecycleState.paused", "paused"),
        ("AppLifecycleState.resumed", "resumed"),
        ("applifecyclestate.DETACHED", "detached"),
        ("active", "resumed"),  # React Native, UIKit
        ("Active", "resumed"),
        ("suspended", "paused"),
        ("terminated", "detached"),
        ("UIApplication.State.background", "background"),
        ("Optional(UIApplication.State.active)", "resumed"),
        ("UIApplicationStateActive", "resumed"),
        ("UISceneActivationStateForegroundInactive", "inactive"),
        ("not running", "detached"),
        ("foreground-active", "resumed"),
        ("foregroundInactive", "inactive"),
        ("unattached", "detached"),
        ("Lifecycle.State.STARTED", "inactive"),
        ("visible", "resumed"),
    ],
)
def test_P4_states_are_known_as_the_systems_say_them(sent: str, state: str) -> None:
    assert parse_heartbeat(body(app_state=sent)) == Sent(app_state=state)


@pytest.mark.parametrize("state", ["sleeping", "AppLifecycleState.", "unknown", "ß" * 300])
def test_an_unknown_app_state_counts_as_absent(state: str) -> None:
    sent = parse_heartbeat(body(app_state=state))
    assert sent.app_state is None
    assert warned(sent) == "app_state: unknown value ignored"


@pytest.mark.parametrize("field", [*TEXT_FIELDS, "app_state"])
@pytest.mark.parametrize("value", [{}, [], {"a": 1}, ["Home"]])
def test_an_object_or_array_in_place_of_a_text_is_ignored_by_name(field: str, value: Any) -> None:
    sent = parse_heartbeat(body(**{field: value, "sent_at": 5}))
    assert sent == Sent(sent_at=5, warnings=(FieldWarning(field, "not_a_text"),))
    assert warned(sent) == f"{field}: not a text, ignored"


def test_a_device_id_over_128_characters_is_refused() -> None:
    assert parse_heartbeat(body(device_id="d" * 128)).device_id == "d" * 128
    problem = refusal(body(device_id="d" * 129))
    assert problem.code == "bad_field"
    assert [error.field for error in problem.errors] == ["device_id"]


@pytest.mark.parametrize(
    "raw",
    [
        b'{"x": ' + b"[" * 15_000,
    ],
)
def test_a_body_that_never_ends_is_a_sign_of_life(raw: bytes) -> None:
    assert warned(parse_heartbeat(raw)) == "body: not JSON"


def nested(depth: int) -> bytes:
    """A body of such a depth, with a device in it."""
    return b'{"device_id": "d", "x": ' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}"


def test_what_nests_deeper_than_the_bound_says_nothing_whatever_python_could_read() -> None:
    assert parse_heartbeat(nested(MAX_DEPTH)) == Sent(device_id="d", unknown_fields=1)
    assert parse_logout(nested(MAX_DEPTH)) == Sent(device_id="d")
    for raw in (nested(MAX_DEPTH + 1), nested(8_000), b'{"x":' * 3_000 + b"1" + b"}" * 3_000):
        for sent in (parse_heartbeat(raw), parse_logout(raw)):
            assert sent == Sent(warnings=(FieldWarning("body", "not_json"),))


def test_the_last_of_duplicate_fields_counts() -> None:
    assert parse_heartbeat(b'{"screen": "a", "screen": "b"}').screen == "b"
    assert parse_heartbeat(b'{"screen": {}, "screen": "b"}').screen == "b"


def test_unknown_fields_are_ignored_and_counted() -> None:
    sent = parse_heartbeat(body(screen="Home", battery=0.5, nested={"a": [1]}, type="x"))
    assert sent == Sent(screen="Home", unknown_fields=3)


@pytest.mark.parametrize(
    "instant",
    [
        "2026-03-01T12:00:00Z",
        "2026-03-01T12:00:00.000Z",
        "2026-03-01T14:00:00+02:00",
        1772366400,
        1772366400.0,
        1772366400000,
    ],
)
def test_sent_at_is_an_instant_in_any_of_its_spellings(instant: str | float) -> None:
    assert parse_heartbeat(body(sent_at=instant)) == Sent(sent_at=1772366400.0)
    # The same by the lenient reading, which an unknown field makes necessary.
    assert parse_heartbeat(body(sent_at=instant, x=1)).sent_at == 1772366400.0


@pytest.mark.parametrize(
    "raw",
    [b'"2026-03-01T12:00:00"', b'"now"', b'""', b"true", b"{}", b"[1]", b"1e999", b"9" * 5000],
)
def test_a_sent_at_that_is_no_instant_is_only_warned_about(raw: bytes) -> None:
    sent = parse_heartbeat(b'{"screen": "Home", "sent_at": %b}' % raw)
    assert sent.screen == "Home"
    assert sent.sent_at is None
    assert warned(sent) == "sent_at: not an instant with UTC offset, ignored"


def test_a_logout_looks_at_its_device_id_alone() -> None:
    assert parse_logout(body(device_id="d", screen={}, x=1)) == Sent(device_id="d")
    assert parse_logout(body(device_id=7)).device_id == "7"


@pytest.mark.parametrize("raw", [b"x", b"\xff", b"[" * 16_000])
def test_a_logout_counts_even_with_a_body_that_cannot_be_read(raw: bytes) -> None:
    sent = parse_logout(raw)
    assert sent.device_id is None
    assert warned(sent).endswith("body: not JSON")


def test_a_logout_reads_its_device_wherever_a_heartbeat_would() -> None:
    assert parse_logout(b"device_id=d").device_id == "d"
    assert parse_logout(b"", None, "device_id=d").device_id == "d"
    assert parse_logout(b'["{\\"device_id\\": \\"d\\"}"]').device_id == "d"


@pytest.mark.parametrize("device_id", [{}, []])
def test_a_logout_ignores_a_device_id_that_is_no_text(device_id: object) -> None:
    assert warned(parse_logout(body(device_id=device_id))) == "device_id: not a text, ignored"


def test_a_logout_with_an_impossible_device_id_is_refused() -> None:
    with pytest.raises(ProblemError) as caught:
        parse_logout(body(device_id="d" * 129))
    assert caught.value.code == "bad_field"


any_text = st.text(st.characters(codec=None, categories=None), max_size=300)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | any_text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(any_text, inner, max_size=3),
    max_leaves=6,
)
objects = st.dictionaries(st.sampled_from(KNOWN_FIELDS) | any_text, json_values, max_size=8)


def is_storable(text: str | None, limit: int) -> bool:
    if text is None:
        return True
    return (
        0 < len(text) <= limit
        and not text.isspace()
        and "\x00" not in text
        and text.encode("utf-8", "strict") != b""
        and not any(ord(character) < 32 or 127 <= ord(character) < 160 for character in text)
    )


def outcome_of(parse: Callable[[bytes], Sent], raw: bytes) -> Sent | ProblemError:
    try:
        return parse(raw)
    except ProblemError as problem:
        return problem


def check(raw: bytes) -> None:
    for parse in (parse_heartbeat, parse_logout):
        sent = outcome_of(parse, raw)
        if isinstance(sent, ProblemError):
            assert sent.code == "bad_field"
            assert [error.field for error in sent.errors] == ["device_id"]
            continue
        assert all(
            is_storable(getattr(sent, field), MAX_TEXT.get(field, MAX_DEVICE_ID))
            for field in (*TEXT_FIELDS, "app_state")
        )
        assert {warning.field for warning in sent.warnings} <= set(FIELDS)
        assert warned(sent).isascii()
        assert warned(sent).isprintable()
        encode_event(Heartbeat(user="u", token="t", screen=sent.screen, device_id=sent.device_id))


@given(objects, st.booleans())
@example({"screen": "\ud800", "sent_at": 1e308}, True)
def test_any_object_gives_storable_fields_or_a_problem(
    value: dict[str, Any], escaped: bool
) -> None:
    check(json.dumps(value, ensure_ascii=escaped).encode("utf-8", "surrogatepass"))


@given(st.binary(max_size=64) | st.text('{}[]":,\\ud80screenati_ 0-', max_size=64).map(str.encode))
def test_any_bytes_give_storable_fields_or_a_problem(raw: bytes) -> None:
    check(raw)


@given(st.dictionaries(st.sampled_from(KNOWN_FIELDS), st.none() | st.text(max_size=300)))
def test_the_typed_and_the_lenient_reading_agree(value: dict[str, str | None]) -> None:
    typed = outcome_of(parse_heartbeat, json.dumps(value).encode())
    lenient = outcome_of(parse_heartbeat, json.dumps({**value, "?": 1}).encode())
    if isinstance(typed, ProblemError) or isinstance(lenient, ProblemError):
        assert isinstance(typed, ProblemError)
        assert isinstance(lenient, ProblemError)
        assert typed.errors == lenient.errors
    else:
        assert typed == msgspec.structs.replace(lenient, unknown_fields=0)
