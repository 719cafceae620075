"""The five steps of an integration through `rollcall up`'s real processes, with short windows.

Requests are those of the published sample. What is waited for is always a condition of the answers;
time that must pass is log time, read from the count's ``as_of``.
"""

from __future__ import annotations

import http.client
import json
import signal
import subprocess
import uuid
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, urlsplit

import psutil
import pytest

from deploy.local.ports import free_port
from tests.e2e.stack import ROLLCALL, Up, get
from tests.integration.rig import wait_for

OFFLINE_AFTER_SECONDS = 6
FENCE_SECONDS = 2
JSON = {"content-type": "application/json; charset=utf-8", "user-agent": "Dart/3.5 (dart:io)"}


class Phone:
    """The published sample with one token."""

    def __init__(self, stack: Stack, user: str) -> None:
        self._stack = stack
        self.user = user
        self.token = stack.token(user)

    def log_in_again(self) -> None:
        """As after a new login or a refresh: another token of the same user."""
        self.token = self._stack.token(self.user)

    def beat(self, screen: str) -> int:
        body = json.dumps({"app_version": "1.4.2", "device_info": "Pixel 8", "screen": screen})
        if screen == "background":
            body = '{"screen":"background"}'
        return self._post("/api/update-online-status", body)

    def log_out(self) -> int:
        return self._post("/api/logout-status", "")

    def _post(self, path: str, body: str) -> int:
        connection = http.client.HTTPConnection(urlsplit(self._stack.url).netloc, timeout=30)
        try:
            headers = {**JSON, "authorization": f"Bearer {self.token}"}
            connection.request("POST", path, body.encode(), headers)
            response = connection.getresponse()
            answer = response.read()
            if response.status == 200:
                assert answer == b'{"success": true}'
            return response.status
        finally:
            connection.close()


class Stack:
    """A started `rollcall up` and what support staff see of it."""

    def __init__(self, up: Up) -> None:
        self.up = up
        self.url = up.url
        self._staff = self.token("staff", "--scope", "presence:read")

    def token(self, user: str, *arguments: str) -> str:
        command = [*ROLLCALL, "token", "--user", user, "--data-dir", str(self.up.data_dir)]
        done = subprocess.run(
            [*command, *arguments], capture_output=True, text=True, timeout=30, check=True
        )
        return done.stdout.strip()

    def phone(self) -> Phone:
        return Phone(self, f"user-{uuid.uuid4().hex[:8]}")

    def user(self, user: str) -> dict[str, Any]:
        """The user as the API shows them; ``{"state": None}`` while unknown."""
        status, body = get(f"{self.url}/api/v1/users/{quote(user)}", self._staff)
        if status == 404:
            return {"state": None}
        assert status == 200, body
        answer: dict[str, Any] = json.loads(body)
        return answer

    def online(self) -> list[str]:
        status, body = get(f"{self.url}/api/v1/online-users", self._staff)
        assert status == 200, body
        return [item["user_id"] for item in json.loads(body)["items"]]

    def count(self) -> dict[str, Any]:
        status, body = get(f"{self.url}/api/online-users-count")
        assert status == 200, body
        answer: dict[str, Any] = json.loads(body)
        return answer

    def log_time(self) -> datetime:
        """What everything that we read is complete up to."""
        as_of = wait_for("as_of is known", lambda: self.count()["as_of"])
        return datetime.fromisoformat(as_of)

    def let_pass(self, seconds: float) -> None:
        """Wait until the log is that much further on."""
        until = self.log_time() + timedelta(seconds=seconds)
        wait_for(f"log time reaches {until}", lambda: self.log_time() >= until)

    def settled(self) -> None:
        """Wait until everything accepted before now is in the answers."""
        self.let_pass(0.5)

    def process(self, *words: str) -> psutil.Process:
        """The process (not its guard) whose command line holds all of ``words``."""
        [found] = [
            process
            for process in self.up.family()
            if all(any(word in part for part in process.cmdline()) for word in words)
            and not any("guard.py" in part for part in process.cmdline())
        ]
        return found


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    up = Up(
        tmp_path_factory.mktemp("steps") / "data",
        free_port(),
        *("--offline-after", str(OFFLINE_AFTER_SECONDS), "--heartbeat-interval", "1"),
        "--allow-short-timing",
        ROLLCALL_LOGOUT_FENCE_SECONDS=str(FENCE_SECONDS),
        ROLLCALL_OUTAGE_GAP_SECONDS="4",
    )
    try:
        yield Stack(up.wait_ready())
    finally:
        up.end()


def shows(stack: Stack, phone: Phone, state: str, screen: str | None = None) -> dict[str, Any]:
    """Wait until the user is shown in this state, on this screen."""

    def seen() -> dict[str, Any] | None:
        user = stack.user(phone.user)
        return user if user["state"] == state and user["screen"] == screen else None

    return wait_for(f"{phone.user} is {state} on {screen}", seen)


def five_steps(stack: Stack, between: Callable[[], None]) -> None:
    """Log in, navigate, background, log out, log in again; ``between`` runs in the middle."""
    phone = stack.phone()
    others = stack.count()["count"]
    assert phone.beat("Home") == 200
    first = shows(stack, phone, "foreground", "Home")
    assert phone.user in stack.online()
    assert stack.count()["count"] > others - 1

    assert phone.beat("Cart") == 200
    between()
    second = shows(stack, phone, "foreground", "Cart")
    assert second["last_active"] > first["last_active"]
    assert second["online_since"] == first["online_since"]

    assert phone.beat("background") == 200
    shows(stack, phone, "background", "Cart")
    gone = shows(stack, phone, "offline")
    assert gone["reason"] == "timed_out"
    silence = datetime.fromisoformat(gone["offline_since"]) - datetime.fromisoformat(
        gone["last_active"]
    )
    assert silence >= timedelta(seconds=OFFLINE_AFTER_SECONDS)
    assert phone.user not in stack.online()

    assert phone.beat("Home") == 200
    shows(stack, phone, "foreground", "Home")
    assert phone.log_out() == 200
    out = shows(stack, phone, "offline")
    assert out["reason"] == "logged_out"

    phone.log_in_again()
    assert phone.beat("Home") == 200
    back = shows(stack, phone, "foreground", "Home")
    assert back["online_since"] > out["changed_at"]


def test_the_five_steps_of_an_integration(stack: Stack) -> None:
    five_steps(stack, between=lambda: None)


def test_the_five_steps_with_the_processor_killed_in_the_middle(stack: Stack) -> None:
    five_steps(stack, between=lambda: stack.process("-m", "processor").kill())


def test_unknown_in_the_background_is_the_foreground_on_the_old_screen(stack: Stack) -> None:
    phone = stack.phone()
    phone.beat("Film")
    phone.beat("background")
    shows(stack, phone, "background", "Film")
    phone.beat("Unknown")
    assert shows(stack, phone, "foreground", "Film")["reason"] == "resumed"


def test_background_and_then_silence_is_offline(stack: Stack) -> None:
    phone = stack.phone()
    phone.beat("background")
    shows(stack, phone, "background")
    assert shows(stack, phone, "offline")["reason"] == "timed_out"


def test_late_beats_of_a_logged_out_token_do_not_undo_the_logout(stack: Stack) -> None:
    phone = stack.phone()
    phone.beat("Home")
    shows(stack, phone, "foreground", "Home")
    phone.log_out()
    for _ in ("within the fence", "after it"):
        phone.beat("background")
        phone.beat("Unknown")
        stack.let_pass(FENCE_SECONDS + 0.5)
        assert shows(stack, phone, "offline")["reason"] == "logged_out"


def test_a_logout_with_a_token_refreshed_since_the_last_heartbeat_is_offline(stack: Stack) -> None:
    phone = stack.phone()
    phone.beat("Home")
    shows(stack, phone, "foreground", "Home")
    phone.log_in_again()
    phone.log_out()
    assert shows(stack, phone, "offline")["reason"] == "logged_out"
    for _ in ("within the fence", "after it"):
        phone.beat("background")
        phone.beat("Unknown")
        stack.let_pass(FENCE_SECONDS + 0.5)
        assert stack.user(phone.user)["state"] == "offline"


def test_a_processor_that_was_frozen_shows_stale_counts_and_nobody_falsely_offline(
    stack: Stack,
) -> None:
    phone = stack.phone()
    phone.beat("Home")
    shows(stack, phone, "foreground", "Home")
    since = stack.user(phone.user)["online_since"]
    processor = stack.process("-m", "processor")
    processor.send_signal(signal.SIGSTOP)
    try:

        def stale_while_beating() -> bool:
            assert phone.beat("Home") == 200
            return bool(stack.count()["stale"])

        wait_for("the count says that it is stale", stale_while_beating)
    finally:
        processor.send_signal(signal.SIGCONT)
    phone.beat("Home")
    wait_for("the count is fresh again", lambda: not stack.count()["stale"])
    assert stack.user(phone.user)["online_since"] == since


def test_kafka_being_away_is_a_503_and_puts_nobody_offline(stack: Stack) -> None:
    phone = stack.phone()
    assert phone.beat("Home") == 200
    since = shows(stack, phone, "foreground", "Home")["online_since"]
    front = stack.process("deploy.local.front").pid
    kafka = stack.process("kafka.Kafka")
    kafka.send_signal(signal.SIGSTOP)
    try:
        wait_for("ingest answers 503", lambda: phone.beat("Home") == 503)
        before = stack.log_time()
        wait_for(
            "longer than offline_after passes",
            lambda: (
                (datetime.now(before.tzinfo) - before).total_seconds() > OFFLINE_AFTER_SECONDS + 1
            ),
        )
    finally:
        kafka.send_signal(signal.SIGCONT)
    wait_for("ingest answers 200 again", lambda: phone.beat("Unknown") == 200)
    stack.settled()
    user = stack.user(phone.user)
    assert (user["state"], user["screen"], user["online_since"]) == ("foreground", "Home", since)
    assert stack.process("deploy.local.front").pid == front
