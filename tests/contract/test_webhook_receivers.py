"""Signatures of ours, taken by the published libraries of Standard Webhooks, which we did not
write: https://www.standardwebhooks.com."""

from __future__ import annotations

import asyncio
import hashlib
import json
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from deploy.local.jars import cache_dir
from deploy.local.lock import file_lock
from schemas.webhooks.message import message_body
from schemas.webhooks.signing import new_secret, secret_key, signed_headers
from tests.contract.node import packages, run

PROGRAMS = Path(__file__).parent / "webhook_receivers"
BODY = message_body(['{"user_id":"Zoë"}'.encode()], "2026-03-30T12:00:00.412Z")

#: Secret, headers and body to what the library made of them; ``None``: it refused.
Library = Callable[[str, dict[str, str], bytes], Awaitable[Any]]


def python_packages() -> Path:
    """What ``requirements.txt`` names, by its hashes; installed once into the user's cache. Without
    pip, as in our image, the test is skipped."""
    if find_spec("pip") is None:
        pytest.skip("needs pip, which installs the library that is tested")
    wanted = PROGRAMS / "requirements.txt"
    kept = cache_dir() / f"pip-{hashlib.sha256(wanted.read_bytes()).hexdigest()[:12]}"
    stamp = kept / "complete"
    kept.mkdir(parents=True, exist_ok=True)
    with file_lock(kept / "lock"):
        if not stamp.exists():
            command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
            command += ["--disable-pip-version-check", "--require-hashes", "--upgrade"]
            command += ["--target", str(kept / "packages"), "--requirement", str(wanted)]
            done = subprocess.run(command, capture_output=True, text=True)
            assert done.returncode == 0, done.stdout + done.stderr
            stamp.touch()
    return kept / "packages"


async def by_python(secret: str, headers: dict[str, str], body: bytes) -> Any:
    return await asyncio.to_thread(_by_python, secret, headers, body)


def _by_python(secret: str, headers: dict[str, str], body: bytes) -> Any:
    asked = json.dumps({"secret": secret, "headers": headers, "body": body.decode()})
    done = subprocess.run(
        [sys.executable, str(PROGRAMS / "verify.py")],
        env={"PYTHONPATH": str(python_packages())},
        input=asked,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return json.loads(done.stdout)


async def by_node(secret: str, headers: dict[str, str], body: bytes) -> Any:
    asked = json.dumps({"secret": secret, "headers": headers, "body": body.decode()})
    modules = f"{packages(PROGRAMS)}/"
    return json.loads(await run(PROGRAMS / "verify.mjs", NODE_PACKAGES=modules, ASKED=asked))


@pytest.mark.parametrize("library", [by_python, by_node])
async def test_a_published_library_takes_what_we_sign_and_nothing_else(library: Library) -> None:
    secret, old, now = new_secret(), new_secret(), int(time.time())
    headers = signed_headers(map(secret_key, (secret, old)), "msg_5f2b8c0e9d4a7b61c3", now, BODY)
    taken = {"made with": secret, "the one of before": old}
    assert [await library(each, headers, BODY) for each in taken.values()] == [json.loads(BODY)] * 2
    assert await library(new_secret(), headers, BODY) is None
    assert await library(secret, headers, BODY.replace(b"Zo", b"Lo")) is None
    late = signed_headers([secret_key(secret)], "msg_5f2b8c0e9d4a7b61c3", now - 400, BODY)
    assert await library(secret, late, BODY) is None
