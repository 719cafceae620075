"""Sends audiences: takes deliveries that wait, and makes their calls one after the other.

Any process of notify takes a delivery, for as long as it says that it goes on; of one that was
killed another one takes it over within seconds, where it was. A destination has one delivery on its
way at a time, so that its calls per second are those of the whole deployment. Who has opted out or
was erased is looked for right before each call.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

import psycopg

from processor.notify.forgotten import Forgotten
from processor.notify.onesignal import NOT_SET_UP, OneSignal
from processor.notify.pace import Pace
from processor.notify.retries import pause_seconds
from processor.notify.sender import Attempt, Sender
from processor.targeting.metrics import TargetingMetrics
from processor.targeting.page import NO_WEBHOOK, Page, what_next
from processor.targeting.store import AT_ONCE, LEASE_SECONDS, Claimed, NotOursError, TargetingStore
from schemas.service.user_hash import UserHashKeyError
from schemas.webhooks.forms import NO_KEY
from schemas.webhooks.secret_box import AnotherKeyError, SecretBox
from schemas.webhooks.signing import secret_key

log = logging.getLogger(__name__)

POLL_SECONDS: Final = 1.0
TROUBLE_SECONDS: Final = 5.0
KEEP_SECONDS: Final = LEASE_SECONDS / 4


class Courier:
    """``run`` until it is cancelled."""

    def __init__(
        self,
        store: TargetingStore,
        sender: Sender,
        forgotten: Forgotten,
        box: SecretBox | None,
        onesignal: OneSignal | None,
        metrics: TargetingMetrics,
        *,
        disable: Callable[[str], Awaitable[None]],
        give_up_seconds: float,
    ) -> None:
        """``disable``: a webhook whose receiver says that it is gone."""
        self._store = store
        self._sender = sender
        self._forgotten = forgotten
        self._box = box
        self._onesignal = onesignal
        self._metrics = metrics
        self._disable = disable
        self._give_up_seconds = give_up_seconds
        self._chance = random.Random()  # noqa: S311 - spreads retries
        self._at: dict[UUID, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Nothing that goes wrong ends it."""
        keeping = asyncio.create_task(self._keep(), name="deliveries-kept")
        try:
            while True:
                try:
                    await self._look()
                    pause = POLL_SECONDS
                except psycopg.Error as error:
                    self._metrics.failures.inc()
                    log.warning("audiences wait: PostgreSQL: %s", type(error).__name__)
                    pause = TROUBLE_SECONDS
                except Exception:  # the next round may go well
                    self._metrics.failures.inc()
                    log.exception("looking for deliveries failed")
                    pause = TROUBLE_SECONDS
                await asyncio.sleep(pause)
        finally:
            keeping.cancel()
            held = list(self._at)
            for task in self._at.values():
                task.cancel()
            await asyncio.wait({keeping, *self._at.values()})
            with suppress(psycopg.Error):
                await self._store.release(held)

    async def _look(self) -> None:
        self._at = {each: task for each, task in self._at.items() if not task.done()}
        room = AT_ONCE - len(self._at)
        for claimed in await self._store.claim(room) if room else ():
            if claimed.id in self._at:  # PostgreSQL was away for so long
                continue
            name = f"delivery {claimed.id}"
            self._at[claimed.id] = asyncio.create_task(self._deliver(claimed), name=name)
        running, failing, age = await self._store.waiting()
        self._metrics.running.set(running)
        self._metrics.failing.set(failing)
        self._metrics.age.set(age)

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(KEEP_SECONDS)
            at = [each for each, task in self._at.items() if not task.done()]
            try:
                await self._store.keep(at)
            except psycopg.Error:
                continue  # who looks for more says it
            except Exception:
                self._metrics.failures.inc()
                log.exception("deliveries were not kept: another process may take them over")

    async def _deliver(self, claimed: Claimed) -> None:
        pace = Pace(claimed.calls_per_second)
        try:
            while await self._send_page(claimed, pace):
                pass
        except NotOursError:
            log.info("delivery %s is another process's, or has ended", claimed.id)
        except psycopg.Error as error:
            self._metrics.failures.inc()
            log.warning("delivery %s waits: PostgreSQL: %s", claimed.id, type(error).__name__)
        except Exception:  # another attempt may go well
            self._metrics.failures.inc()
            log.exception("delivery %s broke off", claimed.id)

    async def _send_page(self, claimed: Claimed, pace: Pace) -> bool:
        """Whether there may be another one."""
        await pace.turn()
        page = await self._store.page(claimed.id)
        if page.cancel_wanted:
            return await self._end(page, "cancelled")
        if page.number >= page.pages:
            return await self._end(page, "completed")
        try:
            page = await self._allowed(page)
        except UserHashKeyError as error:
            attempt = Attempt("not_allowed", str(error))
        else:
            if not page.user_ids:
                await self._store.sent(page)
                return True
            attempt = await self._attempt(page)
        self._metrics.calls.labels(page.kind, attempt.outcome).inc()
        following = what_next(attempt, page, datetime.now(UTC), self._give_up_seconds)
        if following == "end":
            return await self._end(page, "failed", attempt.problem)
        if following == "again":
            return await self._again(page, attempt)
        self._metrics.users.labels(page.kind).inc(len(page.user_ids))
        await self._store.sent(page)
        return True

    async def _allowed(self, page: Page) -> Page:
        """Without who must not be told of any more."""
        gone = await self._forgotten.among(dict.fromkeys(page.user_ids, page.as_of))
        if not gone:
            return page
        left = [user_id for user_id in page.user_ids if user_id not in gone]
        await self._store.leave_out(page, left)
        self._metrics.left_out.inc(len(page.user_ids) - len(left))
        return replace(page, user_ids=left)

    async def _attempt(self, page: Page) -> Attempt:
        if page.kind == "onesignal":
            if self._onesignal is None:
                return Attempt("gone", NOT_SET_UP)
            body = page.for_onesignal(self._onesignal.app_id)
            return await self._onesignal.send(self._sender, body)
        receiver = await self._store.receiver(page.destination)
        if receiver is None:
            return Attempt("gone", NO_WEBHOOK)
        if self._box is None:
            return Attempt("not_allowed", NO_KEY)
        try:
            keys = [
                secret_key(self._box.open(each, receiver.id))
                for each in (receiver.secret, receiver.previous_secret)
                if each is not None
            ]
        except AnotherKeyError as error:
            return Attempt("not_allowed", str(error))
        attempt = await self._sender.send(receiver.url, keys, page.message_id, page.message())
        if attempt.outcome == "gone":
            await self._disable(receiver.id)
            return replace(attempt, problem="the webhook answered 410: it is disabled")
        return attempt

    async def _again(self, page: Page, attempt: Attempt) -> bool:
        pause = pause_seconds(page.attempts + 1, attempt.retry_after, self._chance)
        await self._store.failed(page, attempt.problem, pause)
        return False

    async def _end(self, page: Page, outcome: str, problem: str | None = None) -> bool:
        await self._store.end(page, outcome, problem)
        self._metrics.ended.labels(outcome).inc()
        if problem is not None:
            log.warning("delivery %s failed: %s", page.delivery, problem)
        return False
