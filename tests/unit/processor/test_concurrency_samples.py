"""What a sample says of screens, whichever names they bear."""

from __future__ import annotations

from collections import Counter

from processor.core.analytics.concurrency import Sample, sample

MINUTE_MS = 60_000


def test_of_a_minute_screens_beyond_the_most_and_those_of_our_names_are_other() -> None:
    by_screen = Counter[str | None](
        {None: 2, "Home": 5, "Cart": 3, "Help": 3, "(other)": 4, "(none)": 1, "(start)": 1}
    )
    assert sample(MINUTE_MS, 19, 7, by_screen, 2) == Sample(
        MINUTE_MS, 19, 7, (("(none)", 2), ("(other)", 9), ("Cart", 3), ("Home", 5))
    )


def test_within_a_minute_it_says_how_many_are_there_alone() -> None:
    assert sample(MINUTE_MS + 10_000, 19, 7, Counter({"Home": 19}), 2) == Sample(
        MINUTE_MS + 10_000, 19, 7
    )
