"""A real `rollcall up`, as the end-to-end tests start and stop it."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil

# Generous: a deadline tells a hang from a slow machine, nothing else.
START_SECONDS = 400.0
STOP_SECONDS = 120.0
LAST_LINE = "Ctrl-C stops everything"
ROLLCALL = [sys.executable, "-m", "deploy.cli"]


class Up:
    """One `rollcall up` of a test."""

    def __init__(self, data_dir: Path, port: int, *arguments: str, **environment: str) -> None:
        self.data_dir = data_dir
        self.url = f"http://127.0.0.1:{port}"
        self._output_path = data_dir.with_name(f"{data_dir.name}.out")
        with self._output_path.open("wb") as output:
            self.process = subprocess.Popen(
                [*ROLLCALL, "up", "--data-dir", str(data_dir), "--port", str(port), *arguments],
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **environment},
                start_new_session=True,
            )

    @property
    def output(self) -> str:
        return self._output_path.read_text()

    def wait_ready(self) -> Up:
        wait_for(lambda: LAST_LINE in self.output or self.process.poll() is not None, START_SECONDS)
        assert LAST_LINE in self.output, self.output
        return self

    def family(self) -> list[psutil.Process]:
        """All processes below this one: guards, servers and the servers' own children."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def interrupt(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(STOP_SECONDS)

    def end(self) -> None:
        if self.process.poll() is None:
            self.interrupt()

    def database_url(self) -> str:
        port = json.loads((self.data_dir / "ports.json").read_text())["postgres"]
        password = (self.data_dir / "postgres" / "password").read_text()
        return f"postgresql://rollcall:{password}@127.0.0.1:{port}/rollcall"


def wait_for(
    condition: Callable[[], bool], deadline_seconds: float, *, poll_seconds: float = 0.1
) -> None:
    deadline = time.monotonic() + deadline_seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition was not met in time"
        time.sleep(poll_seconds)


def get(url: str, token: str | None = None) -> tuple[int, bytes]:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=60)
    try:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        connection.request("GET", parts.path, headers=headers)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def assert_five_steps(answers: list[dict[str, Any]]) -> None:
    """What the API told of the user after each of README's five steps."""
    shown = [(each["state"], each["screen"]) for each in answers if "user_id" in each]
    assert shown == [
        ("foreground", "Home"),
        ("foreground", "Cart"),
        ("background", "Cart"),
        ("offline", None),
        ("offline", None),
        ("foreground", "Home"),
    ]
