"""What the door does with texts where the operator says so: screens' names, devices, names."""

from __future__ import annotations

import json

import pytest

from ingest.body.validate import BodyReader, DoorRules, Sent
from ingest.settings import IngestSettings
from ingest.socket.frames import Frame, read_frames
from schemas.log.screen_rules import parse_screen_rules


def reader(*lines: str) -> BodyReader:
    return BodyReader(DoorRules(screen=parse_screen_rules("\n".join(lines)).folder()))


BODY = b'{"screen": "/product/4711"}'


@pytest.mark.parametrize(
    ("body", "content_type", "query"),
    [
        (BODY, None, ""),
        (BODY[:-1] + b', "app_version": "%b"}' % (b"1" * 300), None, ""),  # too long to remember
        (BODY[:-1] + b', "battery": 5}', None, ""),
        (b"screen=/product/4711", "application/x-www-form-urlencoded", ""),
        (b"", None, "screen=/product/4711"),
        (b'["{\\"screen\\": \\"/product/4711\\"}"]', None, ""),
    ],
)
def test_however_a_body_is_written_its_screen_is_folded(
    body: bytes, content_type: str | None, query: str
) -> None:
    sent = reader("digits").heartbeat(body, content_type, query)
    assert sent.screen == "/product/{id}"
    assert all(field != "screen" for field, _ in sent.warnings)


def test_what_one_reader_remembers_is_not_anothers() -> None:
    """Bodies are remembered; a cache of the module would give each reader the other's answers."""
    assert BodyReader().heartbeat(BODY).screen == "/product/4711"
    assert reader("digits").heartbeat(BODY).screen == "/product/{id}"
    assert reader("/product/{product}").heartbeat(BODY).screen == "/product/{product}"
    assert BodyReader().heartbeat(BODY).screen == "/product/4711"


def test_frames_are_folded_one_by_one_and_in_an_array() -> None:
    rules = reader("digits")
    typed = read_frames('{"type": "auth", "token": "t", "screen": "/product/1"}', rules)
    several = read_frames('[{"screen": "/a/1"}, {"screen": "/b/2"}]', rules)
    lenient = read_frames('[{"screen": "/a/1", "x": 1}, "{\\"screen\\": \\"/b/2\\"}"]', rules)
    assert [frame.sent.screen for frame in typed if isinstance(frame, Frame)] == ["/product/{id}"]
    for frames in (several, lenient):
        screens = [frame.sent.screen for frame in frames if isinstance(frame, Frame)]
        assert screens == ["/a/{id}", "/b/{id}"]


def test_a_name_is_folded_in_its_one_spelling_and_before_it_is_cut() -> None:
    rules = reader("Caf\u00e9 {name}", "Chat with {name}, {topic}")
    body = json.dumps({"screen": " Cafe\u0301 Bob\u200b"}).encode()
    assert rules.heartbeat(body).screen == "Caf\u00e9 {name}"
    body = json.dumps({"screen": f"Chat with Bob, {'x' * 500}"}).encode()
    assert rules.heartbeat(body) == Sent(screen="Chat with {name}, {topic}")


def test_the_background_is_still_the_background() -> None:
    sent = reader("back{x}", "queries").heartbeat(b'{"screen": "background"}')
    assert sent.says_background
    sent = reader("queries").heartbeat(b'{"screen": "background?x"}')
    assert not sent.says_background


KEY = "a key of the tests, of 32 characters and more"


def settings(**values: object) -> IngestSettings:
    return IngestSettings.model_validate({"jwt_secret": KEY, **values})


def test_a_device_info_becomes_the_same_pseudonym_on_every_way_and_nothing_else_of_it() -> None:
    rules = settings(drop_device_info=True, user_hash_key=KEY).door_rules
    reader = BodyReader(rules)
    pseudonym = reader.heartbeat(b'{"device_info": "Bob\'s iPhone"}').device_info
    assert pseudonym == "hidden-51f7cec778f86a43"
    for body in (b'{"device_info": " Bob\'s iPhone ", "x": 1}', b"device_info=Bob's iPhone"):
        assert reader.heartbeat(body).device_info == pseudonym
    [frame] = read_frames('{"device_info": "Bob\'s iPhone"}', reader)
    assert isinstance(frame, Frame)
    assert frame.sent.device_info == pseudonym
    assert reader.heartbeat(b'{"device_info": "Bob\'s iPad"}').device_info != pseudonym
    assert reader.heartbeat(b'{"device_info": " "}').device_info is None
    other = BodyReader(settings(drop_device_info=True, user_hash_key=KEY + "!").door_rules)
    assert other.heartbeat(b'{"device_info": "Bob\'s iPhone"}').device_info != pseudonym


def test_devices_stay_apart_only_under_a_key() -> None:
    with pytest.raises(ValueError, match="ROLLCALL_DROP_DEVICE_INFO needs ROLLCALL_USER_HASH_KEY"):
        settings(drop_device_info=True, user_hash_key="")


def test_a_name_is_not_even_read_where_it_is_to_be_dropped() -> None:
    claims = {"sub": "bob", "name": "Bob Smith", "": "Bob Smith"}
    for drop_name, name in ((False, "Bob Smith"), (True, "")):
        chosen = settings(drop_name=drop_name, introspection_url=None)
        assert chosen.phone_issuer.rules.identity("t", claims).name == name
    back_end = settings(jwt_secret=None, userinfo_url="https://a.example/me", drop_name=True)
    assert back_end.back_end is not None
    assert back_end.back_end.rules.person("t", {"id": "bob", "name": "Bob Smith"}).name == ""


def test_as_it_comes_nothing_is_folded_or_dropped() -> None:
    assert settings(user_hash_key=KEY).door_rules == DoorRules()
