"""When a server that is away is asked again."""

from __future__ import annotations

from schemas.tokens.circuit_breaker import PAUSE_SECONDS, TRIP, Circuit


def opened() -> Circuit:
    """A circuit that opened at 100 s."""
    circuit = Circuit()
    for _ in range(TRIP):
        assert circuit.allows(100.0)
        circuit.failed(100.0)
    return circuit


def test_a_few_failures_keep_nobody_away() -> None:
    circuit = Circuit()
    for _ in range(10):
        for _ in range(TRIP - 1):
            circuit.failed(100.0)
        assert circuit.allows(100.0)
        circuit.succeeded()
    assert not circuit.is_open


def test_failures_in_a_row_open_it_for_a_pause() -> None:
    circuit = opened()
    assert circuit.is_open
    assert not circuit.allows(100.0)
    assert not circuit.allows(100.0 + PAUSE_SECONDS - 0.001)


def test_after_a_pause_one_request_finds_out() -> None:
    circuit = opened()
    assert circuit.allows(100.0 + PAUSE_SECONDS)
    assert not circuit.allows(100.0 + PAUSE_SECONDS)
    circuit.failed(100.0 + PAUSE_SECONDS)
    assert not circuit.allows(100.0 + 2 * PAUSE_SECONDS - 0.001)
    assert circuit.allows(100.0 + 2 * PAUSE_SECONDS)


def test_a_request_that_never_reports_back_does_not_keep_it_open_for_ever() -> None:
    circuit = opened()
    assert circuit.allows(200.0)
    assert circuit.allows(200.0 + PAUSE_SECONDS)


def test_a_success_closes_it() -> None:
    circuit = opened()
    circuit.succeeded()
    assert not circuit.is_open
    assert all(circuit.allows(100.0) for _ in range(100))
