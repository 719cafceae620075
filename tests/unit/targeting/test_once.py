"""Who is told by a live audience: once in a window, whatever comes again."""

from __future__ import annotations

from processor.notify.once import Telling, tellings
from processor.notify.pace import Pace

HOUR = 3_600_000


def due(user: str, minute: int) -> Telling:
    return Telling(user, f"{user}-{minute}", minute * 60_000)


def told_of(*before: Telling) -> dict[str, list[Telling]]:
    found: dict[str, list[Telling]] = {}
    for each in before:
        found.setdefault(each.user_id, []).append(each)
    return found


def test_a_user_is_told_once_in_a_window_and_again_when_it_is_over() -> None:
    all_due = [due("ada", 0), due("ada", 30), due("bob", 30), due("ada", 59), due("ada", 60)]
    wanted = tellings(all_due, {}, HOUR)
    assert wanted == [due("ada", 0), due("bob", 30), due("ada", 60)]


def test_who_was_told_before_is_not_told_until_the_window_is_over() -> None:
    told = told_of(due("ada", 0))
    assert tellings([due("ada", 59), due("bob", 59)], told, HOUR) == [due("bob", 59)]
    assert tellings([due("ada", 60)], told, HOUR) == [due("ada", 60)]


def test_the_same_timer_is_told_again_and_not_one_before_what_was_told() -> None:
    told = told_of(due("ada", 30))
    assert tellings([due("ada", 30)], told, HOUR) == [due("ada", 30)]
    # A replay comes to what was long ago.
    assert tellings([due("ada", 10)], told, HOUR) == []
    assert tellings([due("ada", 10)], told_of(due("ada", 70)), HOUR) == [due("ada", 10)]


def test_turns_are_evenly_apart_and_none_is_saved_up() -> None:
    pace = Pace(4)
    assert [pace.take(10.0) for _ in range(3)] == [0.0, 0.25, 0.5]
    assert pace.take(20.0) == 0.0
    assert pace.take(20.0) == 0.25
