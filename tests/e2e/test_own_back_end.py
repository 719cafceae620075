"""An app whose back end is a Laravel: the README's five steps with Sanctum's tokens, nothing else
changed; and the secret of its staff, which is its own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import pytest

from tests.e2e.laravel import FIRST, SECOND, Laravel
from tests.e2e.stack import Up, assert_five_steps, get
from tests.e2e.stacks import STAFF_SECRET
from tests.e2e.test_readme import ROOT, five_steps, replace_once
from tests.suite.forks import run_python


def test_the_five_steps_with_tokens_that_only_the_back_end_knows(
    staffed_up: Up, back_end: Laravel
) -> None:
    made = '$(.venv/bin/rollcall token --user ada --name "Ada Lovelace")'
    script = five_steps().replace(made, f"'{FIRST}'", 1)
    script = replace_once(script, made, f"'{SECOND}'")
    script = script.replace(".venv/bin/rollcall", f"{sys.executable} -m deploy.cli")
    done = subprocess.run(
        [
            *("bash", "-euo", "pipefail", "-c"),
            replace_once(script, "http://127.0.0.1:8080", staffed_up.url),
        ],
        cwd=ROOT,
        env={
            **os.environ,
            "ROLLCALL_STAFF_JWT_SECRET": STAFF_SECRET,
            "ROLLCALL_DATA_DIR": str(staffed_up.data_dir),
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert_five_steps(answers)
    assert {each["name"] for each in answers if "user_id" in each} == {"Ada Lovelace"}
    assert back_end.asked == [FIRST, SECOND], "a heartbeat is no call to the back end"


def test_staff_may_have_a_secret_of_its_own(
    staffed_up: Up, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = re.search(r"/login#token=(\S+)$", staffed_up.output, re.MULTILINE)
    assert link is not None
    assert get(f"{staffed_up.url}/api/v1/online-users", link[1])[0] == 200
    # Phones have their back end's tokens, which are not ours to print.
    assert "Authorization: Bearer $TOKEN" in staffed_up.output
    assert get(f"{staffed_up.url}/api/v1/online-users", FIRST)[0] == 403
    monkeypatch.delenv("ROLLCALL_STAFF_JWT_SECRET", raising=False)
    command = ["-m", "deploy.cli", "token", "--user", "x", "--scope", "presence:read"]
    by_phones = run_python([*command, "--data-dir", str(staffed_up.data_dir)], env=os.environ)
    assert by_phones.returncode == 0, by_phones.stderr
    # With a back end of their own the development key is no second door.
    assert get(f"{staffed_up.url}/api/v1/online-users", by_phones.stdout.strip())[0] == 401
