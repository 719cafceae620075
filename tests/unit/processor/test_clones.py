"""One installation id on several phones, as a restored backup makes it, and on one phone whose user
changes without a logout (``processor/core/twins.py``)."""

from __future__ import annotations

import pytest
from hypothesis import given
from msgspec.structs import replace

from processor.core.model import MAX_DEVICES, MAX_REPLACED, Policy
from schemas.log.events import BadEvent, Event, Tick
from tests.unit.processor.presence_logs import EXAMPLES, Processor, Written, logs, policies
from tests.unit.processor.presence_story import Story

ID = "8f2c"
CLONE = "8f2c (2)"
FOREGROUND, BACKGROUND, OFFLINE = "foreground", "background", "offline"


class Backup(Story):
    """Phones of one installation id, told apart by what they say of themselves."""

    def says(
        self, info: str | None, *screens: str, token: str = "t1", seconds: float = 5
    ) -> Backup:
        for screen in screens:
            self.wait(seconds)
            self.beat(ID, screen, token=token, device_info=info)
        return self

    def states(self) -> dict[str, tuple[str, str | None]]:
        return {name: self.device(name) for name in self.devices()}

    def online(self) -> int:
        return int(self.user()["device_count"])


def two_phones(old: str = "t1", new: str = "t1") -> Backup:
    """The new phone is on Cart; the old one, which has a device of its own now, on Home."""
    story = Backup().says("Pixel 6", "Home", token=old).says("Pixel 9", "Cart", token=new)
    return story.says("Pixel 6", "Home", token=old)


# -- a cloned backup


def test_a_cloned_installation_id_is_two_devices_once_both_phones_were_heard_of_again() -> None:
    story = two_phones()
    assert story.states() == {ID: (FOREGROUND, "Cart"), CLONE: (FOREGROUND, "Home")}
    assert story.online() == 2
    assert [d["device_info"] for d in story.devices().values()] == ["Pixel 9", "Pixel 6"]
    assert story.devices()[CLONE]["twin_of"] == ID


def test_a_cloned_installation_id_is_no_flicker_of_navigated() -> None:
    story = Backup()
    for _ in range(20):
        story.says("Pixel 6", "Home").says("Pixel 9", "Cart")
    assert story.reasons() == [(ID, "started"), (ID, "navigated"), (CLONE, "started")]
    assert story.states() == {ID: (FOREGROUND, "Cart"), CLONE: (FOREGROUND, "Home")}


def test_a_cloned_id_in_a_tokens_claim_is_told_apart_too() -> None:
    story = Backup()
    for info, screen in (("Pixel 6", "Home"), ("Pixel 9", "Cart")) * 3:
        story.wait(5)
        story.beat(None, screen, claimed_device=ID, device_info=info)
    assert story.states() == {ID: (FOREGROUND, "Cart"), CLONE: (FOREGROUND, "Home")}


def test_timers_of_two_phones_with_one_id_move_no_screen() -> None:
    story = Backup().says("Pixel 6", "Home").says("Pixel 9", "Cart")
    story.says("Pixel 6", "Unknown", seconds=60).says("Pixel 9", "Unknown", seconds=60)
    assert story.shown() == (FOREGROUND, "Cart")
    assert story.states()[CLONE] == (FOREGROUND, "Home")


def test_sockets_of_two_phones_with_one_id_part_with_their_phones() -> None:
    story = Backup()
    story.connect("c1", ID, device_info="Pixel 6", screen="Home")
    story.connect("c2", ID, device_info="Pixel 9", screen="Cart")
    assert story.connections(ID) == ["c1", "c2"]
    for _ in range(3):
        story.wait(5)
        story.beat(ID, "Film", device_info="Pixel 6", connection="c1")
        story.beat(ID, "Cart", device_info="Pixel 9", connection="c2")
    assert story.states() == {ID: (FOREGROUND, "Cart"), CLONE: (FOREGROUND, "Film")}
    assert (story.connections(ID), story.connections(CLONE)) == (["c2"], ["c1"])
    assert len(story.reasons()) == 3
    story.logout(connection="c1")
    assert story.signed_out() == [(CLONE, ("c1",))]
    assert story.states() == {ID: (FOREGROUND, "Cart"), CLONE: (OFFLINE, None)}


def test_sockets_of_two_phones_of_one_text_part_with_their_phones() -> None:
    story = Story()
    story.connect("c1", None, token="A", device_info="Flutter App", screen="Home")
    story.connect("c2", None, token="B", device_info="Flutter App", screen="Cart")
    for _ in range(3):
        story.wait(5)
        story.beat(None, "Home", token="A", device_info="Flutter App", connection="c1")
        story.beat(None, "Cart", token="B", device_info="Flutter App", connection="c2")
    assert story.device("Flutter App") == (FOREGROUND, "Cart")
    assert story.device("Flutter App (2)") == (FOREGROUND, "Home")
    assert len(story.reasons()) == 3


def test_renewals_of_two_phones_with_one_id_tell_nobody_apart() -> None:
    story = Backup()
    story.connect("c1", ID, device_info="Pixel 6", screen="Home")
    story.connect("c2", ID, device_info="Pixel 9", screen="Cart")
    for connection, info in (("c1", "Pixel 6"), ("c2", "Pixel 9")) * 3:
        story.renew(connection, ID, device_info=info)
    assert story.states() == {ID: (FOREGROUND, "Cart")}


# -- one phone


def test_an_updated_system_is_one_device() -> None:
    story = Backup().says("iOS 17", "Home", "Cart").says("iOS 18", "Cart", "Film")
    assert story.states() == {ID: (FOREGROUND, "Film")}


def test_events_of_one_phone_that_do_not_all_describe_it_are_of_one_device() -> None:
    story = Backup()
    for _ in range(3):
        story.says("Pixel 6", "Home").says(None, "Unknown", token="t2")
    assert story.states() == {ID: (FOREGROUND, "Home")}


def test_an_app_with_two_tokens_and_an_id_is_one_device() -> None:
    story = Backup()
    for _ in range(3):
        story.says("Pixel 6", "Home", token="t1").says("Pixel 6", "Unknown", token="t2")
    assert story.states() == {ID: (FOREGROUND, "Home")}


def test_an_event_that_does_not_describe_its_phone_is_of_the_one_with_its_token() -> None:
    story = (
        two_phones("old", "new").says(None, "Film", token="old").says(None, "Offers", token="new")
    )
    assert story.states() == {ID: (FOREGROUND, "Offers"), CLONE: (FOREGROUND, "Film")}


# -- logouts


def test_a_logout_with_a_cloned_id_is_of_the_phone_with_its_token() -> None:
    story = two_phones("old", "new")
    story.logout(ID, token="old")
    assert story.states() == {ID: (FOREGROUND, "Cart"), CLONE: (OFFLINE, None)}
    story.says("Pixel 9", "Unknown", token="new").says(
        "Pixel 6", "Unknown", token="old", seconds=40
    )
    assert story.states() == {ID: (FOREGROUND, "Cart"), CLONE: (OFFLINE, None)}


def test_a_logout_with_a_cloned_id_and_a_cloned_token_signs_out_both() -> None:
    story = two_phones()
    story.logout(ID)
    assert story.states() == {ID: (OFFLINE, None), CLONE: (OFFLINE, None)}
    story.says("Pixel 6", "Unknown", seconds=40).says("Pixel 9", "Unknown")
    assert story.shown() == (OFFLINE, None)


# -- bounds and storage


def test_as_few_marks_are_remembered_of_an_id_as_of_a_text() -> None:
    story = Backup()
    for number in range(20):
        story.says(f"Phone {number}", "Home", seconds=1)
    [device] = story.devices().values()
    assert [r[0] for r in device["replaced"]] == [
        f"Phone {number}" for number in range(19 - MAX_REPLACED, 19)
    ]
    assert story.wait(301).user()["devices"] is None


def test_a_user_has_no_more_devices_for_phones_of_one_id() -> None:
    story = Backup()
    for _ in range(3):
        for number in range(MAX_DEVICES + 4):
            story.says(f"Phone {number}", "Home", "Home", seconds=1)
    assert len(story.devices()) <= MAX_DEVICES


def test_what_is_known_of_clones_outlives_a_restart() -> None:
    story = Backup().says("Pixel 6", "Home").says("Pixel 9", "Cart")
    story.processor.restart()
    story.says("Pixel 6", "Home")
    story.processor.restart()
    story.says("Pixel 9", "Cart").says("Pixel 6", "Home")
    assert story.states() == {ID: (FOREGROUND, "Cart"), CLONE: (FOREGROUND, "Home")}
    assert len(story.reasons()) == 3


# -- one phone, two users


def test_one_phone_with_two_users_changes_only_the_one_who_is_heard_of() -> None:
    story = Story()
    story.beat(ID, "Home", user="ann", token="s", device_info="Pixel")
    before = story.user("ann")
    story.beat(ID, "Cart", user="bob", token="s", device_info="Pixel")
    story.connect("c1", ID, user="bob", token="s", device_info="Pixel", screen="Film")
    story.logout(ID, user="bob", token="s", connection="c1")
    assert story.user("ann") == before
    assert (story.shown("ann"), story.shown("bob")) == ((FOREGROUND, "Home"), (OFFLINE, None))
    story.wait(301)
    assert story.shown("ann") == (OFFLINE, None)
    assert story.devices("ann")[ID]["reason"] == "timed_out"


@EXAMPLES
@given(logs, policies)
def test_no_event_of_one_user_ever_changes_another(log: list[Written], policy: Policy) -> None:
    """They claim the same ids, tokens, texts and sockets. That all are silent is an outage, and
    that is nobody's event: the policy here sees none of that kind."""
    policy = replace(policy, client_interval_ms=1_000_000)
    crowd, alone = Processor(policy), Processor(policy)
    for record in log:
        crowd.batch([replace_events(record, [_claims_all(e) for e in record.events or ()])])
        mine = [e if _is_anns(e) else Tick() for e in record.events or ()]
        alone.batch([replace_events(record, mine)])
    assert crowd.rows.get("ann") == alone.rows.get("ann")
    changes = [c.changed for c in crowd.changes if c.changed.user_id == "ann"]
    assert changes == [c.changed for c in alone.changes]


def replace_events(record: Written, events: list[Event | BadEvent]) -> Written:
    return Written(
        record.timestamp, None if record.events is None else tuple(events), record.refused
    )


def _is_anns(event: Event | BadEvent) -> bool:
    return not isinstance(event, BadEvent | Tick) and event.user == "ann"


def _claims_all(event: Event | BadEvent) -> Event | BadEvent:
    """Its token's identity, as that of a ``sid`` claim, is that of another user's too."""
    if isinstance(event, BadEvent | Tick) or not hasattr(event, "token"):
        return event
    return replace(event, token=f"ann-{event.token.rpartition('-')[2]}")


@pytest.mark.parametrize("naming", [(ID, None, None), (None, ID, None), (None, None, ID)])
def test_a_logout_of_one_user_leaves_the_phone_of_another_online(
    naming: tuple[str | None, str | None, str | None],
) -> None:
    device, claimed, info = naming
    story = Story()
    for user in ("ann", "bob"):
        story.beat(device, "Home", user=user, token="s", claimed_device=claimed, device_info=info)
    story.logout(ID, user="bob", token="s")
    assert story.shown("ann") == (FOREGROUND, "Home")
    assert story.shown("bob") == (OFFLINE, None)
