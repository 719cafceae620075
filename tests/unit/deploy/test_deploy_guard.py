"""The guard between the supervisor and a child."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from deploy.local.child import GUARD, Child, RunningChild

DEADLINE_SECONDS = 60.0
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    "print('started', flush=True); time.sleep(300)"
)
WITH_GRANDCHILD = (
    "import subprocess, sys, time;"
    "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(300)']);"
    "print('started', flush=True); time.sleep(300)"
)

Guarded = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def guarded() -> Iterator[Guarded]:
    """Starts Python code under a guard and waits until the code has said that it runs."""
    guards: list[subprocess.Popen[str]] = []

    def start(code: str, *options: str) -> subprocess.Popen[str]:
        guard = subprocess.Popen(
            [sys.executable, "-I", "-S", str(GUARD), *options, "--", sys.executable, "-c", code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        guards.append(guard)
        assert guard.stdout is not None
        assert guard.stdout.readline() == "started\n"
        return guard

    yield start
    for guard in guards:
        guard.kill()
        guard.wait()
        for stream in (guard.stdin, guard.stdout):
            if stream is not None:
                stream.close()


def descendants(guard: subprocess.Popen[str]) -> list[psutil.Process]:
    return psutil.Process(guard.pid).children(recursive=True)


def all_gone(processes: list[psutil.Process]) -> bool:
    _, alive = psutil.wait_procs(processes, timeout=DEADLINE_SECONDS)
    return not alive


def test_the_child_ends_when_the_supervisors_end_of_the_pipe_closes(guarded: Guarded) -> None:
    guard = guarded("import time; print('started', flush=True); time.sleep(300)")
    children = descendants(guard)
    assert len(children) == 1
    assert guard.stdin is not None
    guard.stdin.close()
    assert guard.wait(DEADLINE_SECONDS) == 128 + 15
    assert all_gone(children)


def test_a_child_that_ignores_the_signal_is_killed_after_the_deadline(guarded: Guarded) -> None:
    guard = guarded(STUBBORN, "--stop-seconds", "0.2")
    guard.terminate()
    assert guard.wait(DEADLINE_SECONDS) == 128 + 9


def test_what_the_child_has_started_goes_with_it(guarded: Guarded) -> None:
    guard = guarded(WITH_GRANDCHILD)
    family = descendants(guard)
    assert len(family) == 2
    guard.terminate()
    guard.wait(DEADLINE_SECONDS)
    assert all_gone(family)


def test_the_child_gets_the_signal_that_it_wants(guarded: Guarded) -> None:
    code = (
        "import signal, sys, time; signal.signal(signal.SIGINT, lambda *_: sys.exit(7));"
        "print('started', flush=True); time.sleep(300)"
    )
    guard = guarded(code, "--stop-signal", "INT")
    guard.terminate()
    assert guard.wait(DEADLINE_SECONDS) == 7


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of a parent's death")
def test_a_killed_guard_leaves_no_child(guarded: Guarded) -> None:
    guard = guarded(STUBBORN)
    children = descendants(guard)
    guard.kill()
    assert all_gone(children)


def test_the_guard_ends_with_the_status_of_its_child(guarded: Guarded) -> None:
    assert guarded("print('started', flush=True); raise SystemExit(3)").wait(DEADLINE_SECONDS) == 3


def test_a_command_that_does_not_exist_is_one_line_in_the_log(tmp_path: Path) -> None:
    child = RunningChild(Child("nothing", [str(tmp_path / "nothing")], tmp_path / "nothing.log"))
    deadline = time.monotonic() + DEADLINE_SECONDS
    while child.exit_status is None and time.monotonic() < deadline:
        os.sched_yield()
    assert child.stop() == 127
    assert "cannot run" in child.last_words()


def test_a_log_is_kept_short(tmp_path: Path) -> None:
    log = tmp_path / "service.log"
    log.write_bytes(b"x" * 6_000_000)
    child = RunningChild(Child("service", [sys.executable, "-c", "print('new')"], log))
    while child.exit_status is None:
        os.sched_yield()
    child.stop()
    assert log.read_text() == "new\n"
    assert log.with_name("service.log.1").stat().st_size == 6_000_000


@pytest.mark.parametrize("platform", [sys.platform, "another system"])
async def test_the_end_of_a_child_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, platform: str
) -> None:
    ends = Child(name="ends", command=["sh", "-c", "exit 3"], log_path=tmp_path / "ends.log")
    stays = Child(name="stays", command=["sleep", "300"], log_path=tmp_path / "stays.log")
    first, second = RunningChild(ends), RunningChild(stays)
    with monkeypatch.context() as patched:
        patched.setattr(sys, "platform", platform)
        both = asyncio.gather(first.wait(), second.wait())
        await asyncio.sleep(0)
        psutil.Process(second.pid).kill()
        async with asyncio.timeout(DEADLINE_SECONDS):
            assert [*await both] == [3, -signal.SIGKILL]
            assert await first.wait() == 3, "again"
