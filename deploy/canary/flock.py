"""The canaries that run, each with a phone, a script and a judge, and the looks at them."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Final

from deploy.canary.judge import Judge
from deploy.canary.look import Look, NotSeenError
from deploy.canary.metrics import CanaryMetrics, Transport, TransportFindings
from deploy.canary.script import Pace, life
from deploy.canary.tokens import CanaryToken
from deploy.simulate.behaviour import Action
from deploy.simulate.doors import Doors
from deploy.simulate.people import App, Device, Phone
from deploy.simulate.phones import simulated
from deploy.simulate.tally import Tally
from schemas.service.distribution import rollcall_version

log = logging.getLogger("canary")

DEVICE: Final = Device("Rollcall canary", 1.0, "canary", keeps_sockets=True)
#: The same trouble of calls is logged once in so long.
_TOLD_AGAIN_SECONDS: Final = 600.0


class CountingTally(Tally):
    """Tells the metrics what came of the calls of one transport."""

    def __init__(self, metrics: CanaryMetrics, transport: Transport) -> None:
        super().__init__()
        self._calls = {
            outcome: metrics.calls.labels(transport, outcome)
            for outcome in ("accepted", "refused", "unanswered")
        }
        self._transport = transport
        self._told_at: dict[str, float] = {}

    def accept(self) -> None:
        super().accept()
        self._calls["accepted"].inc()

    def trouble(self, what: str) -> None:
        unanswered = what.startswith(("no ", "connection lost", "close None", "close 1006"))
        self._calls["unanswered" if unanswered else "refused"].inc()
        now = time.monotonic()
        if now - self._told_at.get(what, -_TOLD_AGAIN_SECONDS) >= _TOLD_AGAIN_SECONDS:
            self._told_at[what] = now
            log.warning("a canary over %s: %s", self._transport, what)


class CanaryDoors(Doors):
    """Rollcall's doors with tokens that somebody else has made."""

    def __init__(self, url: str, tally: Tally, tokens: Mapping[str, CanaryToken]) -> None:
        # A socket takes the file's token whenever it connects anew.
        super().__init__(url, "", tally, socket_token_seconds=0.0)
        self._tokens = tokens

    def token(self, phone: Phone) -> str:
        return self._tokens[phone.user].token


@dataclass(slots=True)
class Canary:
    """One that runs. ``login`` counts its tokens: a phone takes a new one with the next action."""

    judge: Judge
    transport: Transport
    task: asyncio.Task[None] | None = None
    login: int = 0


@dataclass(slots=True)
class Flock:
    """``doors`` by transport; ``tokens``, by user, are those that they give."""

    pace: Pace
    poll_seconds: float
    doors: Mapping[Transport, Doors]
    look: Look
    tokens: dict[str, CanaryToken]
    metrics: CanaryMetrics
    canaries: dict[str, Canary] = field(default_factory=dict)
    #: Why the last look told nothing; ``None`` while all is well.
    trouble: str | None = "nobody has looked yet"
    #: So many were counted as people at the last look.
    counted: int = 0

    def take(self, tokens: list[CanaryToken]) -> None:
        """Run a canary for each token, half of them on sockets; those whose token went away end,
        and whoever has another one goes on with it."""
        found = {token.user: token for token in tokens}
        for user in self.canaries.keys() - found.keys():
            self._end(user)
        for user, token in found.items():
            canary = self.canaries.get(user)
            if canary is None:
                self.tokens[user] = token
                self._begin(user)
            elif token != self.tokens[user]:
                self.tokens[user] = token
                canary.login += 1

    async def close(self) -> None:
        tasks = [canary.task for canary in self.canaries.values() if canary.task is not None]
        for user in list(self.canaries):
            self._end(user)
        await asyncio.gather(*tasks, return_exceptions=True)

    def failed(self) -> BaseException | None:
        """What ended a canary that should run."""
        for canary in self.canaries.values():
            if canary.task is not None and canary.task.done() and not canary.task.cancelled():
                return canary.task.exception()
        return None

    async def look_once(self) -> None:
        """See what is shown of all, and have it judged."""
        users, began = list(self.canaries), time.monotonic()
        try:
            seen = await self.look.at(users)
        except NotSeenError as error:
            self.metrics.looks.labels("failed").inc()
            if str(error) != self.trouble:
                log.warning("cannot see what is shown: %s", error)
            self.trouble = str(error)
            return
        self.trouble = None
        self.metrics.looks.labels("stale" if seen.is_stale else "answered").inc()
        if seen.as_of is not None:
            self.metrics.as_of_age.set(time.time() - seen.as_of)
        if seen.counted and not self.counted:
            log.error(
                "%d canaries are counted as people: their tokens lack the claim that ingest's "
                "ROLLCALL_CANARY_CLAIM names, or it is not set",
                seen.counted,
            )
        self.counted = seen.counted
        self.metrics.unmarked.set(seen.counted)
        for user, shown in seen.shown.items():
            if user in self.canaries:
                self.canaries[user].judge.shows(shown, began)

    def _begin(self, user: str) -> None:
        on_socket = [canary.transport for canary in self.canaries.values()].count("socket")
        transport: Transport = "socket" if 2 * on_socket < len(self.canaries) else "http"
        judge = Judge(
            TransportFindings(self.metrics, transport),
            self.pace,
            time.monotonic(),
            3 * self.poll_seconds,
        )
        canary = Canary(judge, transport)
        # All steps at their own time: one look, one canary.
        wait = self.pace.interval * (len(self.canaries) % 12) / 12
        canary.task = asyncio.create_task(self._live(user, canary, wait), name="canary")
        self.canaries[user] = canary
        self.metrics.devices.labels(transport).inc()

    def _end(self, user: str) -> None:
        canary = self.canaries.pop(user)
        assert canary.task is not None  # noqa: S101  (it has begun)
        canary.task.cancel()
        self.metrics.devices.labels(canary.transport).dec()

    async def _live(self, user: str, canary: Canary, wait: float) -> None:
        on_socket = canary.transport == "socket"
        timer_seconds = None if on_socket else self.pace.interval
        app = App(rollcall_version(), 1.0, timer_seconds)
        device_id = blake2b(user.encode(), digest_size=16, person=b"rollcall-canary").hexdigest()
        phone = Phone(f"canary {user}", user, "", app, DEVICE, device_id)
        acting = simulated(phone, self.doors[canary.transport])
        await asyncio.sleep(wait)
        for step in life(self.pace, on_socket=on_socket):
            await acting.pass_time(step.after_seconds)
            if step.change is not None:
                canary.judge.happens(step.truth, step.change, time.monotonic())
            await acting.do(Action(step.after_seconds, step.kind, canary.login, step.screen))
