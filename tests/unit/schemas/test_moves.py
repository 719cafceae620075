"""Fault 5: a frame that names a device moves its socket there, whenever it comes."""

from __future__ import annotations

from schemas.log.events import Connect, Heartbeat
from tests.unit.ingest.socket_talk import Talk
from tests.unit.processor.presence_story import Story


def test_fault_5_a_late_first_frame_is_written_as_one_connect_of_its_device() -> None:
    talk = Talk().auth().wait(3)
    assert talk.event(Connect).device_id is None
    talk.wait(60).says({"id": 1, "device_id": "phone", "screen": "Home"})
    moved = talk.event(Connect)
    assert (moved.device_id, moved.screen, moved.connection) == ("phone", "Home", "c1")
    assert talk.answers() == [("ack", 1, None)]
    talk.says({"id": 2, "device_id": "other", "screen": "Cart"})
    assert talk.event(Heartbeat).device_id == "phone", "from then on it is for life"


def test_fault_5_the_connection_moves_and_leaves_no_ghost() -> None:
    story = Story().connect("c1", None).wait(20).connect("c1", "phone", screen="Home")
    assert story.device("phone") == ("foreground", "Home")
    assert story.went("default") == ("disconnected", 20.0)
    assert story.connections("phone") == ["c1"]
    assert story.shown() == ("foreground", "Home")
    assert story.seconds(story.user()["online_since_ms"]) == 0.0, "the user was never away"
    story.wait(600)
    assert story.shown() == ("offline", None)


def test_fault_5_a_move_changes_each_device_once_and_the_user_once_at_most() -> None:
    story = Story().connect("c1", None).wait(20).connect("c1", "phone", screen="Home")
    assert story.reasons() == [
        ("default", "started"),
        ("phone", "started"),
        ("default", "disconnected"),
    ]
    of_the_move = [each.changed for each in story.processor.changes][1:]
    # The one that comes begins before the one that goes ends: the user is never shown offline.
    assert [(c.user_state, c.user_screen) for c in of_the_move] == [("foreground", "Home")] * 2


def test_fault_5_the_phones_own_device_goes_on_with_the_connection() -> None:
    story = Story().beat("phone", "Home", token="t2").connect("c1", None).wait(20)
    story.connect("c1", "phone").wait(290)
    assert story.device("phone") == ("foreground", "Home")
    story.renew("c1", "phone").wait(200)
    assert story.device("phone")[0] == "foreground"
    assert story.device("default")[0] == "offline"


def test_fault_5_a_device_that_something_else_keeps_stays() -> None:
    story = Story().connect("c1", None).connect("c2", None).wait(20).connect("c1", "phone")
    assert story.device("default")[0] == "foreground"
    assert story.connections("default") == ["c2"]


def test_fault_5_a_connect_that_is_repeated_moves_nothing() -> None:
    story = Story().connect("c1", "phone").wait(10).connect("c1", "phone").connect("c1", None)
    assert list(story.devices()) == ["phone"]
    assert story.reasons() == [("phone", "started")]
