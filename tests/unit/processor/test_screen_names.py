"""Which screen names count as themselves, and what of that is remembered."""

from __future__ import annotations

import msgspec

from processor.core.analytics.screen_names import (
    DAY_MS,
    MINUTE_MS,
    NewName,
    Remembered,
    ScreenNames,
)
from tests.unit.processor.presence_story import Story

START_MS = 20_000 * DAY_MS
MOST = 200


class Names:
    """The names of a partition, as records come."""

    def __init__(self, most: int = MOST) -> None:
        self.most = most
        self.now_ms = START_MS
        self.names = ScreenNames()
        self.new: list[NewName] = []
        self.stored = b"null"
        self.at(0)

    def at(self, days: int, minutes: int = 0, elsewhere: dict[str, int] | None = None) -> Names:
        """``elsewhere`` is how many users of other partitions showed a name on the day before."""
        self.now_ms = START_MS + days * DAY_MS + minutes * MINUTE_MS
        ended_day = self.names.ended_day(self.now_ms)
        if ended_day is not None:
            self.names.showed_elsewhere(ended_day, elsewhere or {})
        self.names.begin(self.now_ms, self.most)
        self._store()
        return self

    def _store(self) -> None:
        changed = self.names.changed()
        if changed is not None:
            self.stored = msgspec.json.encode(changed)

    def show(self, screen: str, user: str) -> str:
        counted = self.names.counted_as(screen, user, self.most, self.new)
        self._store()
        return counted

    def by(self, screen: str, users: int) -> Names:
        for number in range(users):
            self.show(screen, f"user-{number}")
        return self

    def restarted(self) -> Names:
        """As a processor that starts now reads them."""
        minute_ms = self.now_ms - self.now_ms % MINUTE_MS
        self.names = ScreenNames(
            minute_ms,
            [(name, mark) for at, name, mark in self.new if at == minute_ms],
            msgspec.json.decode(self.stored, type=Remembered | None),
        )
        return self


def fill(names: Names, accounts: int) -> None:
    """So many accounts show as many names as they can, others each minute."""
    for account in range(accounts):
        for number in range(300):
            names.show(f"junk-{names.now_ms}-{account}-{number}", f"account-{account}")


def test_four_accounts_do_not_turn_the_screens_of_a_minute_into_other() -> None:
    names = Names()
    fill(names, accounts=4)
    assert len(names.new) == 4 * MOST // 10
    assert names.show("Home", "ada") == "Home"
    assert names.show("Checkout", "ada") == "Checkout"


def test_an_account_brings_a_tenth_of_the_names_of_a_minute_rounded_down() -> None:
    names = Names(most=MOST + 5)
    fill(names, accounts=1)
    assert len(names.new) == MOST // 10


def test_names_that_five_users_showed_on_an_earlier_day_keep_their_place() -> None:
    names = Names().by("Home", 5).by("Checkout", 5).by("Rare", 4).at(1)
    fill(names, accounts=50)
    assert names.show("Home", "ada") == "Home"
    assert names.show("Checkout", "ada") == "Checkout"
    assert names.show("Rare", "ada") == "(other)"


def test_five_users_of_as_many_partitions_make_a_name_known() -> None:
    names = Names().by("Checkout", 1).by("Rare", 1)
    names.at(1, elsewhere={"Checkout": 4, "Rare": 3, "Never here": 5, "Once": 1})
    fill(names, accounts=50)
    assert names.show("Checkout", "ada") == "Checkout"
    assert names.show("Never here", "ada") == "Never here"
    assert names.show("Rare", "ada") == "(other)"
    assert names.show("Once", "ada") == "(other)"


def test_what_others_showed_counts_for_the_day_that_ended_only() -> None:
    names = Names().by("Cart", 1)
    names.names.showed_elsewhere(START_MS // DAY_MS - 1, {"Cart": 4})
    names.names.begin(START_MS + DAY_MS, MOST)
    fill(names.at(1, minutes=1), accounts=50)
    assert names.show("Cart", "ada") == "(other)"


def test_a_partition_tells_the_others_what_it_showed_on_two_days() -> None:
    names = Names().by("Home", 7).by("Cart", 2).at(1).by("Search", 3)
    remembered = msgspec.json.decode(names.stored, type=Remembered)
    assert remembered.day_before == START_MS // DAY_MS
    assert remembered.shown_before == {"Home": 5, "Cart": 2}
    assert remembered.shown_by.keys() == {"Search"}


def test_of_a_name_five_users_are_remembered_after_a_restart_too() -> None:
    names = Names().by("Home", 5).restarted()
    names.show("Home", "ada")
    assert len(msgspec.json.decode(names.stored, type=Remembered).shown_by["Home"]) == 5


def test_a_name_is_not_known_before_its_day_is_over() -> None:
    names = Names().by("Home", 9).at(0, minutes=1)
    fill(names, accounts=50)
    assert names.show("Home", "ada") == "(other)"


def test_ids_in_names_do_not_push_out_known_names() -> None:
    names = Names().by("Home", 5).at(1)
    for number in range(2 * MOST):
        names.show(f"/product/{number}", f"user-{number}")
    assert names.show(f"/product/{2 * MOST}", "ada") == "(other)"
    assert names.show("Home", "ada") == "Home"


def test_a_known_name_stays_known_after_days_on_which_nobody_showed_it() -> None:
    names = Names().by("Home", 5).at(1).by("Cart", 5).at(9)
    fill(names, accounts=50)
    assert names.show("Home", "ada") == "Home"
    assert names.show("Cart", "ada") == "Cart"


def test_known_names_leave_a_quarter_of_the_places_to_new_ones() -> None:
    names = Names(most=8)
    for minute in range(3):
        names.at(0, minute)
        for number in range(8):
            names.by(f"screen-{minute}-{number}", 5)
    names.at(1)
    counted = [names.show(f"screen-{m}-{n}", f"u-{m}-{n}") for m in range(3) for n in range(8)]
    assert sum(name != "(other)" for name in counted) == 8
    assert counted[:6] == [f"screen-0-{number}" for number in range(6)]
    names.at(1, minutes=1)
    assert names.show("brand new", "ada") == "brand new"


def test_known_names_that_are_shown_again_go_before_those_of_one_day_of_an_attack() -> None:
    names = Names(most=8).by("Home", 5).at(1)
    for minute in range(4):
        names.at(1, minute)
        for number in range(7):
            names.by(f"junk-{minute}-{number}", 5)
    names.by("Home", 5).at(2)
    assert names.show("Home", "ada") == "Home"
    fill(names, accounts=50)
    assert names.show("Home", "ada") == "Home"


def test_what_gathers_users_in_a_day_is_bounded_and_forgotten_with_the_day() -> None:
    names = Names(most=10)
    for minute in range(100):
        names.at(0, minute)
        fill(names, accounts=3)
    remembered = msgspec.json.decode(names.stored, type=Remembered)
    assert len(remembered.shown_by) == 40
    names.at(1).show("Home", "ada")
    remembered = msgspec.json.decode(names.stored, type=Remembered)
    assert list(remembered.shown_by) == ["Home"]


def test_ids_that_came_first_on_a_day_do_not_keep_screens_from_becoming_known() -> None:
    names = Names()
    for minute in range(60):
        names.at(0, minute)
        for number in range(MOST):
            names.show(f"/product/{minute}-{number}", f"user-{minute}-{number}")
            if minute > 10 and number == 100:
                names.show("Checkout", f"user-{minute}")
    names.at(1)
    for number in range(MOST):
        names.show(f"/product/{number}", f"user-{number}")
    assert names.show("Checkout", "ada") == "Checkout"


def test_names_that_two_users_showed_give_their_place_to_nobody() -> None:
    names = Names(most=5)
    for minute in range(9):
        names.at(0, minute)
        for number in range(5):
            names.by(f"screen-{minute}-{number}", 2)
    remembered = msgspec.json.decode(names.stored, type=Remembered)
    assert list(remembered.shown_by) == [f"screen-{m}-{n}" for m in range(4) for n in range(5)]


def test_a_processor_that_starts_anew_goes_on_as_if_it_had_not() -> None:
    one, other = Names(), Names()
    for day in range(3):
        for minute in range(3):
            one.at(day, minute)
            other.at(day, minute).restarted()
            for number in range(40):
                for user in ("ada", "bob", f"user-{number % 7}"):
                    screen = f"screen-{(number * 7 + minute) % 45}"
                    assert one.show(screen, user) == other.show(screen, user)
                other.restarted()
    assert one.new == other.new
    assert one.stored == other.stored


def test_log_time_that_steps_back_over_midnight_begins_no_day() -> None:
    names = Names().by("Home", 5).at(1).by("Cart", 5)
    names.at(0, minutes=1439)
    fill(names, accounts=50)
    assert names.show("Home", "ada") == "Home"
    names.at(1, minutes=1).by("Cart", 5).at(2)
    fill(names, accounts=50)
    assert names.show("Cart", "ada") == "Cart"


def test_a_batch_gives_what_is_remembered_to_be_stored() -> None:
    story = Story().beat("a", "Home").beat("a", "Cart")
    remembered = msgspec.json.decode(story.processor.remembered, type=Remembered)
    assert remembered.shown_by.keys() == {"Home", "Cart"}
