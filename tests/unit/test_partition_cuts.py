"""However a log is cut into batches, and whoever goes on from what is stored, the answer is the
same (promises 2 and 4)."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from processor.model import Policy
from tests.unit.presence_logs import EXAMPLES, Processor, Written, logs, policies

#: After each record: go on, store, or store and begin again from what is stored.
cuts = st.lists(st.sampled_from("-|!"), min_size=25, max_size=25)


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
        "stored": processor.stored(),
        "changes": processor.changes,
        "counts": processor.counts,
        "outages": processor.outages,
        "rejected": processor.rejected,
        "verdicts": sorted(processor.verdicts),
        "stands": (processor.next_offset, processor.log_time_ms, processor.graces),
    }


@EXAMPLES
@given(logs, policies, cuts)
def test_batches_may_be_cut_anywhere(log: list[Written], policy: Policy, cut: list[str]) -> None:
    assert everything(run(log, policy, cut)) == everything(run(log, policy, ["-"] * 25))


@EXAMPLES
@given(logs, policies, cuts)
def test_rows_differ_at_most_in_deadlines_that_grace_moves(
    log: list[Written], policy: Policy, cut: list[str]
) -> None:
    """A row that nobody touched since an outage holds the deadline from before it: its grace is
    stored once, with the partition, and applied on reading."""

    def rows(processor: Processor) -> dict[str, dict[str, Any]]:
        return {
            user_id: {name: row[name] for name in row if name not in ("expires_ms", "devices")}
            for user_id, row in processor.rows.items()
        }

    assert rows(run(log, policy, cut)) == rows(run(log, policy, ["-"] * 25))


@EXAMPLES
@given(logs, policies)
def test_a_replay_gives_the_same_rows(log: list[Written], policy: Policy) -> None:
    once, again = run(log, policy, ["|"] * 25), run(log, policy, ["!"] * 25)
    assert everything(once) == everything(again)
