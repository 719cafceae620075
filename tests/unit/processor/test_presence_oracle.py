"""The processor and the oracle say the same of any log (promise 4)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from processor.core.model import Policy
from schemas.log.events import PrivacyEvent
from tests.unit.processor.presence_logs import (
    EXAMPLES,
    LONGEST,
    Processor,
    Written,
    agree,
    logs,
    losses,
    lost_sockets_logs,
    lost_sockets_policies,
    oracle_of,
    policies,
    privacy_events,
    stated,
    steps_back,
    timer_logs,
    timer_policies,
    with_losses,
    with_privacy,
    with_steps_back,
)


@EXAMPLES
@given(logs, policies)
def test_the_processor_and_the_oracle_agree(log: list[Written], policy: Policy) -> None:
    processor = Processor(policy)
    processor.batch(log)
    agree(processor, oracle_of(log, policy))


@EXAMPLES
@given(logs, policies, losses)
def test_they_agree_where_records_were_accepted_as_lost(
    log: list[Written], policy: Policy, lost: dict[int, int]
) -> None:
    log = with_losses(log, lost)
    processor = Processor(policy)
    processor.batch(log)
    agree(processor, oracle_of(log, policy))


@EXAMPLES
@given(logs, policies, steps_back)
def test_they_agree_where_the_brokers_clock_steps_back(
    log: list[Written], policy: Policy, steps: dict[int, int]
) -> None:
    log = with_steps_back(log, steps)
    processor = Processor(policy)
    processor.batch(log)
    agree(processor, oracle_of(log, policy))


@EXAMPLES
@given(lost_sockets_logs, lost_sockets_policies, st.integers(0, LONGEST))
def test_they_agree_about_sockets_that_are_lost_around_an_outage(
    log: list[Written], policy: Policy, restarted: int
) -> None:
    processor = Processor(policy)
    processor.batch(log[:restarted])
    processor.restart()
    processor.batch(log[restarted:])
    agree(processor, oracle_of(log, policy))


@EXAMPLES
@given(logs, policies, steps_back, privacy_events)
def test_they_agree_about_users_who_opt_out_come_back_and_are_erased(
    log: list[Written],
    policy: Policy,
    steps: dict[int, int],
    events: dict[int, PrivacyEvent],
) -> None:
    for each in (log, with_steps_back(log, steps)):
        private = with_privacy(each, events)
        processor = Processor(policy)
        processor.batch(private)
        agree(processor, oracle_of(private, policy))


@EXAMPLES
@given(timer_logs, timer_policies, steps_back)
def test_they_agree_about_timers_that_run_on_in_the_background(
    log: list[Written], policy: Policy, steps: dict[int, int]
) -> None:
    for each in (log, with_steps_back(log, steps)):
        processor = Processor(policy)
        processor.batch(each)
        agree(processor, oracle_of(each, policy))


@EXAMPLES
@given(logs, policies, policies, st.integers(0, LONGEST))
def test_they_agree_when_another_policy_is_adopted(
    log: list[Written], first: Policy, second: Policy, adopted: int
) -> None:
    processor = Processor(first)
    processor.batch(log[:adopted])
    processor.restart(second)
    processor.batch(log[adopted:])
    oracle = oracle_of(log[:adopted], first)
    oracle.policy = stated(second)
    for offset, record in enumerate(log[adopted:], start=len(log[:adopted])):
        oracle.record(offset, record.timestamp, record.events, sorted(record.refused))
    agree(processor, oracle)
