"""The release before this one takes ingest and the processor over, and this one takes them back: as
an operator does who goes back, and then upgrades (docs/operations.md)."""

from __future__ import annotations

import dataclasses
import io
import subprocess
import tarfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Final
from urllib.request import urlopen

from tests.faults.judge import Loss
from tests.faults.kinds import NothingHappenedError, Round, told
from tests.faults.names import INGESTS, PROCESSORS
from tests.faults.stack import Stack
from tests.rigs.rig import wait_for

#: The last commit of the release before.
BEFORE: Final = "2f43560"
#: Of its tree. Its API wants packages that this release has no more.
_FOLDERS: Final = ("ingest", "processor", "schemas")
_ROOT: Final = Path(__file__).parents[3]
_READY_SECONDS: Final = 60.0


def upgrade(round_: Round) -> Loss:
    """Ingests and processors go back to the release before, one by one, in the order that operators
    are told; it serves alone for 15 to 20 s, and each is upgraded again."""
    stack = round_.stack
    # What is lost with an older database is seen at the end alone.
    loss = Loss(presence=_goes_on_with_another_topic(stack))
    if loss.presence:
        stack.empty_database()
        stack.start_services()
        wait_for("all are stored", lambda: not stack.not_ready(), _READY_SECONDS)
    tree = _release_before(stack.directory / "before")
    # What is a timer to this release is a person to that one, and it remembers no timer's grid.
    round_.fleet.name_every_resume()
    _keep_signs_of_life(stack, "together")
    try:
        for name in (*INGESTS, *PROCESSORS):
            _replace(stack, name, {"PYTHONPATH": str(tree)})
        round_.last(15, 20)
    finally:
        for name in (*PROCESSORS, *INGESTS):
            _replace(stack, name, {})
    _keep_signs_of_life(stack, "apart")
    return loss


def _goes_on_with_another_topic(stack: Stack) -> bool:
    """As after ``accept-loss --new-topic``: the release before refuses such a database."""
    return stack.rows("SELECT log_base > 0 FROM deployment") == [(True,)]


def _replace(stack: Stack, name: str, environment: Mapping[str, str]) -> None:
    """It ends in order, and another one begins in its place; the next one's turn is when that is
    ready."""
    managed = stack.managed[name]
    managed.stop()
    own = {**stack.environment(name), **environment}
    managed.child = dataclasses.replace(managed.child, environment=own)
    managed.start()
    wait_for(f"{name} is ready", partial(stack.is_ready, name), _READY_SECONDS)
    if _tells_a_version(stack, name) is bool(environment):
        raise NothingHappenedError(f"{name} is of the other release")


def _tells_a_version(stack: Stack, name: str) -> bool:
    """As this release does among its metrics, and the one before does not."""
    with urlopen(f"http://127.0.0.1:{stack.admin_ports[name]}/metrics", timeout=5) as answer:
        return b"_build_info{" in answer.read()


def _keep_signs_of_life(stack: Stack, where: str) -> None:
    """As each of the two releases wants them (ADR 12)."""
    done = stack.command("migrate", "--signs-of-life", where)
    if done.returncode:
        raise RuntimeError(f"signs of life {where}: {done.stdout}{done.stderr}")


def _release_before(folder: Path) -> Path:
    """Its code, from Git."""
    if not folder.exists():
        command = ["git", "archive", "--format=tar", BEFORE, *_FOLDERS]
        archived = subprocess.run(command, cwd=_ROOT, capture_output=True, check=True)
        with tarfile.open(fileobj=io.BytesIO(archived.stdout)) as tree:
            tree.extractall(folder, filter="data")
    return folder


def no_release_before(_: Stack) -> str | None:
    """Why its code is not here, if it is not."""
    command = ["git", "cat-file", "-e", f"{BEFORE}^{{commit}}"]
    try:
        done = subprocess.run(command, cwd=_ROOT, capture_output=True, check=False)
    except OSError as error:
        return f"git: {error}"
    return None if done.returncode == 0 else f"a checkout without commit {BEFORE}"


KINDS: Final = [told("rolling-upgrade", upgrade, no_release_before)]
