"""When an alert fires, repeats and recovers: by cases, and against an oracle."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.alerts.evaluate import Notice, Series, State, instants_of, look, run
from schemas.alerts.rule import DAY, PEAK_RULE, parse_rule

START = 20_000 * DAY


def rule(**said: Any) -> Any:
    usual = {"name": "Few", "of": "online", "is": "below", "value": 10, "for_minutes": 2}
    return parse_rule({**usual, **said})


def minutes(values: Sequence[float | None], start: int = START) -> dict[int, float]:
    """One a minute; ``None``: there is none."""
    return {start + n * 60: v for n, v in enumerate(values, 1) if v is not None}


def told(
    wanted: Any, values: Sequence[float | None], *, outages: Any = (), **state: Any
) -> list[tuple[str, int]]:
    """Kinds and minutes of what is told."""
    series = Series(minutes(values), outages, 0)
    points = [START + n * 60 for n in range(1, len(values) + 1)]
    _, notices, _ = run(wanted, State(START, **state), points, series)
    return [(each.kind, (each.at - START) // 60) for each in notices]


def test_it_fires_after_its_minutes_and_recovers_after_as_many() -> None:
    assert told(rule(), [5, 20, 5, 5, 5, 20, 5, 20, 20]) == [("fired", 4), ("recovered", 9)]
    assert told(rule(recovery=False), [5, 5, 20, 20, 5, 5]) == [("fired", 2), ("fired", 6)]


def test_the_number_itself_is_neither_above_nor_below() -> None:
    assert told(rule(), [10, 10, 10]) == []
    assert told(rule(**{"is": "above"}), [10, 10, 10]) == []


def test_it_repeats_while_the_condition_holds() -> None:
    values = [5] * 9 + [20] + [5] * 3
    wanted = [("fired", 2), ("repeated", 7), ("repeated", 12)]
    assert told(rule(repeat_minutes=5), values) == wanted


def test_an_outage_is_a_gap_and_no_drop() -> None:
    values = [20.0, 0.0, 0.0, 0.0, 20.0]
    assert told(rule(), values) == [("fired", 3)]
    assert told(rule(), values, outages=[(START + 100, START + 300)]) == []
    assert told(rule(), [5, None, 5, None, 5]) == []
    # It goes on firing, and what was measured before does not count.
    assert told(rule(), [5, 5, 20, None, 20, 20]) == [("fired", 2), ("recovered", 6)]


def test_a_reference_in_an_outage_is_a_gap_too() -> None:
    points = {**minutes([5, 5]), **minutes([10, 10], START - DAY)}
    outage = (START - DAY, START - DAY + 3_600)
    for outages, wanted in (([], 1), ([outage], 0)):
        series = Series(points, outages, 0)
        found = run(
            rule(than="yesterday", value=20), State(START), [START + 60, START + 120], series
        )
        assert len(found[1]) == wanted


@pytest.mark.parametrize(
    ("said", "value", "fires"),
    [
        ({"than": "yesterday", "value": 20, "is": "below"}, 79, True),
        ({"than": "yesterday", "value": 20, "is": "below"}, 80, False),
        ({"than": "yesterday", "value": 20, "is": "above"}, 121, True),
        ({"than": "yesterday", "value": 20, "is": "above"}, 120, False),
        ({"than": "last_week", "value": 0, "is": "below"}, 99, False),
        ({"than": "last_week", "value": 0, "is": "above"}, 51, True),
    ],
)
def test_it_is_held_against_the_day_or_the_week_before(
    said: dict[str, Any], value: float, fires: bool
) -> None:
    now = START + 60
    series = Series({now: value, now - DAY: 100.0, now - 7 * DAY: 50.0}, [], 0)
    state, _ = look(rule(for_minutes=1, **said), State(START), now, series)
    assert (state.firing_since == now) is fires


def test_a_band_is_as_wide_as_its_hour_varies() -> None:
    wanted = rule(than="band", value=2, days=3, for_minutes=1)
    now = START + 60
    before = dict(zip(instants_of(wanted, now)[1:], [80, 100, 120, 100] * 3, strict=True))
    low = 100 - 2 * statistics.pstdev([80, 100, 120, 100])
    for value, fires in ((low - 0.1, True), (low + 0.1, False)):
        state, _ = look(wanted, State(START), now, Series({**before, now: value}, [], 0))
        assert (state.firing_since == now) is fires
    # What never varies has the spread of chance; of half of it nothing is known.
    even = dict.fromkeys(before, 100.0)
    state, _ = look(wanted, State(START), now, Series({**even, now: 81}, [], 0))
    assert state.firing_since is None
    few = dict(list(even.items())[:5])
    state, _ = look(wanted, State(START), now, Series({**few, now: 0}, [], 0))
    assert state.firing_since is None


def test_a_peak_is_told_once_as_it_climbs() -> None:
    values = [90, 101, 102, 103] + [100] * 60 + [103, 104]
    peak = {"peak": 100.0, "history_since": START - 2 * DAY}
    assert told(parse_rule(dict(PEAK_RULE)), values, **peak) == [("fired", 2), ("fired", 66)]
    young = {"peak": 100.0, "history_since": START - DAY + 7_200}
    assert told(parse_rule(dict(PEAK_RULE)), values, **young) == []


def test_what_happens_in_quiet_hours_is_told_after_them_if_it_lasts() -> None:
    hours = {"from": "00:02", "to": "00:06"}
    assert told(rule(quiet_hours=hours), [20, 5, 5, 5, 5, 5, 5]) == [("fired", 6)]
    assert told(rule(quiet_hours=hours), [20, 5, 5, 20, 20, 20, 20]) == []
    assert told(rule(quiet_hours={"from": "00:03", "to": "00:06"}), [5, 5, 20, 20, 20, 20]) == [
        ("fired", 2),
        ("recovered", 6),
    ]


def oracle(
    values: Sequence[float | None], held: int, repeat: int | None, quiet: Sequence[bool]
) -> list[tuple[str, int]]:
    """The policy read backwards at each minute: no counters, no state but what was told."""

    def all_of(end: int, truth: bool) -> bool:
        part = values[max(0, end - held + 1) : end + 1]
        return len(part) == held and all(v is not None and (v < 10) is truth for v in part)

    fires = False
    notices: list[tuple[str, int]] = []
    last = 0
    for n, value in enumerate(values):
        fires = (fires or all_of(n, True)) and not (fires and all_of(n, False))
        told_to_fire = bool(notices) and notices[-1][0] != "recovered"
        if value is None or quiet[n]:
            continue
        if fires and not told_to_fire:
            notices.append(("fired", n + 1))
            last = n
        elif told_to_fire and not fires:
            notices.append(("recovered", n + 1))
        elif fires and value < 10 and repeat is not None and n - last >= repeat:
            notices.append(("repeated", n + 1))
            last = n
    return notices


@given(
    values=st.lists(st.sampled_from([5.0, 5.0, 20.0, None]), max_size=60),
    held=st.integers(1, 4),
    repeat=st.sampled_from([None, 5, 7]),
    quiet=st.tuples(st.integers(0, 59), st.integers(0, 59)).filter(lambda pair: pair[0] < pair[1]),
)
def test_it_tells_what_the_oracle_tells(
    values: list[float | None], held: int, repeat: int | None, quiet: tuple[int, int]
) -> None:
    hours = {"from": f"00:{quiet[0]:02}", "to": f"00:{quiet[1]:02}"}
    wanted = rule(for_minutes=held, repeat_minutes=repeat, quiet_hours=hours)
    is_quiet = [quiet[0] <= n + 1 < quiet[1] for n in range(len(values))]
    assert told(wanted, values) == oracle(values, held, repeat, is_quiet)


@given(
    values=st.lists(st.sampled_from([5.0, 20.0, None]), min_size=1, max_size=40),
    cut=st.integers(0, 40),
)
def test_it_goes_on_from_its_state_wherever_it_was_cut(
    values: list[float | None], cut: int
) -> None:
    wanted, series = rule(repeat_minutes=5), Series(minutes(values), [], 0)
    points = [START + n * 60 for n in range(1, len(values) + 1)]
    whole: list[Notice] = run(wanted, State(START), points, series)[1]
    state, first, _ = run(wanted, State(START), points[:cut], series)
    assert first + run(wanted, state, points[cut:], series)[1] == whole
    assert all(math.isfinite(each.limit) for each in whole)
