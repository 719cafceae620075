"""What docs/webhooks.md tells receivers to do, done."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from deploy.listening import create_receiver
from schemas.alerts.evaluate import Notice
from schemas.alerts.message import body as alert_body
from schemas.alerts.rule import parse_rule
from schemas.webhooks.message import TIMERS, message_body
from schemas.webhooks.signing import new_secret, secret_key, signed_headers

PAGE = Path(__file__).parents[3].joinpath("docs/webhooks.md").read_text("utf-8")
BODY = '{"type":"presence.changes","data":{"changes":[{"user_id":"Zoë"}]}}'.encode()


def snippet(language: str) -> str:
    [found] = re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    return str(found)


def by_python(secret: str, headers: dict[str, str], body: bytes) -> bool:
    names: dict[str, Any] = {}
    exec(snippet("python"), names)  # noqa: S102 - our own page's
    return bool(names["is_genuine"](secret, headers, body))


def by_node(secret: str, headers: dict[str, str], body: bytes) -> bool:
    asked = json.dumps([secret, headers, body.decode()])
    script = (
        snippet("js")
        + "const [s, h, b] = JSON.parse(require('node:fs').readFileSync(0));"
        + "console.log(isGenuine(s, h, Buffer.from(b)));"
    )
    done = subprocess.run(
        ["node", "-e", script], input=asked, capture_output=True, text=True, check=True, timeout=30
    )
    return done.stdout == "true\n"


def by_php(secret: str, headers: dict[str, str], body: bytes) -> bool:
    script = (
        snippet("php")
        + "[$s, $h, $b] = json_decode(file_get_contents('php://stdin'), true);"
        + "echo is_genuine($s, $h, $b) ? 'true' : 'false';"
    )
    asked = json.dumps([secret, headers, body.decode()])
    done = subprocess.run(
        ["php", "-r", script], input=asked, capture_output=True, text=True, check=True, timeout=30
    )
    return done.stdout == "true"


Genuine = Callable[[str, dict[str, str], bytes], bool]
WITH_NODE = pytest.mark.skipif(shutil.which("node") is None, reason="there is no Node here")

WITH_PHP = pytest.mark.skipif(shutil.which("php") is None, reason="there is no PHP here")


@pytest.mark.parametrize(
    "is_genuine",
    [
        by_python,
        pytest.param(by_node, marks=WITH_NODE),
        pytest.param(by_php, marks=WITH_PHP),
    ],
)
def test_the_pages_receivers_take_what_is_genuine_and_nothing_else(is_genuine: Genuine) -> None:
    secret, old, now = new_secret(), new_secret(), int(time.time())
    headers = signed_headers(map(secret_key, (secret, old)), "msg_1", now, BODY)
    assert is_genuine(secret, headers, BODY)
    assert is_genuine(old, headers, BODY)
    assert not is_genuine(new_secret(), headers, BODY)
    assert not is_genuine(secret, headers, BODY + b" ")
    late = signed_headers([secret_key(secret)], "msg_1", now - 301, BODY)
    assert not is_genuine(secret, late, BODY)


async def test_listen_shows_changes_that_are_signed_and_refuses_the_rest() -> None:
    secret, shown = new_secret(), list[str]()
    change = {
        "at": "2026-03-30T12:00:00.412Z",
        "user_id": "ada\x1b[31m",
        "reason": "started",
        "state": "foreground",
        "screen": "Cart",
    }
    body = message_body([json.dumps(change).encode()], change["at"])
    headers = signed_headers([secret_key(secret)], "msg_1", int(time.time()), body)
    async with TestClient(TestServer(create_receiver(secret, shown.append))) as client:
        assert (await client.post("/", data=body, headers=headers)).status == 204
        assert (await client.post("/", data=body + b" ", headers=headers)).status == 401
        timer = {"at": "2026-03-30T12:10:00.000Z", "user_id": "ada", "screen": None, "since": "12"}
        due = message_body([json.dumps(timer).encode()], timer["at"] or "", TIMERS)
        signed = signed_headers([secret_key(secret)], "msg_2", int(time.time()), due)
        assert (await client.post("/", data=due, headers=signed)).status == 204
        assert (await client.post("/", data=body)).status == 401
    assert shown[:2] == [
        "msg_1: 1 change, signature verified",
        "  2026-03-30T12:00:00.412Z ada[31m started: foreground on Cart",
    ]
    assert shown[3:5] == [
        "msg_2: 1 timer, signature verified",
        "  2026-03-30T12:10:00.000Z ada offline since 12",
    ]
    assert all(line.startswith("refused: ") for line in (shown[2], *shown[5:]))


async def test_the_receiver_of_the_page_shows_alerts_too() -> None:
    shown: list[str] = []
    secret = new_secret()
    rule = parse_rule({"name": "Few", "of": "online", "is": "below", "value": 10})
    notice = Notice("fired", 1_774_872_000, 1_774_872_000, 7, 10)
    body = alert_body("webhook", "al_0123456789abcdef", rule, notice)
    headers = signed_headers([secret_key(secret)], "msg_1", int(time.time()), body)
    async with TestClient(TestServer(create_receiver(secret, shown.append))) as client:
        assert (await client.post("/", data=body, headers=headers)).status == 204
    assert shown == [
        "msg_1: an alert, signature verified",
        "  2026-03-30T12:00:00.000Z Few: users online 7, below 10; since 2026-03-30 12:00 UTC",
    ]
