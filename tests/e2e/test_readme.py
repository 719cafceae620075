"""The five steps of README, and everybody's first commands, run as printed, in one shell each, from
the repository's directory."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.stack import Up, assert_five_steps, get

ROOT = Path(__file__).parents[2]
SUCCESS = {"success": True}


@pytest.fixture
def stack(plain_up: Up) -> Up:
    return plain_up


def five_steps() -> str:
    """The commands of the README's section, comments included."""
    section = (ROOT / "README.md").read_text("utf-8").split("## The five-step test")[1]
    found = re.search(r"```sh\n(.*?)```", section, re.DOTALL)
    assert found is not None
    return found[1]


def replace_once(text: str, before: str, after: str) -> str:
    assert text.count(before) == 1
    return text.replace(before, after)


def run(script: str, stack: Up) -> str:
    """What commands print. The address, the data and the environment are the test's own; all else
    is as printed."""
    script = script.replace("http://127.0.0.1:8080", stack.url)
    script = script.replace(".venv/bin/rollcall", f"{sys.executable} -m deploy.cli")
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=ROOT,
        env={**os.environ, "ROLLCALL_DATA_DIR": str(stack.data_dir)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_the_five_steps_of_the_readme_run_as_printed(stack: Up) -> None:
    printed = run(five_steps(), stack)
    answers: list[dict[str, Any]] = [json.loads(line) for line in printed.splitlines()]
    assert_five_steps(answers)
    assert [each["count"] for each in answers if "count" in each] == [1]
    others = [each for each in answers if "user_id" not in each and "count" not in each]
    assert others == [SUCCESS] * 7


def first_commands(reader: str) -> str:
    """Of a section of docs/getting-started.md."""
    page = (ROOT / "docs/getting-started.md").read_text("utf-8")
    found = re.search(rf"^## {reader}\n.*?^```sh\n(.*?)^```", page, re.M | re.S)
    assert found is not None, reader
    return found[1]


def test_everybodys_first_commands_run_as_printed(stack: Up) -> None:
    assert json.loads(run(first_commands("Mobile developer"), stack)) == SUCCESS

    link = run(first_commands("Support"), stack).strip()
    address, _, token = link.partition("#token=")
    assert address == f"{stack.url}/login"
    assert get(f"{stack.url}/api/v1/users/ada", token)[0] == 200

    heading, *_ = run(first_commands("Analyst"), stack).splitlines()
    assert [word.strip() for word in heading.split("|")][:2] == ["hour", "screen"]

    ports = str(stack.data_dir / "ports.json")
    commands = replace_once(first_commands("SRE"), ".rollcall/ports.json", ports)
    front, processor, *lag = run(commands, stack).splitlines()
    assert json.loads(front)["status"] == json.loads(processor)["status"] == "ready"
    assert all(line.startswith("rollcall_processor_lag_records{") for line in lag)
