"""Packets that the kernel drops on loopback: neither side is acknowledged, nor told of an end.

The rules are in a chain of their own, which a process of its own takes back: also when the one that
asked for it was killed.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterable
from typing import Final, Self

from deploy.local.ports import free_port

#: Its input ends with whoever started it. Signals to the whole group do not reach it.
_GUARD: Final = """
printf '%s' "$1" | iptables-restore --wait 10 --noflush || exit 1
echo dropping
read -r end
printf '%s' "$2" | iptables-restore --wait 10 --noflush
"""
_SECONDS: Final = 30


class Dropped:
    """While it is entered, all TCP packets on loopback from and to these ports are dropped. Raises
    ``OSError`` where that cannot be had."""

    def __init__(self, ports: Iterable[int]) -> None:
        self._chain = f"ROLLCALL-{secrets.token_hex(6)}"
        jump = f"INPUT -i lo -p tcp -j {self._chain}"
        rules = [
            f"-A {self._chain} -p tcp --{side} {port} -j DROP"
            for port in sorted(set(ports))
            for side in ("dport", "sport")
        ]
        self._make = _table(f":{self._chain} - [0:0]", *rules, f"-I {jump}")
        self._undo = _table(f"-D {jump}", f"-F {self._chain}", f"-X {self._chain}")

    def __enter__(self) -> Self:
        self._guard = subprocess.Popen(
            ["sh", "-c", _GUARD, "sh", self._make, self._undo],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert self._guard.stdout is not None
        if not self._guard.stdout.readline():
            _, said = self._guard.communicate()
            raise OSError(f"iptables: {said.strip()}")
        return self

    def count(self) -> int:
        """Packets that were dropped so far."""
        command = ["iptables", "--wait", "10", "-nvxL", self._chain]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return sum(int(line.split()[0]) for line in done.stdout.splitlines()[2:])

    def __exit__(self, *error: object) -> None:
        _, said = self._guard.communicate(timeout=_SECONDS)
        if self._guard.returncode:
            raise OSError(f"the rules of {self._chain} are still there: {said.strip()}")


def no_dropping() -> str | None:
    """Why no packets can be dropped here, if they cannot."""
    if sys.platform != "linux" or os.geteuid() != 0 or shutil.which("iptables-restore") is None:
        return "packets are dropped by iptables, as root"
    try:
        with Dropped([free_port()]):
            return None
    except OSError as error:
        return str(error)


def _table(*lines: str) -> str:
    return "\n".join(["*filter", *lines, "COMMIT", ""])
