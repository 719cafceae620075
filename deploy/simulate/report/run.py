"""A simulation that is watched, and the files and the tables that it comes to."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from deploy.simulate.behaviour import STATES, Action, Kind, State
from deploy.simulate.fleet import CannotSimulateError, Simulation, simulate
from deploy.simulate.people import Phone, phones
from deploy.simulate.report.counts import Counts
from deploy.simulate.report.ledger import Leaving, Ledger
from deploy.simulate.report.page import page
from deploy.simulate.report.recount import LogWindow, missing
from deploy.simulate.report.result import Acknowledged, Report, Run, made
from deploy.simulate.report.watch import NotSeenError, Watch
from deploy.simulate.tally import Tally
from deploy.tokens import make_token
from schemas.log.settings import KafkaSettings

READER: Final = "simulate-report"
#: What is acknowledged is in the log; what came with it may be looked for a moment later.
_SETTLED_SECONDS: Final = 1.0
_TOKEN_SECONDS: Final = 30 * 86_400.0


@dataclass(frozen=True, slots=True)
class Reporting:
    """``kafka``: where to count again what was acknowledged; ``None``: it is not."""

    directory: Path
    poll_seconds: float
    kafka: KafkaSettings | None


async def simulate_and_report(
    simulation: Simulation, reporting: Reporting, say: Callable[[str], None]
) -> Report:
    """Let the fleet live, watch what is shown of it, and write ``report.json`` and ``report.html``.

    Raises :class:`deploy.simulate.fleet.CannotSimulateError`, and ``OSError`` of the directory.
    """
    reporting.directory.mkdir(parents=True, exist_ok=True)
    prefix = f"sim-{simulation.seed}-"
    ledger, counts, tally = Ledger(0.0), Counts(), Tally()
    token = make_token(
        simulation.key, user=READER, expires_seconds=_TOKEN_SECONDS, scope="presence:read"
    )
    watch = Watch(simulation.url, token, prefix, ledger, counts)
    try:
        await watch.first_look()
    except NotSeenError as error:
        raise CannotSimulateError(
            f"the report wants the list of users, and {error}: --url must be an address where "
            "phones and the API answer, and our key one that staff's tokens are signed with"
        ) from None
    log = LogWindow(reporting.kafka) if reporting.kafka is not None else None
    if log is not None:
        await log.open()
    began_at, began = datetime.now(UTC), time.monotonic()
    truth = Truth(ledger)
    watching = [
        asyncio.create_task(watch.look(reporting.poll_seconds)),
        asyncio.create_task(watch.follow()),
    ]
    try:
        await simulate(simulation, say, tally=tally, happened=truth.happened)
    finally:
        ended = time.monotonic()
        for task in watching:
            task.cancel()
        outcomes = await asyncio.gather(*watching, return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, Exception):
            raise outcome
    sums = ledger.close(ended)
    missing_count: int | None = None
    if log is not None:
        await asyncio.sleep(_SETTLED_SECONDS)
        found = await log.count(prefix)
        missing_count = missing(tally.heartbeats_of, found.heartbeats_of)
        missing_count += missing(tally.logouts_of, found.logouts_of)
    fleet = phones(simulation.users, simulation.socket_share, simulation.seed)
    report = made(
        Run(
            url=simulation.url,
            began_at=began_at.isoformat(timespec="seconds").replace("+00:00", "Z"),
            seconds=round(ended - began, 1),
            users=simulation.users,
            phones=len(fleet),
            phones_on_sockets=sum(phone.on_socket for phone in fleet),
            seed=simulation.seed,
            window_seconds=ledger.window_seconds,
            trouble={name: value for name, value in asdict(simulation.trouble).items() if value},
            other_users=watch.most_others,
        ),
        sums,
        counts,
        Acknowledged(tally.heartbeats_of.total(), tally.logouts_of.total(), missing_count),
        watch.looks(),
    )
    (reporting.directory / "report.json").write_bytes(
        msgspec.json.format(msgspec.json.encode(report), indent=1) + b"\n"
    )
    (reporting.directory / "report.html").write_text(page(report), "utf-8")
    return report


class Truth:
    """What phones do, told to the ledger before anything is sent."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._states: dict[str, State] = {}

    def happened(self, phone: Phone, action: Action) -> None:
        """A phone is about to tell of an action."""
        before = self._states.get(phone.key)
        state = STATES.get(action.kind, before)
        if state is None or (before is None and state is State.AWAY):
            return
        self._states[phone.key] = state
        self._ledger.happened(
            phone.user, phone.key, time.monotonic(), state, action.screen, _leaving(phone, action)
        )


def _leaving(phone: Phone, action: Action) -> Leaving:
    if action.kind is Kind.LOG_OUT:
        return "logged out"
    return "closed its socket" if phone.on_socket else "without a word"
