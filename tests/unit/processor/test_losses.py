"""What is said of records that are lost, and of a log that was torn."""

from __future__ import annotations

import pytest

from processor.core.log.last_read import TornLogError, last_read, require_same
from processor.core.log.losses import LostRange, described, lost_ranges


def test_what_is_lost_lies_between_the_next_offset_and_the_logs_beginning() -> None:
    found = lost_ranges({2: 100, 0: 5, 1: 7}, {0: 5, 1: 3, 2: 390})
    assert found == [LostRange(2, 100, 390)]
    assert found[0].records == 290


def test_the_refusal_names_partitions_offsets_and_the_command() -> None:
    said = described("presence.events", [LostRange(3, 100, 1390), LostRange(5, 7, 8)])
    assert "partition 3: 1,290 records (100 to 1389), partition 5: 1 record (7 to 7)" in said
    assert "rollcall offsets accept-loss --partition 3 --partition 5" in said


@pytest.mark.parametrize(
    "found", [(272, 1_000, b"b"), (272, 1_001, b"a"), (272, 1_000, None)], ids=str
)
def test_a_record_with_another_time_or_value_is_another_one(
    found: tuple[int, int, bytes | None],
) -> None:
    stored = last_read(272, 1_000, b"a")
    require_same(3, stored, last_read(272, 1_000, b"a"))
    with pytest.raises(TornLogError, match=r"partition 3: at offset 272 .* restore the database"):
        require_same(3, stored, last_read(*found))
