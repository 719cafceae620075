"""Users by screen as they are stored: few rows, each right, and all together who is there."""

from __future__ import annotations

from collections import Counter

from processor.core.live_screens import LiveRows
from processor.core.model import User
from processor.core.tally import Tally
from tests.unit.processor.presence_story import START_MS


def on(screen: str | None, user_id: str = "a") -> User:
    return User(user_id, "foreground", "started", START_MS, screen=screen)


def tally_of(*screens: str | None, places: int = 2) -> Tally:
    tally = Tally(places)
    for screen in screens:
        tally.count(on(screen), 1)
    return tally


def test_a_batch_writes_only_what_changed_and_0_for_what_goes() -> None:
    tally = tally_of("Home", "Home", "Cart")
    assert tally.live.take() == LiveRows((("Cart", 1), ("Home", 2)))
    assert tally.live.take() == LiveRows()
    tally.count(on("Cart"), -1)
    tally.count(on(None), 1)
    assert tally.live.take() == LiveRows((("(none)", 1), ("Cart", 0)))


def test_names_beyond_the_places_are_other_and_so_is_one_of_ours() -> None:
    tally = tally_of("Home", "Cart", "/product/1", "/product/2", "(none)", "(end)", None)
    assert tally.live.rows() == {"Home": 1, "Cart": 1, "(other)": 4, "(none)": 1}


def test_a_place_that_is_free_goes_to_the_next_who_comes_with_all_who_are_there() -> None:
    tally = tally_of("Home", "Cart", "Help", "Help")
    tally.count(on("Cart"), -1)
    assert tally.live.rows() == {"Home": 1, "(other)": 2}
    tally.count(on("Help"), 1)
    assert tally.live.rows() == {"Home": 1, "Help": 3}
    tally.count(on("Help"), -1)
    assert tally.live.rows() == {"Home": 1, "Help": 2}


def test_who_goes_from_one_screen_without_a_place_to_another_stays_one_of_the_others() -> None:
    tally = tally_of("Home", "Cart", "/1")
    tally.moved("/1", "/2")
    assert tally.live.rows() == {"Home": 1, "Cart": 1, "(other)": 1}
    tally.moved("Home", "Cart")
    assert tally.live.rows() == {"Cart": 2, "(other)": 1}


def test_who_leaves_a_screen_without_a_place_gives_it_none() -> None:
    tally = tally_of("Home", "Cart", "Help", "Help")
    tally.count(on("Home"), -1)
    tally.count(on("Help"), -1)
    assert tally.live.rows() == {"Cart": 1, "(other)": 1}


def test_at_a_minute_those_with_most_users_have_the_places() -> None:
    tally = tally_of("/1", "/2", "Home", "Home", "Home")
    tally.live.take()
    tally.live.choose(["Home", "/1", "(other)"])
    assert tally.live.take() == LiveRows((("(other)", 1), ("/2", 0), ("Home", 3)))
    tally.live.choose(["(other)", "/1", "Home"])
    assert tally.live.take() == LiveRows()


def test_rows_that_are_right_are_gone_on_from() -> None:
    tally = tally_of("A", "B", "C", "C", None)
    assert tally.live.restore({"A": 1, "B": 1, "(other)": 2, "(none)": 1})
    assert tally.live.take() == LiveRows()
    tally.count(on("C"), 1)
    assert tally.live.take() == LiveRows((("(other)", 3),))


def test_rows_that_are_wrong_are_written_anew() -> None:
    for wrong in ({"A": 2, "(other)": 1}, {"A": 1, "C": 2, "Gone": 1}, {}, {"(other)": 4}):
        tally = tally_of("A", "C", "C")
        assert not tally.live.restore(wrong), wrong
        taken = tally.live.take()
        assert taken.is_anew
        kept = dict(taken.rows)
        assert kept == tally.live.rows()
        assert sum(kept.values()) == 3
        assert tally.live.take() == LiveRows()


def test_where_another_release_went_on_rows_are_written_anew_and_nothing_was_wrong() -> None:
    tally = tally_of("A", "B", "B", "C", "C")
    assert tally.live.restore(None)
    assert tally.live.take() == LiveRows((("(other)", 1), ("B", 2), ("C", 2)), is_anew=True)


def test_a_policy_with_fewer_places_keeps_the_screens_with_most_users() -> None:
    tally = tally_of("A", "B", "B", places=1)
    assert tally.live.restore({"A": 1, "B": 2})
    assert tally.live.take() == LiveRows((("(other)", 1), ("B", 2)), is_anew=True)


def test_no_order_of_coming_and_going_loses_anybody() -> None:
    tally, here = tally_of(places=3), Counter[str | None]()
    stored: dict[str, int] = {}
    for step in range(4_000):
        screen = ("Home", "Cart", None, "(other)", f"/{step * 7 % 11}")[step * step % 5]
        if step % 3 and here[screen]:
            here[screen] -= 1
            tally.count(on(screen), -1)
        else:
            here[screen] += 1
            tally.count(on(screen), 1)
        if not step % 97:
            most = [name for name, _ in here.most_common() if name not in (None, "(other)")]
            tally.live.choose([name for name in most[:3] if name is not None])
        if not step % 5:
            stored |= tally.live.take().rows
            rows = {name: users for name, users in stored.items() if users}
            assert rows == tally.live.rows()
            assert sum(rows.values()) == here.total()
            named = rows.keys() - {"(none)", "(other)"}
            assert len(named) <= 3
            assert all(rows[name] == here[name] for name in named)
