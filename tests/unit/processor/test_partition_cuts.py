"""However a log is cut into batches, and whoever goes on from what is stored, the answer is the
same (promises 2 and 4)."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from processor.core.model import Policy
from schemas.log.events import BadEvent, Event, PrivacyEvent, decode_batch, encode_batch
from tests.unit.processor.presence_logs import (
    EXAMPLES,
    LONGEST,
    Processor,
    Written,
    ahead,
    day_logs,
    day_policies,
    logs,
    losses,
    policies,
    privacy_events,
    steps_back,
    with_losses,
    with_privacy,
    with_steps_back,
)

#: After each record: go on, store, or store and begin again from what is stored.
cuts = st.lists(st.sampled_from("-|!"), min_size=LONGEST, max_size=LONGEST)
#: Of which record, which event gets a NUL, into which of its texts.
nuls = st.dictionaries(
    st.tuples(st.integers(0, LONGEST - 1), st.integers(0, 3)),
    st.sampled_from(
        [
            *("user", "token", "name", "device_id", "claimed_device", "device_info", "platform"),
            *("app_version", "screen", "app_state", "connection"),
        ]
    ),
    min_size=1,
)


def run(log: list[Written], policy: Policy, cut: list[str]) -> Processor:
    processor = Processor(policy)
    batch: list[Written] = []
    for record, after in zip(log, cut, strict=False):
        batch.append(record)
        if after != "-":
            processor.batch(batch)
            batch = []
        if after == "!":
            processor.restart()
    processor.batch(batch)
    return processor


def everything(processor: Processor) -> dict[str, Any]:
    return {
        "stored": {name: settled(row, processor) for name, row in processor.stored().items()},
        "changes": processor.changes,
        "last changes": processor.last_changes,
        "flags": processor.flags,
        "erased": processor.erased,
        "counts": processor.counts,
        "live screens": processor.live_screens,
        "outages": processor.outages,
        "rejected": processor.rejected,
        "verdicts": sorted(processor.verdicts),
        "analytics": (
            processor.effects.spans,
            processor.effects.sessions,
            processor.effects.windows,
            processor.effects.samples,
            processor.effects.user_days,
        ),
        "stands": (
            processor.next_offset,
            processor.log_time_ms,
            processor.graces,
            processor.silence,
            processor.steps,
        ),
    }


def settled(row: dict[str, Any], processor: Processor) -> dict[str, Any]:
    """The row without HTTP deadlines that have passed."""
    now = processor.log_time_ms or 0

    def unless_passed(found: re.Match[str]) -> str:
        return f'"http_expires_ms":{ahead(int(found[1]), now)}'

    return {
        name: re.sub(r'"http_expires_ms":(\d+)', unless_passed, value)
        if value is not None and name in ("devices", "sockets")
        else value
        for name, value in row.items()
    }


def without_deadlines(processor: Processor) -> dict[str, dict[str, Any]]:
    """The rows as they lie there. Deadlines are left out: a row that nobody touched since an
    outage holds the one from before it, as its grace is stored once, with the partition."""
    return {
        user_id: {
            name: re.sub(r'"\w*expires_ms":\d+', "", value)
            if value is not None and name in ("devices", "sockets")
            else value
            for name, value in row.items()
            if name != "expires_ms"
        }
        for user_id, row in processor.rows.items()
    }


@EXAMPLES
@given(logs, policies, steps_back, privacy_events, cuts)
def test_however_a_log_is_cut_opt_outs_and_erasures_leave_the_same(
    log: list[Written],
    policy: Policy,
    steps: dict[int, int],
    events: dict[int, PrivacyEvent],
    cut: list[str],
) -> None:
    log = with_privacy(with_steps_back(log, steps), events)
    assert everything(run(log, policy, cut)) == everything(run(log, policy, ["|"] * LONGEST))


@EXAMPLES
@given(logs, policies, cuts)
def test_batches_may_be_cut_anywhere(log: list[Written], policy: Policy, cut: list[str]) -> None:
    cut_up, whole = run(log, policy, cut), run(log, policy, ["-"] * LONGEST)
    assert everything(cut_up) == everything(whole)
    assert without_deadlines(cut_up) == without_deadlines(whole)


def with_nuls(log: list[Written], nuls: dict[tuple[int, int], str]) -> list[list[Written]]:
    """The log with NULs, as it is read back from another writer than ingest, and without what has
    one."""
    read: list[Written] = []
    rest: list[Written] = []
    for offset, record in enumerate(log):
        if record.events is None:
            read.append(record)
            rest.append(record)
            continue
        both: list[tuple[Event | BadEvent, Event | BadEvent]] = []
        for index, event in enumerate(record.events):
            field = nuls.get((offset, index), "")
            if isinstance(event, BadEvent) or not hasattr(event, field):
                both.append((event, event))
            else:
                text = getattr(event, field) or ""
                nul = msgspec.structs.replace(event, **{field: f"{text[:1]}\0{text[1:]}"})
                both.append((decode_batch(encode_batch([nul]))[0], BadEvent("NUL", b"")))
        read.append(replace(record, events=tuple(one for one, _ in both)))
        rest.append(replace(record, events=tuple(other for _, other in both)))
    return [read, rest]


@EXAMPLES
@given(logs, policies, cuts, nuls)
def test_an_event_with_a_nul_never_counts(
    log: list[Written], policy: Policy, cut: list[str], nuls: dict[tuple[int, int], str]
) -> None:
    """PostgreSQL cannot hold one, but is shown only what the last event of a batch left of it."""
    read, rest = with_nuls(log, nuls)
    assert everything(run(read, policy, cut)) == everything(run(rest, policy, cut))


@EXAMPLES
@given(logs, policies, cuts, losses)
def test_batches_may_be_cut_anywhere_beside_lost_records(
    log: list[Written], policy: Policy, cut: list[str], lost: dict[int, int]
) -> None:
    log = with_losses(log, lost)
    cut_up, whole = run(log, policy, cut), run(log, policy, ["-"] * LONGEST)
    assert everything(cut_up) == everything(whole)


@EXAMPLES
@given(logs, policies, cuts, steps_back)
def test_batches_may_be_cut_anywhere_around_a_step_back(
    log: list[Written], policy: Policy, cut: list[str], steps: dict[int, int]
) -> None:
    log = with_steps_back(log, steps)
    cut_up, whole = run(log, policy, cut), run(log, policy, ["-"] * LONGEST)
    assert everything(cut_up) == everything(whole)
    assert without_deadlines(cut_up) == without_deadlines(whole)
    assert run(log, policy, ["!"] * LONGEST).rows == run(log, policy, ["|"] * LONGEST).rows


@EXAMPLES
@given(day_logs, day_policies, cuts)
def test_batches_may_be_days_apart(log: list[Written], policy: Policy, cut: list[str]) -> None:
    cut_up, again = run(log, policy, cut), run(log, policy, ["!"] * LONGEST)
    assert everything(cut_up) == everything(again)
    assert without_deadlines(cut_up) == without_deadlines(again)


@EXAMPLES
@given(logs, policies)
def test_a_replay_gives_the_same_rows(log: list[Written], policy: Policy) -> None:
    once, again = run(log, policy, ["|"] * LONGEST), run(log, policy, ["!"] * LONGEST)
    assert everything(once) == everything(again)
