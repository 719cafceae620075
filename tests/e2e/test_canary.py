"""`rollcall canary` beside a running stack: shown right, in no count, and what is false is told."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from prometheus_client.parser import text_string_to_metric_families

from deploy.local.ports import free_port
from deploy.tokens import make_token, signing_key
from tests.e2e.driver import PROCESSOR, Stack
from tests.e2e.stack import STOP_SECONDS
from tests.rigs.rig import wait_for
from tests.suite.forks import run_python, start_python

SECONDS = 120.0
#: False where it should not be is a fault of a loaded machine, too: it may be late by so much.
SETTLE_SECONDS = 4.0


class Canaries:
    """A process of `rollcall canary` with this file of tokens."""

    def __init__(self, stack: Stack, tokens: Path, log: Path) -> None:
        self.port = free_port()
        self.log = log
        key = signing_key(stack.up.data_dir)
        reader = make_token(key, user="canaries", expires_seconds=3600, scope="presence:read")
        self.process = start_python(
            ["-m", "deploy.cli", "canary"],
            env={
                **os.environ,
                "ROLLCALL_CANARY_TOKENS_FILE": str(tokens),
                "ROLLCALL_CANARY_API_KEY": reader,
                "ROLLCALL_CANARY_URL": stack.up.url,
                "ROLLCALL_CANARY_HEARTBEAT_SECONDS": "1",
                "ROLLCALL_CANARY_POLL_SECONDS": "0.3",
                "ROLLCALL_CANARY_SETTLE_SECONDS": str(SETTLE_SECONDS),
                "ROLLCALL_CANARY_ADMIN_PORT": str(self.port),
            },
            stderr=log.open("wb"),
        )

    def get(self, path: str) -> str:
        try:
            with urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
                return str(answer.read().decode())
        except HTTPError as error:
            return str(error.read().decode())
        except OSError:
            return ""

    def metric(self, name: str, **labels: str) -> float:
        """The sum of the series with these labels."""
        return sum(
            sample.value
            for family in text_string_to_metric_families(self.get("/metrics"))
            for sample in family.samples
            if sample.name == f"rollcall_canary_{name}" and labels.items() <= sample.labels.items()
        )

    def wait_for_false(self, *states: str) -> None:
        """Until canaries were falsely in one of the states for a second more."""

        def seconds() -> float:
            return sum(self.metric(f"false_{state}_seconds_total") for state in states)

        before = seconds()
        wait_for(f"false {states}", lambda: seconds() > before + 1 or None, SECONDS)

    def wait(self, what: str, least: float, name: str, **labels: str) -> None:
        wait_for(what, lambda: self.metric(name, **labels) >= least or None, SECONDS)


def tokens_of(
    stack: Stack, users: range, expires: float = 600.0, *, canary: bool = True, key: str = ""
) -> str:
    key = key or signing_key(stack.up.data_dir)
    made = [
        make_token(key, user=f"canary-{n}", expires_seconds=expires, canary=canary) for n in users
    ]
    return "".join(f"{token}\n" for token in made)


@pytest.fixture
def canaries(short_stack: Stack, tmp_path: Path) -> Iterator[Canaries]:
    path = tmp_path / "tokens"
    path.write_text(tokens_of(short_stack, range(4)))
    running = Canaries(short_stack, path, tmp_path / "log")
    try:
        yield running
    finally:
        running.process.kill()
        running.process.wait(STOP_SECONDS)


def test_canaries_are_shown_right_in_no_count_and_what_is_false_is_measured(
    short_stack: Stack, canaries: Canaries, tmp_path: Path
) -> None:
    stack, path = short_stack, tmp_path / "tokens"
    for transport in ("http", "socket"):
        for change in ("arrival", "screen", "background", "return", "logout"):
            canaries.wait(
                f"{change} over {transport} is detected",
                1,
                "detection_seconds_count",
                transport=transport,
                change=change,
            )
    assert canaries.metric("devices", transport="http") == 2
    assert canaries.metric("devices", transport="socket") == 2
    assert canaries.metric("unmarked") == 0
    assert canaries.metric("calls_total", outcome="accepted") > 20
    assert '"ready"' in canaries.get("/readyz")
    # They are users with a row, and nothing else of them is stored.
    ids = [f"canary-{n}" for n in range(4)]
    assert stack.select(
        "SELECT count(*) FROM presence WHERE canary AND user_id = ANY(%s)", ids
    ) == [(4,)]
    for table in ("changes", "spans", "sessions", "user_days"):
        query = f"SELECT count(*) FROM {table} WHERE user_id = ANY(%s)"
        assert stack.select(query, ids) == [(0,)]
    assert not {user["user_id"] for user in stack.people()} & set(ids)
    assert "Canary one" not in {row[0] for row in stack.select("SELECT screen FROM live_screens")}

    # A processor that stands still: who comes or goes is not shown.
    frozen = stack.process(PROCESSOR)
    frozen.send_signal(signal.SIGSTOP)
    try:
        canaries.wait_for_false("offline", "online")
    finally:
        frozen.send_signal(signal.SIGCONT)

    # Calls that are refused, as where ingest has a wrong key: who is online is shown offline.
    path.write_text(tokens_of(stack, range(4), key="another key, which nobody has told ingest of"))
    canaries.wait_for_false("offline")
    assert canaries.metric("false_offline_total", transport="http") >= 1
    canaries.wait("a call is refused", 1, "calls_total", outcome="refused", transport="http")

    # Tokens are renewed in place; a bad file leaves those from before.
    path.write_text("no token of a user\n")
    wait_for("it is told", lambda: canaries.metric("tokens_usable") == 0 or None, SECONDS)
    assert "line 1: give a token, or a user id" in canaries.log.read_text()
    path.write_text(tokens_of(stack, range(1, 6), 5_000))
    wait_for("it is good again", lambda: canaries.metric("tokens_usable") == 1 or None, SECONDS)
    assert canaries.metric("devices") == 5
    canaries.wait("the tokens are the renewed ones", 4_000, "token_seconds")

    # Whose tokens lack the claim is counted, and that is told.
    path.write_text(tokens_of(stack, range(10, 11), canary=False))
    canaries.wait("one that counts as a person is told", 1, "unmarked")
    assert "counted as people" in canaries.log.read_text()
    canaries.process.send_signal(signal.SIGTERM)
    assert canaries.process.wait(STOP_SECONDS) == 0


def test_a_wrong_file_of_tokens_is_one_line_that_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "tokens"
    path.write_text("opaque\n")
    environment = {
        **os.environ,
        "ROLLCALL_CANARY_TOKENS_FILE": str(path),
        "ROLLCALL_CANARY_API_KEY": "x",
    }

    def said() -> tuple[int, str]:
        ended = run_python(["-m", "deploy.cli", "canary"], env=environment, timeout=60)
        return ended.returncode, ended.stderr

    status, words = said()
    assert status == 2
    assert re.fullmatch(
        r"rollcall: ROLLCALL_CANARY_TOKENS_FILE: .*tokens: line 1: the token tells no user .*\n",
        words,
    )
    del environment["ROLLCALL_CANARY_API_KEY"]
    status, words = said()
    assert (status, words) == (2, "rollcall: ROLLCALL_CANARY_API_KEY: Field required\n")
