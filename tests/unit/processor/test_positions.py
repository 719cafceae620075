"""Positions over the topics of a database."""

from __future__ import annotations

from processor.core.log.positions import SPACING, next_base, positions


def test_a_later_topic_is_above_all_that_was_seen_and_shows_its_offsets() -> None:
    assert next_base(0) == SPACING
    assert next_base(SPACING - 1) == SPACING
    assert next_base(SPACING) == 2 * SPACING
    assert next_base(3 * SPACING + 41) == 4 * SPACING
    assert positions({0: 7, 3: 0}, 2 * SPACING) == {0: 2_000_000_000_007, 3: 2_000_000_000_000}
    # Exact as numbers of JSON for as many topics as there will be.
    assert 9_000 * SPACING < 2**53
