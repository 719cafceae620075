"""`docker compose up`, where a Docker engine answers: builds the image, which takes minutes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import urllib.request
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from deploy.local.ports import free_port
from tests.conftest import docker_answers
from tests.contract.harness import SECRET, token
from tests.e2e.browser import wait_until
from tests.unit.compose_file import ROOT

MISSING = "no Docker engine answers here, or it lacks the plugin `docker compose`"


def can_compose() -> bool:
    if shutil.which("docker") is None or not docker_answers():
        return False
    asked = subprocess.run(["docker", "compose", "version"], capture_output=True, check=False)
    return asked.returncode == 0


pytestmark = pytest.mark.skipif(not can_compose(), reason=MISSING)


def compose(project: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            "docker",
            "compose",
            "--project-name",
            project,
            "--file",
            "docker-compose.yml",
            *arguments,
        ],
        cwd=ROOT,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def origin() -> Iterator[str]:
    project = f"rollcall-{uuid.uuid4().hex[:8]}"
    variables = {"ROLLCALL_JWT_SECRET": SECRET, "ROLLCALL_PORT": str(free_port())}
    try:
        started = compose(project, "up", "--build", "--wait", "--wait-timeout", "600", **variables)
        assert started.returncode == 0, started.stderr
        yield f"http://127.0.0.1:{variables['ROLLCALL_PORT']}"
    finally:
        compose(project, "down", "--volumes", "--remove-orphans", **variables)


def test_a_heartbeat_is_counted_by_the_whole_stack(origin: str) -> None:
    request = urllib.request.Request(  # noqa: S310 - http://
        f"{origin}/api/update-online-status",
        data=b'{"screen": "Home"}',
        headers={"Authorization": f"Bearer {token('ada')}"},
    )
    assert json.loads(read(request)) == {"success": True}
    wait_until(
        lambda: json.loads(read(f"{origin}/api/online-users-count"))["count"] == 1, "ada is online"
    )


def read(what: Any) -> bytes:
    with urllib.request.urlopen(what, timeout=20) as answer:  # noqa: S310
        return bytes(answer.read())


def test_without_a_source_of_tokens_the_stack_says_what_to_set() -> None:
    project = f"rollcall-{uuid.uuid4().hex[:8]}"
    try:
        refused = compose(project, "run", "--build", "--rm", "secrets", ROLLCALL_JWT_SECRET="")
        assert refused.returncode == 2
        assert "set exactly one of ROLLCALL_JWT_SECRET" in refused.stderr + refused.stdout
    finally:
        compose(project, "down", "--volumes")
