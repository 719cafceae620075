"""Bodies as real apps send them: read where their meaning is plain, else a sign of life."""

from __future__ import annotations

import json
import time
from typing import Any
from urllib.parse import quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.body.charset import text_of
from ingest.body.field_warnings import FieldWarning, warning_header
from ingest.body.lenient import read_json, take_texts
from ingest.body.validate import BodyReader, Sent, parse_logout
from schemas.http.problems import ProblemError

parse_heartbeat = BodyReader().heartbeat
FORM = "application/x-www-form-urlencoded; charset=utf-8"
SENT: dict[str, Any] = {"screen": "MovieDetails", "app_version": "1.2.3", "device_info": "Pixel 8"}
MULTIPART = (
    b'--dart-1\r\ncontent-disposition: form-data; name="screen"\r\n\r\nMovieDetails\r\n'
    b'--dart-1\r\ncontent-disposition: form-data; name="app_version"\r\n\r\n1.2.3\r\n'
    b"--dart-1\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-transfer-encoding: binary\r\n"
    b'content-disposition: form-data; name="device_info"\r\n\r\nPixel 8\r\n--dart-1--\r\n'
)


def warned(sent: Sent) -> str:
    return warning_header(sent.warnings)


@pytest.mark.parametrize(
    ("body", "content_type", "query"),
    [
        (b"screen=MovieDetails&app_version=1.2.3&device_info=Pixel%208", FORM, ""),
        (b"screen=MovieDetails&app_version=1.2.3&device_info=Pixel+8", FORM, ""),
        (b"screen=MovieDetails&app_version=1.2.3&device_info=Pixel+8", None, ""),
        (b"screen=MovieDetails&app_version=1.2.3&device_info=Pixel+8", "application/json", ""),
        (b"screen=MovieDetails\r\napp_version=1.2.3\r\ndevice_info=Pixel 8\r\n", "text/plain", ""),
        (json.dumps(SENT).encode(), FORM, ""),
        (quote_plus(json.dumps(SENT)).encode() + b"=", FORM, ""),
        (quote_plus(json.dumps(SENT)).encode(), FORM, ""),
        (quote_plus(json.dumps(SENT)).encode(), "application/json", ""),
        (b"data=" + quote_plus(json.dumps(SENT)).encode(), FORM, ""),
        (MULTIPART, "multipart/form-data; boundary=dart-1", ""),
        (MULTIPART, 'multipart/form-data; boundary="dart-1"', ""),
        (MULTIPART, "multipart/form-data", ""),  # fetch with a content type of one's own
        (MULTIPART.replace(b"\r\n", b"\n"), "multipart/form-data; boundary=dart-1", ""),
        (b"\r\n" + MULTIPART, "multipart/form-data", ""),
        (MULTIPART.replace(b"dart-1", b"x"), "multipart/form-data; boundary=x", ""),
        (b"\r\n screen=MovieDetails&app_version=1.2.3&device_info=Pixel+8", None, ""),
        (b"", FORM, "screen=MovieDetails&app_version=1.2.3&device_info=Pixel%208"),
        (b"", None, "screen=MovieDetails&app_version=1.2.3&device_info=Pixel+8"),
        (b'{"screen": "MovieDetails"}', None, "screen=x&app_version=1.2.3&device_info=Pixel+8"),
    ],
)
def test_H1_forms_and_queries_are_read(body: bytes, content_type: str | None, query: str) -> None:
    assert parse_heartbeat(body, content_type, query) == Sent(**SENT)


@pytest.mark.parametrize(
    ("body", "screen"),
    [
        (rb'"{\"screen\":\"Home\"}"', "Home"),
        (json.dumps(json.dumps(json.dumps({"screen": "Home"}))).encode(), "Home"),
        (b'\xef\xbb\xbf{"screen": "Caf\xc3\xa9"}', "Café"),
        (b'{"battery":NaN,"screen":"Home"}', "Home"),
        (b'{"battery":-Infinity,"screen":"Home","sent_at":NaN}', "Home"),
        (b'{"screen":NaN,"platform":"ios"}', None),
        (b'[{"screen":"Home"}]', "Home"),
        (rb'["{\"screen\":\"Home\"}"]', "Home"),
        (b'{"screen":"Home",}', "Home"),
        (b'{"screen":"Home", "x":[1,2 , ],\n}\n', "Home"),
        (rb'{"screen":"a \"b,}\" c",}', 'a "b,}" c'),
        (b'{"screen":"Home"}\x00', "Home"),
        (b'{"screen":"Home"};', "Home"),
        (b'{"screen":"Cart","screen":"Home"}', "Home"),
    ],
)
def test_H2_what_is_almost_json_is_read_as_it_was_meant(body: bytes, screen: str | None) -> None:
    sent = parse_heartbeat(body)
    assert sent.screen == screen
    assert sent.warnings == ()


@pytest.mark.parametrize(
    ("body", "content_type", "screen"),
    [
        ('{"screen":"Café"}'.encode("utf-16"), None, "Café"),
        (b"\xfe\xff" + '{"screen":"Café"}'.encode("utf-16-be"), None, "Café"),
        ('{"screen":"Café"}'.encode("utf-16-le"), None, "Café"),
        ('{"screen":"Café"}'.encode("utf-16-be"), "application/json; charset=utf-16be", "Café"),
        ('{"screen":"Café"}'.encode("utf-32"), None, "Café"),
        (b'{"screen":"Caf\xe9"}', None, "Café"),
        (b'{"screen":"Caf\xe9"}', 'application/json; charset="iso-8859-1"', "Café"),
        (b'{"screen":"\x93Home\x94"}', None, "“Home”"),
        ('{"screen":"Главная"}'.encode("cp1251"), "text/json;charset=windows-1251", "Главная"),
        (
            '{"screen":"ホーム"}'.encode("shift_jis"),
            "application/json; charset=Shift_JIS",
            "ホーム",
        ),
        (b'{"screen":"\xed\xa0\xbd\xed\xb8\x80"}', None, "😀"),  # two surrogates of old Java
    ],
)
def test_H2_text_of_another_charset_is_read_with_a_warning(
    body: bytes, content_type: str | None, screen: str
) -> None:
    sent = parse_heartbeat(body, content_type)
    assert sent.screen == screen
    assert warned(sent) == "body: not UTF-8"


def test_H2_a_form_in_latin_1_is_read_too() -> None:
    assert parse_heartbeat(b"screen=Caf%E9", FORM).screen == "Café"
    assert parse_heartbeat(b"screen=Caf\xe9", FORM).screen == "Café"
    assert parse_heartbeat(b"", None, "screen=Caf%C3%A9").screen == "Café"


def test_H2_bytes_that_are_no_text_are_removed_from_what_is() -> None:
    sent = parse_heartbeat('{"screen":"Küche \xff1"}'.encode().replace(b"\xc3\xbf", b"\xff"))
    assert sent.screen == "Küche 1"
    assert warned(sent) == "body: not UTF-8; screen: control characters removed"


@pytest.mark.parametrize(
    "body",
    [
        b"screen: Home",
        b"screen: Home\nplatform: ios\n",
        b"{screen: Home, platform: ios}",  # a map that Dart printed
        b"{screen=Home, platform=ios}",  # Java
        b"{'screen': 'Home', 'battery': None}",  # Python
        b'{screen: "Home", app_version: null}',  # JavaScript
        b'{"screen":"Home","app_version":"1.',  # cut off
    ],
)
def test_H2_names_and_values_that_are_no_json_are_read_with_a_warning(body: bytes) -> None:
    sent = parse_heartbeat(body)
    assert sent.screen == "Home"
    assert sent.app_version is None
    assert warned(sent) == "body: not JSON"


@pytest.mark.parametrize(
    ("body", "warning"),
    [
        (b"\x01\x02\x03", "body: not JSON"),
        (b"\xff\xfe\x00", "body: not UTF-8; body: not JSON"),
        (b"\x9c\x81\x8d", "body: not UTF-8; body: not JSON"),
        (b"{", "body: not JSON"),
        (b"{} {}", "body: not JSON"),
        (b'{"app": {"screen": "Home"}', "body: not JSON"),
        (b'{"screen":"Ho', "body: not JSON"),
        (b"hello", "body: not JSON"),
        (b"a=b", "body: not JSON"),
        (b"<xml/>", "body: not JSON"),
        (b"[" * 15_000, "body: not JSON"),
        (b"null", "body: not JSON with fields, ignored"),
        (b"12", "body: not JSON with fields, ignored"),
        (b'"text"', "body: not JSON with fields, ignored"),
        (b"[]", "body: not JSON with fields, ignored"),
        (b'[{"screen":"A"},{"screen":"B"}]', "body: not JSON with fields, ignored"),
    ],
)
def test_H2_what_cannot_be_read_is_a_sign_of_life_with_a_warning(body: bytes, warning: str) -> None:
    sent = parse_heartbeat(body)
    assert (sent.screen, sent.device_id) == (None, None)
    assert warned(sent) == warning
    assert warned(parse_logout(body)) == warning


@pytest.mark.parametrize(
    "body",
    [
        b'"' + rb"\"" * 8_000,
        b"," * 16_000,
        b", " * 8_000 + b"}",
        b'{"' * 8_000,
        b"\n" * 16_000 + b"x",
        b"{" + b" " * 16_000 + b"screen",
        b"screen:" + b" " * 16_000,
        b"a," * 8_000,
        b"&" * 16_000 + b"=",
        b"%" * 16_000 + b"=",
        b"--x\r\n" * 3_000,
        b"-- " + b"\r\n\r\n" * 4_000,
        b'["' * 8_000,
        "\u0915\u094d".encode() * 2_700,
        b'{"screen":"' + "\U0001f1e6".encode() * 4_000 + b'",}',
    ],
)
def test_no_body_keeps_the_server_busy(body: bytes) -> None:
    started = time.process_time()
    parse_heartbeat(body, "multipart/form-data; boundary=x")
    parse_heartbeat(body, FORM, "q=1")
    assert time.process_time() - started < 0.2


@given(
    st.binary(max_size=80),
    st.sampled_from([None, FORM, "multipart/form-data; boundary=a", "text/plain; charset=utf-16"]),
    st.text(max_size=20),
)
def test_no_body_type_or_query_is_refused_but_for_a_device_id_that_is_too_long(
    body: bytes, content_type: str | None, query: str
) -> None:
    parse_heartbeat(body, content_type, query)
    parse_heartbeat(b"--a\r\n" + body, content_type, query)


@pytest.mark.parametrize("value", [{"a": 1}, [1], []])
def test_an_object_in_the_place_of_a_text_is_no_text(value: Any) -> None:
    warnings: list[FieldWarning] = []
    assert take_texts({"screen": value}, ["screen"], warnings) == {"screen": None}
    assert warnings == [FieldWarning("screen", "not_a_text")]


@pytest.mark.parametrize("text", ["1", '{"screen":"Kaffee"}', '{"screen":"Caf\u00e9 \u2615"}'])
@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-16"])
def test_utf_16_is_read_with_a_mark_and_without(text: str, encoding: str) -> None:
    assert text_of(text.encode(encoding)) == (text, False)
    assert text_of(text.encode()) == (text, True)


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ("{", "The frame is not JSON."),
        ('{"screen":,}', "The frame is not JSON."),
        ("[" * 500, "The frame is nested too deeply."),
    ],
)
def test_what_is_no_json_is_told_by_its_name(text: str, detail: str) -> None:
    with pytest.raises(ProblemError) as refused:
        read_json(text, "frame")
    assert (refused.value.code, refused.value.detail) == ("bad_json", detail)


def test_an_object_that_was_cut_off_is_no_form_whatever_its_values_hold() -> None:
    cut_off = b"\r\n" + json.dumps(SENT | {"note": "a=b"}).encode()[:-1]
    sent = parse_heartbeat(cut_off, FORM, "")
    assert (sent.screen, sent.device_info, warned(sent)) == (
        "MovieDetails",
        "Pixel 8",
        "body: not JSON",
    )


def test_a_form_with_bytes_that_are_no_text_says_the_rest() -> None:
    sent = parse_heartbeat(b"screen=Caf\xc3\xa9+1\xff&app_version=1.2.3", FORM, "")
    assert (sent.screen, sent.app_version) == ("Café 1", "1.2.3")
