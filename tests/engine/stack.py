"""docker-compose.yml, started from a copy of this folder that only its owner can read."""

from __future__ import annotations

import http.client
import json
import os
import resource
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from deploy.local.ports import free_port
from tests.engine.engine import ROOT, EngineError, docker
from tests.rigs.harness import SECRET, token
from tests.unit.deploy.compose_file import load_compose

#: Of images and of the Compose project: not those of an installation on this machine.
NAME: Final = "rollcall-engine-test"
VERSION: Final = "0.0.1-engine-test"
IMAGE: Final = f"rollcall:{VERSION}"
PROFILE: Final = "webhooks"
START_SECONDS: Final = 600
PATIENCE_SECONDS: Final = 300.0
#: Between two calls of one phone.
PAUSE_SECONDS: Final = 0.1


def copy_for_the_owner_alone(folder: Path) -> None:
    """What git knows of this folder, as a clone under `umask 077` has it."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    former = os.umask(0o077)
    try:
        for name in filter(None, listed.stdout.split("\0")):
            source, target = ROOT / name, folder / name
            if not source.exists() and not source.is_symlink():
                continue  # deleted, not yet committed
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target, follow_symlinks=False)
    finally:
        os.umask(former)


@dataclass
class Stack:
    """A running one."""

    folder: Path
    variables: dict[str, str]
    port: int
    without: list[str] = field(default_factory=list)

    def compose(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return docker("compose", *arguments, cwd=self.folder, more=self.variables, check=check)

    def up(self) -> None:
        try:
            self.compose("up", "--detach", "--wait", "--wait-timeout", str(START_SECONDS))
        except EngineError as error:
            said = self.compose("logs", "--tail", "20", check=False).stdout
            raise EngineError(f"{error}\n{said}") from None

    def down(self, *options: str) -> None:
        self.compose("down", "--remove-orphans", *options)

    def rolling(self, *arguments: str) -> str:
        done = subprocess.run(
            ["sh", "deploy/compose/rolling.sh", *arguments],
            cwd=self.folder,
            env={**os.environ, **self.variables},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def last_words(self) -> str:
        """What the gateway and ingest had to say, for a test that fails."""
        logs = self.compose("logs", "--since", "3m", "gateway", "ingest", "kafka").stdout
        told = [line for line in logs.splitlines() if "INFO" not in line and '"info"' not in line]
        return "\n".join(told[-80:])

    def containers(self, service: str) -> list[str]:
        """Ids of those that run."""
        return self.compose("ps", "--quiet", service).stdout.split()

    def all_containers(self) -> set[str]:
        return set(self.compose("ps", "--all", "--quiet").stdout.split())

    def run_in(self, service: str, *command: str) -> subprocess.CompletedProcess[str]:
        return self.compose("exec", "-T", service, *command, check=False)

    def kill_process_of(self, container: str) -> None:
        """SIGKILL its first process from outside. (After `docker kill` Docker starts nothing.)"""
        pid = docker("inspect", "--format", "{{.State.Pid}}", container).stdout.strip()
        kill = f"import os; os.kill({pid}, 9)"
        docker("run", "--rm", "--pid", "host", "--user", "0", IMAGE, "python", "-c", kill)

    def until_healthy(self, container: str) -> None:
        wait_until(
            lambda: inspected(container)["State"].get("Health", {}).get("Status") == "healthy",
            f"{container} is healthy",
        )

    def call(
        self, method: str, path: str, body: Any = None, bearer: str | None = None
    ) -> tuple[int, bytes]:
        """Status and body. On a new connection; an ``OSError`` is passed on."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        headers = {"Content-Type": "application/json"}
        if bearer:
            headers["Authorization"] = f"Bearer {bearer}"
        try:
            text = None if body is None else json.dumps(body)
            connection.request(method, path, text, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def heartbeat(self, user: str, screen: str = "Home") -> int:
        body = {"screen": screen}
        return self.call("POST", "/api/update-online-status", body, token(user))[0]

    def user(self, user: str) -> dict[str, Any]:
        staff = token("support", scope="presence:read")
        _, body = self.call("GET", f"/api/v1/users/{user}", bearer=staff)
        found = json.loads(body)
        assert isinstance(found, dict)
        return found

    @contextmanager
    def load(self) -> Iterator[Load]:
        """Phones and a reader who call all the time."""
        load = Load(self)
        load.start()
        try:
            yield load
        finally:
            load.stop()


class Load:
    """Four phones and a reader of the API, each in a thread; every answer is kept."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._ended = threading.Event()
        self.answers: list[tuple[str, int | str]] = []
        calls: list[tuple[str, Callable[[], int]]] = [
            ("heartbeat", lambda n=n: stack.heartbeat(self._user(n)))  # type: ignore[misc]
            for n in range(4)
        ]
        calls.append(("read", lambda: stack.call("GET", "/api/online-users-count")[0]))
        self._threads = [
            threading.Thread(target=self._repeat, args=call, daemon=True) for call in calls
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def failures(self, name: str) -> list[int | str]:
        """Answers to these calls other than 200."""
        return [answer for called, answer in self.answers if called == name and answer != 200]

    def _user(self, phone: int) -> str:
        """Another after a while: one user may not send ten events a second for long."""
        return f"phone-{phone}-{len(self.answers) // 100}"

    def _repeat(self, name: str, call: Callable[[], int]) -> None:
        while not self._ended.wait(PAUSE_SECONDS):
            try:
                self.answers.append((name, call()))
            except (OSError, http.client.HTTPException) as error:
                self.answers.append((name, repr(error)))


@contextmanager
def running_stack(folder: Path, missing: list[str]) -> Iterator[Stack]:
    """Built and started; taken down with its volumes."""
    copy_for_the_owner_alone(folder)
    port = free_port()
    files = ["docker-compose.yml"]
    if "grafana" in missing:
        files.append("tests/engine/without-grafana.yml")
    variables = {
        "COMPOSE_PROJECT_NAME": NAME,
        # notify too: what is off by default starts like everything else.
        "COMPOSE_PROFILES": PROFILE,
        "COMPOSE_FILE": ":".join(files),
        "ROLLCALL_VERSION": VERSION,
        "ROLLCALL_PORT": str(port),
        "ROLLCALL_JWT_SECRET": SECRET,
        **open_files(),
    }
    stack = Stack(folder, variables, port, missing)
    try:
        stack.up()
        yield stack
    finally:
        stack.down("--volumes")


def open_files() -> dict[str, str]:
    """Settings for an engine that may allow fewer open files than docker-compose.yml asks for."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    services = load_compose()["services"]
    if hard >= max(int(services[name]["ulimits"]["nofile"]) for name in ("ingest", "gateway")):
        return {}
    names = ("INGEST_OPEN_FILES", "API_OPEN_FILES", "GATEWAY_OPEN_FILES")
    # HAProxy takes two for each connection, and some more.
    return {**dict.fromkeys(names, str(hard)), "GATEWAY_MAX_CONNECTIONS": str(hard // 3)}


def inspected(container: str) -> dict[str, Any]:
    [found] = json.loads(docker("inspect", container).stdout)
    assert isinstance(found, dict)
    return found


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Within ``PATIENCE_SECONDS``."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"not within {PATIENCE_SECONDS:.0f} s: {what}"
        time.sleep(0.5)
