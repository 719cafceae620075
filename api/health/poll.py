"""Asks every process of ours on its admin port, all at once and once for everybody who looks.

1. A name stands for all addresses that DNS gives. Of names and addresses together at most
   ``MOST_TARGETS`` are asked.
2. ``/metrics`` and ``/readyz`` are asked of each, within :data:`TIMEOUT_SECONDS`, no further than
   :data:`MOST_BYTES`, by plain http, without following anybody elsewhere.
3. Who answered and does not any more is known by what they said last; where a name does not lead to
   them any more either, for :data:`REMEMBERED_SECONDS`.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Final, TypeVar

import aiohttp

from api.admin_targets import MOST_TARGETS, Target, address_of
from api.health.processes import Poll, Process
from api.health.rates import Rates
from api.health.told import NotOursError, Readiness, Told, read_metrics, read_readiness
from schemas.http.client_responses import read_at_most

T = TypeVar("T")

#: An API without PostgreSQL waits for that one second before it tells its metrics.
TIMEOUT_SECONDS: Final = 1.5
DNS_SECONDS: Final = 1.0
#: Of a service with 1,024 partitions ``/metrics`` has half a megabyte.
MOST_BYTES: Final = 2_000_000
REMEMBERED_SECONDS: Final = 600.0
_NOT_OURS: Final = "is no process of Rollcall"


class AdminPorts:
    """One poll runs at a time. ``clock`` gives Unix seconds."""

    def __init__(self, targets: tuple[Target, ...], clock: Callable[[], float] = time.time) -> None:
        self._targets = targets
        self._now = clock
        self._http: aiohttp.ClientSession | None = None
        self._look_ups: dict[str, asyncio.Task[list[str]]] = {}
        self._rates = Rates()
        #: By address, those that answered once.
        self._known: dict[str, Process] = {}

    async def poll(self) -> Poll:
        """What is known of every process now. Never raises for what is away."""
        found = await asyncio.gather(*(self._addresses(target) for target in self._targets))
        missing = [each for each in found if isinstance(each, Process)]
        # Two names may lead to one process: it is told once, of the first.
        places: dict[str, tuple[Target, str]] = {}
        for target, addresses in zip(self._targets, found, strict=True):
            if not isinstance(addresses, Process):
                for host in addresses:
                    places.setdefault(address_of(host, target.port), (target, host))
        asked = dict(list(places.items())[: MOST_TARGETS - len(missing)])
        processes = await asyncio.gather(
            *(self._ask(target, address) for address, (target, _) in asked.items())
        )
        gone = self._gone(places.keys())
        self._remember([*processes, *gone])
        return Poll((*processes, *missing, *gone), len(places) - len(asked), self._now())

    async def close(self) -> None:
        for look_up in self._look_ups.values():
            look_up.cancel()
        if self._http is not None:
            await self._http.close()

    async def _addresses(self, target: Target) -> list[str] | Process:
        """Of a target; or that there are none, and why."""
        name = str(target)
        look_up = self._look_ups.get(target.host)
        if look_up is None or look_up.done():
            look_up = asyncio.create_task(_resolve(target.host), name="admin-target")
            look_up.add_done_callback(lambda done: done.cancelled() or done.exception())
            self._look_ups[target.host] = look_up
        try:
            # Shielded: a thread that waits for DNS cannot be broken off, and one is enough.
            async with asyncio.timeout(DNS_SECONDS):
                return await asyncio.shield(look_up)
        except TimeoutError:
            return Process(name, None, f"DNS does not say within {DNS_SECONDS:g} s where it is")
        except (OSError, UnicodeError):
            return Process(name, None, "DNS knows no such name")

    async def _ask(self, target: Target, address: str) -> Process:
        told, readiness = await asyncio.gather(
            self._answer(address, "/metrics", _metrics),
            self._answer(address, "/readyz", read_readiness),
        )
        now, known = self._now(), self._known.get(address)
        process = Process(
            str(target), address, told=known.told.remembered() if known and known.told else None
        )
        if isinstance(told, Told):
            process = replace(process, told=told)
            if told.heartbeats is not None:
                self._rates.add(address, time.monotonic(), told.heartbeats)
        elif isinstance(readiness, str) or told == _NOT_OURS:
            return replace(process, problem=told, answered_at=known.answered_at if known else None)
        if isinstance(readiness, str):
            readiness = Readiness(False, readiness)
        rate = self._rates.per_second(address) if isinstance(told, Told) else None
        return replace(process, readiness=readiness, answered_at=now, heartbeats_per_second=rate)

    async def _answer(self, address: str, path: str, reader: Callable[[int, bytes], T]) -> T | str:
        """What is said there; or in words why nothing is."""
        try:
            async with (
                asyncio.timeout(TIMEOUT_SECONDS),
                self._session().get(f"http://{address}{path}", allow_redirects=False) as answer,
            ):
                return reader(answer.status, await read_at_most(answer, MOST_BYTES))
        except TimeoutError:
            return f"does not answer {path} within {TIMEOUT_SECONDS:g} s"
        except aiohttp.ClientConnectorError as error:
            is_refused = isinstance(error.os_error, ConnectionRefusedError)
            return "refuses connections" if is_refused else "cannot be reached"
        except aiohttp.ClientError:
            return f"ends the connection before it answers {path}"
        except NotOursError:
            return _NOT_OURS
        except ValueError:
            return f"answers {path} with what no process of Rollcall says"

    def _session(self) -> aiohttp.ClientSession:
        if self._http is None:
            self._http = aiohttp.ClientSession(
                # A process that was replaced at its address has a new connection.
                connector=aiohttp.TCPConnector(limit=2 * MOST_TARGETS, force_close=True),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                headers={"Accept-Encoding": "identity", "User-Agent": "Rollcall"},
            )
        return self._http

    def _gone(self, places: Collection[str]) -> list[Process]:
        since = self._now() - REMEMBERED_SECONDS
        return [
            replace(
                known,
                told=known.told.remembered() if known.told else None,
                problem="its name does not lead to it any more",
                readiness=None,
                heartbeats_per_second=None,
                is_gone=True,
            )
            for address, known in self._known.items()
            if address not in places and (known.answered_at or 0) > since
        ]

    def _remember(self, processes: list[Process]) -> None:
        """Those that answered last, as many as are asked."""
        known = [each for each in processes if each.address and each.answered_at]
        known.sort(key=lambda each: -(each.answered_at or 0))
        self._known = {each.address or "": each for each in known[:MOST_TARGETS]}
        self._rates.keep_only([each.address or "" for each in processes if not each.is_gone])


def _metrics(status: int, body: bytes) -> Told:
    if status != 200:
        raise NotOursError
    return read_metrics(body.decode())


async def _resolve(host: str) -> list[str]:
    """The addresses of a name, in order. Raises ``OSError``, ``UnicodeError``."""
    found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return sorted({str(each[4][0]) for each in found})
