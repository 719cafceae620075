"""Where a run of the audit reads on after the one before."""

from __future__ import annotations

from deploy.audit.run import goes_on_at


def test_it_reads_on_where_the_run_before_ended() -> None:
    assert goes_on_at(40, 0, {}) == 40
    assert goes_on_at(40, 40, {}) == 40


def test_records_that_were_processed_and_are_gone_make_it_begin_anew() -> None:
    assert goes_on_at(40, 41, {}) is None
    # It had read up to 40, and what was lost begins at 45.
    assert goes_on_at(40, 50, {50: 5}) is None


def test_records_that_were_accepted_as_lost_do_not_because_nobody_processed_them() -> None:
    assert goes_on_at(40, 50, {50: 10}) == 50
    assert goes_on_at(40, 58, {50: 10, 58: 8}) == 58
    # More was deleted since, which was processed.
    assert goes_on_at(40, 60, {50: 10}) is None
