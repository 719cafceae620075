"""The five steps of the README run as printed, in one shell, from the repository's directory."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy.local.ports import free_port
from tests.e2e.stack import Up

ROOT = Path(__file__).parents[2]
SUCCESS = {"success": True}


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Up]:
    up = Up(tmp_path / "data", free_port())
    try:
        yield up.wait_ready()
    finally:
        up.end()


def five_steps() -> str:
    """The commands of the README's section, comments included."""
    section = (ROOT / "README.md").read_text("utf-8").split("## The five-step test")[1]
    found = re.search(r"```sh\n(.*?)```", section, re.DOTALL)
    assert found is not None
    return found[1]


def replace_once(text: str, before: str, after: str) -> str:
    assert text.count(before) == 1
    return text.replace(before, after)


def test_the_five_steps_of_the_readme_run_as_printed(stack: Up) -> None:
    # The address, the data and the environment are the test's own; all else is as printed.
    script = replace_once(five_steps(), "http://127.0.0.1:8080", stack.url)
    script = script.replace(".venv/bin/rollcall", f"{sys.executable} -m deploy.cli")
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=ROOT,
        env={**os.environ, "ROLLCALL_DATA_DIR": str(stack.data_dir)},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert done.stderr == ""
    answers: list[dict[str, Any]] = [json.loads(line) for line in done.stdout.splitlines()]
    shown = [(each["state"], each["screen"]) for each in answers if "user_id" in each]
    assert shown == [
        ("foreground", "Home"),
        ("foreground", "Cart"),
        ("background", "Cart"),
        ("offline", None),
        ("offline", None),
        ("foreground", "Home"),
    ]
    assert [each["count"] for each in answers if "count" in each] == [1]
    others = [each for each in answers if "user_id" not in each and "count" not in each]
    assert others == [SUCCESS] * 7
