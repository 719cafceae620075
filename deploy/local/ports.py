"""Free TCP ports on this machine, and the same ones again at the next start."""

from __future__ import annotations

import json
import os
import random
import socket
from collections import deque
from pathlib import Path
from typing import Final

#: Environment: the first and the last port that may be taken, `20000-29999`.
VARIABLE = "ROLLCALL_LOCAL_PORTS"
# Below the ports that Linux (32768) and macOS (49152) give to outgoing connections, so that
# nobody takes one between our look and the server's bind; above those of well-known servers.
FIRST_PORT, LAST_PORT = 20_000, 29_999
ATTEMPTS = 200
#: Given by this process just now: whoever asked may not have bound them yet.
_given: Final[deque[int]] = deque(maxlen=256)


def try_port(port: int, host: str) -> None:
    """Bind `host:port` and let it go. Raises the `OSError` that a server would get."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # As servers do: connections in TIME_WAIT are no obstacle.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((host, port))


def is_free(port: int) -> bool:
    """True if a server could listen on this port of 127.0.0.1 now."""
    try:
        try_port(port, "127.0.0.1")
    except OSError:
        return False
    return True


def port_range() -> tuple[int, int]:
    """The first and the last port that may be taken. Raises `OSError` where `VARIABLE` is neither
    unset nor two ports in order."""
    told = os.environ.get(VARIABLE, f"{FIRST_PORT}-{LAST_PORT}")
    first, dash, last = told.partition("-")
    if not (first + last).isdecimal() or not dash or not 0 < int(first) <= int(last) <= 65_535:
        raise OSError(f"{VARIABLE} is {told!r}: give the first and the last port, 20000-29999")
    return int(first), int(last)


def free_port(*, not_in: frozenset[int] = frozenset()) -> int:
    """A port that is free on loopback now, and another one than this process was given before, as
    far as there are others.

    Raises `OSError` if none was found.
    """
    first, last = port_range()
    for attempt in range(ATTEMPTS):
        port = random.randint(first, last)  # noqa: S311 - nothing secret
        may_be_taken_soon = port in _given and attempt < ATTEMPTS // 2
        if port not in not_in and not may_be_taken_soon and is_free(port):
            _given.append(port)
            return port
    raise OSError(f"no free port between {first} and {last} on 127.0.0.1")


def remembered_ports(
    path: Path, names: tuple[str, ...], *, avoid: frozenset[int] = frozenset()
) -> dict[str, int]:
    """One free port for each name, none in `avoid`: that of the last start where still free.

    Kept as JSON in `path`, so that dashboards and consoles pointed at a stack keep working.
    """
    try:
        before = json.loads(path.read_text())
    except (OSError, ValueError):
        before = {}
    ports: dict[str, int] = {}
    for name in names:
        port = before.get(name) if isinstance(before, dict) else None
        taken = avoid | set(ports.values())
        if not isinstance(port, int) or port in taken or not is_free(port):
            port = free_port(not_in=taken)
        ports[name] = port
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(ports, indent=2) + "\n")
    return ports
