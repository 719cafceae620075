"""Free TCP ports on this machine, and the same ones again at the next start."""

from __future__ import annotations

import json
import random
import socket
from pathlib import Path

# Below the ports that Linux (32768) and macOS (49152) give to outgoing connections, so that
# nobody takes one between our look and the server's bind; above those of well-known servers.
FIRST_PORT, LAST_PORT = 20_000, 29_999
ATTEMPTS = 200


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


def free_port(*, not_in: frozenset[int] = frozenset()) -> int:
    """A port that is free on loopback now.

    Raises `OSError` if none was found.
    """
    for _ in range(ATTEMPTS):
        port = random.randint(FIRST_PORT, LAST_PORT)  # noqa: S311 - nothing secret
        if port not in not_in and is_free(port):
            return port
    raise OSError(f"no free port between {FIRST_PORT} and {LAST_PORT} on 127.0.0.1")


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
