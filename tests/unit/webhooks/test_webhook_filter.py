"""Which changes a webhook is told of, and where its messages may go."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from schemas.bodies.fields import BadFieldsError
from schemas.log.changes import Change
from schemas.webhooks.addresses import PrivateHosts, check_webhook_url
from schemas.webhooks.filter import parse_filter
from tests.unit.webhooks.changes import CHANGE


def change(**fields: Any) -> Change:
    return msgspec.structs.replace(CHANGE, **fields)


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ({}, True),
        ({"reasons": ["navigated", "started"]}, True),
        ({"reasons": ["started"]}, False),
        ({"states": ["foreground"], "screens": ["Cart"], "app_versions": ["1.2"]}, True),
        ({"states": ["offline"]}, False),
        ({"screens": ["Home"]}, False),
        ({"screens": ["Cart"], "app_versions": ["1.3"]}, False),
    ],
)
def test_every_condition_must_hold(said: dict[str, Any], wanted: bool) -> None:
    assert parse_filter(said).wants(CHANGE) is wanted
    assert parse_filter(parse_filter(said).document) == parse_filter(said)


def test_what_a_device_does_beside_another_is_the_devices_alone() -> None:
    beside = change(device="tablet", state="offline", screen=None, reason="timed_out")
    assert parse_filter({}).wants(beside)
    assert not parse_filter({"of": "user"}).wants(beside)
    assert not parse_filter({"of": "user"}).wants(change(screen="Help"))
    last = change(state="offline", user_state="offline", screen=None, user_screen=None)
    assert parse_filter({"of": "user", "states": ["offline"]}).wants(last)
    assert parse_filter({"of": "user"}).wants(CHANGE)


def test_an_arrival_with_two_devices_is_told_once() -> None:
    away = {"previous_user_state": "offline", "previous_user_screen": None}
    there = {"previous_user_state": "foreground", "previous_user_screen": "Cart"}
    of_user = parse_filter({"of": "user"})
    assert of_user.wants(change(**away))
    assert not of_user.wants(change(device="tablet", **there))
    # The phone is gone, and the tablet shows another screen: the user's change, and not to offline.
    moved = change(state="offline", screen=None, user_screen="Home", **there)
    assert of_user.wants(moved)
    assert not parse_filter({"of": "user", "states": ["offline"]}).wants(moved)
    assert parse_filter({"of": "user", "screens": ["Home"]}).wants(moved)


def test_a_webhook_with_a_timer_is_told_of_no_change_but_who_is_to_be_forgotten() -> None:
    said = {"timer": {"while": "on_screen", "screen": "Cart", "seconds": 300}}
    found = parse_filter(said)
    assert found.document == said
    assert not found.wants(CHANGE)
    assert found.wants(change(reason="erased"))


def test_a_webhook_of_audiences_is_told_of_no_change_but_who_is_to_be_forgotten() -> None:
    found = parse_filter({"of": "audience"})
    assert found.document == {"of": "audience"}
    assert not found.wants(CHANGE)
    assert found.wants(change(reason="erased"))


def test_a_live_audience_is_shown_as_it_was_said() -> None:
    timer = {"while": "offline", "seconds": 60, "once_in_seconds": 3600, "push": {"text": "Hi"}}
    found = parse_filter({"timer": timer})
    assert found.document == {"timer": timer}
    assert found.timer is not None
    assert found.timer.is_live


@pytest.mark.parametrize("reason", ["erased", "opted_out"])
def test_that_somebody_is_to_be_forgotten_is_told_whatever_the_filter(reason: str) -> None:
    gone = change(reason=reason, device="", state="offline", user_state="offline", screen=None)
    assert parse_filter({"of": "user", "reasons": ["started"], "screens": ["Home"]}).wants(gone)


@pytest.mark.parametrize(
    ("said", "field", "message"),
    [
        ({"screen": ["A"]}, "screen", "is no field here"),
        ({"of": "everybody"}, "of", "must be device or user or audience"),
        ({"of": ["user"]}, "of", "must be device or user or audience"),
        ({"of": "audience", "states": ["offline"]}, "of", "audience stands alone"),
        (
            {"timer": {"while": "offline", "seconds": 60, "once_in_seconds": 0}},
            *("timer.once_in_seconds", "1 to 2592000"),
        ),
        (
            {"timer": {"while": "offline", "seconds": 60, "push": {"text": 7}}},
            *("timer.push.text", "must be a text"),
        ),
        ({"reasons": ["tired"]}, "reasons[0]", "must be started or "),
        ({"reasons": [["started"]]}, "reasons[0]", "must be started or "),
        ({"states": "offline"}, "states", "must be a list of 1 to 100"),
        ({"screens": []}, "screens", "must be a list of 1 to 100"),
        ({"screens": ["x" * 129]}, "screens[0]", "longer than 128 characters"),
        ({"screens": [7]}, "screens[0]", "must be a text"),
        ({"timer": []}, "timer", "must be an object"),
        ({"timer": {"while": "offline", "seconds": 60}, "of": "user"}, "timer", "alone"),
        ({"timer": {"while": "asleep", "seconds": 60}}, "timer.while", "offline or on_scr"),
        ({"timer": {"while": ["offline"]}}, "timer.while", "offline or on_screen"),
        ({"timer": {"while": "offline", "seconds": 0.5}}, "timer.seconds", "1 to 86400"),
        ({"timer": {"while": "offline", "seconds": True}}, "timer.seconds", "1 to 86400"),
        ({"timer": {"while": "offline", "seconds": 86_401}}, "timer.seconds", "1 to 86"),
        (
            {"timer": {"while": "offline", "seconds": 60, "screen": "Cart"}},
            *("timer.screen", "only for on_screen"),
        ),
        ({"timer": {"while": "on_screen", "seconds": 60}}, "timer.screen", "is missing: name"),
        ({"timer": {"minutes": 60}}, "timer.minutes", "is no field here"),
        ({"app_versions": ["\ud800"]}, "app_versions[0]", "no text here can hold"),
    ],
)
def test_a_filter_that_cannot_be_names_its_field(said: object, field: str, message: str) -> None:
    with pytest.raises(BadFieldsError) as raised:
        parse_filter(said)
    first = raised.value.problems[0]
    assert (first.field, message in first.message) == (field, True), first


def test_every_mistake_is_named_at_once() -> None:
    said = {"of": "everybody", "reasons": ["tired"], "timer": {"while": "asleep", "minutes": 1}}
    with pytest.raises(BadFieldsError) as raised:
        parse_filter(said)
    assert [each.field for each in raised.value.problems] == [
        *("of", "reasons[0]", "timer.while", "timer.minutes", "timer.seconds"),
    ]
    with pytest.raises(ValueError, match="must be an object"):
        parse_filter([])


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("https://crm.example.com/rollcall?x=1", None),
        ("https://93.184.215.14/", None),
        ("http://crm.svc/hook", None),
        ("https://10.1.2.3/", None),
        ("http://127.0.0.1:9090/", "in a private network"),
        ("http://crm.example.com/", "ROLLCALL_PLAIN_HTTP_HOSTS"),
        ("https://10.2.0.1/", "ROLLCALL_WEBHOOK_PRIVATE_HOSTS"),
        ("https://169.254.169.254/latest", "in a private network"),
        ("https://[::ffff:192.168.0.1]/", "in a private network"),
        ("https://ada:secret@crm.example.com/", "no user or password"),
        ("https://crm.example.com/#x", "no fragment"),
        ("https://crm.example.com:99999/", "no address"),
        ("ftp://crm.example.com/", "no address"),
        ("https://crm.example.com/a b", "no blanks"),
        ("", "at most 2000"),
    ],
)
def test_where_messages_may_go(url: str, problem: str | None) -> None:
    private = PrivateHosts(["10.1.0.0/16"])
    if problem is None:
        check_webhook_url(url, ["crm.svc"], private)
    else:
        with pytest.raises(ValueError, match=problem):
            check_webhook_url(url, ["crm.svc"], private)


@pytest.mark.parametrize(
    ("host", "address", "allowed"),
    [
        ("crm.example.com", "93.184.215.14", True),
        ("crm.example.com", "10.0.0.1", False),
        ("crm.example.com", "127.0.0.1", False),
        ("crm.example.com", "::1", False),
        ("crm.example.com", "64:ff9b::a00:1", False),
        ("crm.example.com", "2002:a00:1::", False),
        ("crm.example.com", "64:ff9b:1::a00:1", False),
        ("crm.example.com", "::10.0.0.1", False),
        ("crm.example.com", "::ffff:0:a00:1", False),
        ("crm.example.com", "fec0::1", False),
        ("crm.example.com", "224.0.0.1", False),
        ("crm.example.com", "no address", False),
        ("crm.svc.cluster.local", "10.0.0.1", True),
        ("evil-svc.cluster.local.example.com", "10.0.0.1", False),
        ("intranet", "192.168.3.4", True),
        ("other", "172.16.9.9", True),
    ],
)
def test_a_name_is_connected_to_only_at_addresses_that_it_may_have(
    host: str, address: str, allowed: bool
) -> None:
    private = PrivateHosts([".svc.cluster.local", "intranet", "172.16.0.0/12"])
    assert private.allows(host, address) is allowed
