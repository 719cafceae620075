"""All simulated phones together: a task for each, and a line now and then about how it goes."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import aiohttp

from deploy.simulate.behaviour import STATES, Action, State, life
from deploy.simulate.doors import Doors
from deploy.simulate.network import NO_TROUBLE, Trouble, disturbed
from deploy.simulate.people import Phone, phones
from deploy.simulate.phones import simulated
from deploy.simulate.tally import Tally
from schemas.http.paths import COUNT_PATH
from schemas.http.server import allow_open_files

LINE_SECONDS: Final = 60.0
#: Sooner, where something was not accepted.
TROUBLE_LINE_SECONDS: Final = 10.0
_CHECK_SECONDS: Final = 10.0


class CannotSimulateError(RuntimeError):
    """The message is one line and names the remedy."""


@dataclass(frozen=True, slots=True)
class Simulation:
    """What is to be simulated, where. ``key`` signs tokens. ``duration_seconds`` ``None``: until
    it is stopped."""

    url: str
    key: str
    users: int
    seed: int
    socket_share: float
    duration_seconds: float | None
    trouble: Trouble = NO_TROUBLE


def _unheard(_phone: Phone, _action: Action) -> None:
    """Nobody wants to know."""


async def simulate(
    simulation: Simulation,
    say: Callable[[str], None],
    *,
    tally: Tally | None = None,
    happened: Callable[[Phone, Action], None] = _unheard,
) -> None:
    """Let the fleet live until SIGINT, SIGTERM or its time is over; ``say`` gets each line,
    ``happened`` each action before its phone tells of it.

    Raises `CannotSimulateError`: no Rollcall is there, or it takes none of our tokens.
    """
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await _check_rollcall(simulation.url)
    fleet = phones(simulation.users, simulation.socket_share, simulation.seed)
    on_socket = sum(phone.on_socket for phone in fleet)
    allow_open_files(on_socket)
    say(
        f"{simulation.users} users with {len(fleet)} phones, {on_socket} of them on sockets, use "
        f"{simulation.url} (seed {simulation.seed}); Ctrl-C ends it"
    )
    tally = tally or Tally()
    trouble = simulation.trouble
    async with Doors(simulation.url, simulation.key, tally, trouble=trouble) as doors:
        works = [
            asyncio.create_task(_live_together(fleet, doors, trouble, happened)),
            asyncio.create_task(_tell(tally, say)),
            asyncio.create_task(stop.wait()),
        ]
        ended, _ = await asyncio.wait(
            works, timeout=simulation.duration_seconds, return_when=asyncio.FIRST_COMPLETED
        )
        for work in works:
            work.cancel()
        await asyncio.gather(*works, return_exceptions=True)
    for work in ended:
        work.result()


async def _check_rollcall(url: str) -> None:
    timeout = aiohttp.ClientTimeout(total=_CHECK_SECONDS)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(url + COUNT_PATH, allow_redirects=False) as answer,
        ):
            problem = (
                "" if answer.status == 200 else f"GET {COUNT_PATH} is answered {answer.status}"
            )
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        problem = str(error) or type(error).__name__
    if problem:
        raise CannotSimulateError(
            f"no Rollcall at {url} ({problem}): start one with rollcall up, or name another --url"
        )


async def _live_together(
    fleet: list[Phone],
    doors: Doors,
    trouble: Trouble,
    happened: Callable[[Phone, Action], None],
) -> None:
    begins_at_seconds = time.time()
    async with asyncio.TaskGroup() as group:
        for phone in fleet:
            actions = life(phone, begins_at_seconds, trouble.silent_deaths)
            group.create_task(_live(phone, doors, disturbed(actions, phone, trouble), happened))


async def _live(
    phone: Phone,
    doors: Doors,
    actions: Iterator[Action],
    happened: Callable[[Phone, Action], None],
) -> None:
    app = simulated(phone, doors)
    phones_now, state = doors.tally.phones, State.AWAY
    for action in actions:
        await app.pass_time(action.after_seconds)
        phones_now[state] -= 1
        state = STATES.get(action.kind, state)
        phones_now[state] += 1
        happened(phone, action)
        await app.do(action)


async def _tell(tally: Tally, say: Callable[[str], None]) -> None:
    seconds = 0.0
    while True:
        await asyncio.sleep(TROUBLE_LINE_SECONDS)
        seconds += TROUBLE_LINE_SECONDS
        if tally.only_refusals:
            raise CannotSimulateError(
                f"none of our tokens is accepted ({tally.line(seconds)}): give the --data-dir of "
                "that rollcall up, or the ROLLCALL_JWT_SECRET of that Rollcall"
            )
        if tally.troubles or seconds >= LINE_SECONDS:
            say(tally.line(seconds))
            seconds = 0.0
