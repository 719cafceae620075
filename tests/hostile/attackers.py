"""The attackers' process: ``python -m tests.hostile.attackers TARGET SEED NAME…``.

Goes on until SIGTERM, then prints one JSON object: by attack, what it did and how often. Each
attack has chances of its own, so that leaving one out changes no other.
"""

from __future__ import annotations

import asyncio
import json
import resource
import signal
import sys
from collections import Counter
from random import Random

import uvloop

from tests.hostile.attacks import attacks
from tests.hostile.target import Attack, Target


async def run(target: Target, seed: int, names: list[str]) -> dict[str, Counter[str]]:
    known = attacks()
    tallies: dict[str, Counter[str]] = {name: Counter() for name in names}
    running = asyncio.gather(
        *(known[name](Attack(target, Random(f"{seed} {name}"), tallies[name])) for name in names)
    )
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, running.cancel)
    try:
        await running
    except asyncio.CancelledError:
        return tallies
    raise SystemExit("an attack ended by itself")


if __name__ == "__main__":
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    told = uvloop.run(run(Target.load(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]))
    sys.stdout.write(json.dumps(told) + "\n")
