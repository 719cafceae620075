"""An app whose back end is a Laravel: the README's five steps with Sanctum's tokens, nothing else
changed. The back end is a small real one that this test starts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.e2e.stack import assert_five_steps
from tests.e2e.stacks import running_up
from tests.e2e.test_readme import ROOT, five_steps, replace_once

FIRST = "12|Zq8cVtX0JkfQm3r1b7yHn2LwPs9uEdGaOiTzKj4Mf3a91c7d"
SECOND = "13|Lp2sXw9uEdGaOiTzKj4MQm3r1b7yHnZq8cVtX0Jkf5b82e6f0"
STAFF_SECRET = "the secret of staff, of 32 bytes and more"


class Laravel(ThreadingHTTPServer):
    """``/api/user`` as Laravel answers it; ``asked`` are the tokens that came."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Route)
        self.asked: list[str] = []
        self.url = f"http://127.0.0.1:{self.server_port}/api/user"


class _Route(BaseHTTPRequestHandler):
    server: Laravel

    def do_GET(self) -> None:
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        self.server.asked.append(token)
        if token in (FIRST, SECOND):
            self._answer(200, {"id": "ada", "name": "Ada Lovelace", "email": "ada@example.com"})
        elif self.headers.get("Accept") == "application/json":
            self._answer(401, {"message": "Unauthenticated."})
        else:
            self.send_response(302)
            self.send_header("Location", "/login")
            self.end_headers()

    def _answer(self, status: int, answer: dict[str, str]) -> None:
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        """Nothing on the test's standard error."""


@contextmanager
def laravel() -> Iterator[Laravel]:
    server = Laravel()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_the_five_steps_with_tokens_that_only_the_back_end_knows() -> None:
    with laravel() as back_end:
        environment = {
            "ROLLCALL_USERINFO_URL": back_end.url,
            "ROLLCALL_STAFF_JWT_SECRET": STAFF_SECRET,
        }
        made = '$(.venv/bin/rollcall token --user ada --name "Ada Lovelace")'
        script = five_steps().replace(made, f"'{FIRST}'", 1)
        script = replace_once(script, made, f"'{SECOND}'")
        script = script.replace(".venv/bin/rollcall", f"{sys.executable} -m deploy.cli")
        with running_up(**environment) as up:
            done = subprocess.run(
                [
                    *("bash", "-euo", "pipefail", "-c"),
                    replace_once(script, "http://127.0.0.1:8080", up.url),
                ],
                cwd=ROOT,
                env={**os.environ, **environment, "ROLLCALL_DATA_DIR": str(up.data_dir)},
                capture_output=True,
                text=True,
                timeout=120,
                check=True,
            )
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert_five_steps(answers)
    assert {each["name"] for each in answers if "user_id" in each} == {"Ada Lovelace"}
    assert back_end.asked == [FIRST, SECOND], "a heartbeat is no call to the back end"
