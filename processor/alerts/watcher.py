"""Looks at alerts as log time goes on, and tells what comes of it.

One process looks: it has an advisory lock while it does. How far it looked and what it found are
stored in one transaction, so a process that is killed leaves the next one neither a gap nor a
repeat. Any process delivers: it claims a notice for as long as an attempt may take. Who is killed
after the receiver took it costs a repeat, with the same id and bytes.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import msgspec
import psycopg

from processor.alerts.mail import MAIL_SECONDS, Mailer
from processor.alerts.metrics import AlertMetrics
from processor.alerts.store import AlertStore, Claimed, Looking, Stored
from processor.notify.retries import pause_seconds
from processor.notify.sender import Attempt, Sender
from schemas.alerts.evaluate import State, points_due, run
from schemas.alerts.reading import Asked, first_state, known_until
from schemas.alerts.rule import DAY, AlertRule, parse_rule
from schemas.webhooks.secret_box import AnotherKeyError, SecretBox
from schemas.webhooks.signing import secret_key

log = logging.getLogger(__name__)

POLL_SECONDS: Final = 2.0
TROUBLE_SECONDS: Final = 5.0
FORGET_EVERY_SECONDS: Final = 3_600.0
#: At most, of a rule in one transaction.
MOST_POINTS: Final = 120
#: What is older was not looked at in time, and is left out.
LONGEST_BEHIND: Final = DAY
LEASE_MARGIN_SECONDS: Final = 30.0


@dataclass(slots=True)
class _Watched:
    """An alert in a round."""

    stored: Stored
    rule: AlertRule
    state: State
    points: list[int]


class Watcher:
    """``run`` until it is cancelled."""

    def __init__(
        self,
        store: AlertStore,
        sender: Sender,
        mailer: Mailer,
        box: SecretBox | None,
        metrics: AlertMetrics,
        *,
        timeout_seconds: float,
        retry_seconds: float,
    ) -> None:
        self._store = store
        self._sender = sender
        self._mailer = mailer
        self._box = box
        self._metrics = metrics
        self._lease_seconds = timeout_seconds + LEASE_MARGIN_SECONDS
        self._retry_seconds = retry_seconds
        self._chance = random.Random()  # noqa: S311 - spreads retries
        self._forget_at = 0.0
        self._looked_at = time.monotonic()

    async def run(self) -> None:
        """Nothing that goes wrong ends it. Who takes a notice slowly holds up no look."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._rounds(self._look_and_note), name="alerts: looking")
            tasks.create_task(self._rounds(self._tell), name="alerts: telling")

    async def _rounds(self, act: Callable[[], Awaitable[bool]]) -> None:
        while True:
            try:
                again = await act()
            except psycopg.errors.UndefinedTable:
                again = await self._failed("the database lacks tables of alerts: rollcall migrate")
            except psycopg.Error as error:
                again = await self._failed(f"PostgreSQL: {type(error).__name__}")
            except Exception:  # the next round may go well
                log.exception("looking at alerts failed")
                again = await self._failed("see above")
            if not again:
                await asyncio.sleep(POLL_SECONDS)

    async def _look_and_note(self) -> bool:
        again = await self.look()
        self._looked_at = time.monotonic()
        return again

    async def _tell(self) -> bool:
        again = await self.deliver()
        await self._forget()
        return again

    async def look(self) -> bool:
        """At every point that is due; whether more are."""
        async with self._store.looking() as looking:
            # First: what is read afterwards is what the one before left.
            is_ours = await looking.is_ours()
            as_of = await looking.as_of()
            alerts = await looking.alerts()
            self._metrics.alerts.set(len(alerts))
            if as_of is None or not alerts:
                self._metrics.lag.set(0)
                self._metrics.firing.set(0)
                return False
            now = known_until(as_of)
            round_ = [each for each in [await _watched(looking, s, now) for s in alerts] if each]
            self._metrics.lag.set(max((_behind(watched, now) for watched in round_), default=0))
            self._metrics.firing.set(sum(w.state.firing_since is not None for w in round_))
            if not is_ours:
                return False
            asked = Asked()
            for watched in round_:
                asked.add(watched.rule, watched.points)
            known = await looking.known(asked)
            told = []
            for watched in round_:
                rule, alert = watched.rule, watched.stored
                series = known.series(rule)
                state, notices, fired = run(rule, watched.state, watched.points, series)
                if state == watched.state and alert.state is not None:
                    continue
                await looking.advance(alert.id, state)
                for notice in notices:
                    await looking.tell(alert.id, alert.target, rule, notice)
                for found in fired:
                    await looking.mark(alert.id, rule, found)
                told += notices
        for notice in told:
            self._metrics.notices.labels(notice.kind).inc()
        return any(len(watched.points) == MOST_POINTS for watched in round_)

    async def deliver(self) -> bool:
        """What is to be told now; whether there may be more."""
        claimed = await self._store.claim(self._lease_seconds, MAIL_SECONDS + LEASE_MARGIN_SECONDS)
        await asyncio.gather(*(self._deliver(notice) for notice in claimed))
        return bool(claimed)

    async def _deliver(self, notice: Claimed) -> None:
        attempt = await self._attempt(notice)
        if attempt.outcome == "delivered":
            self._metrics.deliveries.labels("delivered").inc()
            await self._store.delivered(notice.id)
        elif attempt.outcome == "gone" or notice.age_seconds >= self._retry_seconds:
            self._metrics.deliveries.labels("given_up").inc()
            log.warning("gave up a notice of %s: %s", notice.alert, attempt.problem)
            await self._store.given_up(notice.id, attempt.problem)
        else:
            self._metrics.deliveries.labels("failed").inc()
            pause = pause_seconds(notice.attempts, attempt.retry_after, self._chance)
            await self._store.failed(notice.id, attempt.problem, pause)

    async def _attempt(self, notice: Claimed) -> Attempt:
        if self._box is None:
            return Attempt("not_allowed", "there is no ROLLCALL_ENCRYPTION_KEY")
        try:
            secret = self._box.open(notice.secret, notice.alert)
            before = notice.previous_secret and self._box.open(notice.previous_secret, notice.alert)
        except AnotherKeyError:
            return Attempt("not_allowed", "its secret was made under another encryption key")
        if notice.target == "email":
            return await self._mailer.send(secret, notice.id, notice.body)
        if notice.target == "slack":
            return await self._sender.send(secret, (), notice.id, notice.body)
        keys = [secret_key(each) for each in (secret, before) if each]
        return await self._sender.send(notice.address, keys, notice.id, notice.body)

    async def _forget(self) -> None:
        now = time.monotonic()
        if now >= self._forget_at:
            await self._store.forget()
            self._forget_at = now + FORGET_EVERY_SECONDS

    async def _failed(self, why: str) -> bool:
        self._metrics.failures.inc()
        self._metrics.lag.set(time.monotonic() - self._looked_at)
        log.warning("alerts wait: %s", why)
        await asyncio.sleep(TROUBLE_SECONDS)
        return False


async def _watched(looking: Looking, stored: Stored, now: int) -> _Watched | None:
    """``None``: a rule of a newer release, or nobody's."""
    try:
        rule = parse_rule(stored.rule)
    except ValueError as error:
        log.warning("alert %s is left out: %s", stored.id, error)
        return None
    if stored.state is None:
        # It begins with what comes now.
        latest = (now - rule.settle) // rule.step * rule.step
        peak = await looking.peak(latest) if rule.than == "peak" else (None, None)
        return _Watched(stored, rule, first_state(latest, peak), [])
    state = msgspec.convert(stored.state, State)
    if state.through < now - rule.settle - LONGEST_BEHIND:
        first = (now - rule.settle - LONGEST_BEHIND) // rule.step * rule.step
        log.warning("alert %s was not looked at from %d to %d", stored.id, state.through, first)
        state = msgspec.structs.replace(state, through=first, held=0, calm=0)
    return _Watched(stored, rule, state, points_due(rule, state.through, now, MOST_POINTS))


def _behind(watched: _Watched, now: int) -> int:
    """Seconds since the oldest point that is due."""
    rule = watched.rule
    return max(0, now - rule.settle - watched.state.through - rule.step)
