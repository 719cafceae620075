"""Packets that the fault suite has the kernel drop, and that come through again in any case."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.packets import Dropped, no_dropping
from tests.rigs.rig import wait_for

pytestmark = pytest.mark.skipif(no_dropping() is not None, reason="no packets can be dropped here")
ROOT = Path(__file__).parents[3]
HOLDS = """
import sys
from tests.faults.packets import Dropped
with Dropped([int(sys.argv[1])]):
    print("dropping", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def server() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def reached(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=0.2).close()
    except TimeoutError:
        return False
    return True


def test_neither_side_hears_of_the_other_until_packets_come_through(server: socket.socket) -> None:
    port = server.getsockname()[1]
    client = socket.create_connection(("127.0.0.1", port))
    there, _ = server.accept()
    with client, there:
        there.settimeout(0.2)
        with Dropped([port]) as dropped:
            client.sendall(b"said")
            client.shutdown(socket.SHUT_WR)
            with pytest.raises(TimeoutError):
                there.recv(9)
            assert not reached(port)
            assert dropped.count() > 1
        there.settimeout(60)
        assert there.recv(9) == b"said"
        assert there.recv(9) == b""


def test_packets_come_through_again_when_the_run_is_killed(server: socket.socket) -> None:
    port = server.getsockname()[1]
    command = [sys.executable, "-c", HOLDS, str(port)]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == "dropping\n"
        assert not reached(port)
        run.kill()
    wait_for("packets come through", lambda: reached(port))
