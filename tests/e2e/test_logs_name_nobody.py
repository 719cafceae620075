"""The logs of a whole stack hold no token, no body, no user id and no client address, and neither
the database nor Kafka holds an address: every process of it, Kafka and PostgreSQL too, through a
phone's life, staff's reads and their audit, an opt-out and an erasure, and all that goes wrong on
the way.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from pathlib import Path

import aiohttp

from deploy.roles.api_keys import KeyTable
from deploy.tokens import make_token, signing_key
from schemas.log.topics import EVENTS
from tests.e2e.stack import Up
from tests.rigs.kept_bytes import files_with
from tests.rigs.privacy_rig import traces
from tests.rigs.rig import rows, wait_for

USER = "ulrike-who-must-not-be-named"
NAME = "Ulrike von Niemand"
SCREEN = "Chat with somebody secret"
MODEL = "a phone that nobody else has"
ADDRESS = "203.0.113.77"
BROKEN_BODY = '{"screen": "a secret that does not end'
PROCESSES = ("front", "processor", "kafka", "postgres")
EVERY_SCOPE = "presence:read presence:export presence:audit presence:privacy"


def test_no_log_of_a_whole_run_names_anybody(plain_up: Up) -> None:
    """The last test of its stack, which it ends."""
    up, key = plain_up, signing_key(plain_up.data_dir, {})
    phone = make_token(key, user=USER, name=NAME, expires_seconds=600, environment={})
    staff = make_token(
        key, user="staff-who-reads", scope=EVERY_SCOPE, expires_seconds=600, environment={}
    )
    forged = make_token(
        "another key of thirty-two bytes...", user=USER, expires_seconds=600, environment={}
    )
    key_of_a_program = KeyTable(up.database_url()).create("Mail", ["presence:read"], None)
    asyncio.run(live(up, phone, staff, forged, key_of_a_program))
    assert traces(up.database_url(), ADDRESS) == []
    assert up.interrupt() == 0
    in_kafka = files_with(up.data_dir / "kafka", USER.encode(), ADDRESS.encode())
    logs = written(up.data_dir / "logs")
    logs[Path("rollcall up")] = up.output
    # Retention has not passed: the log still has what she sent, and nothing of where from.
    assert in_kafka[EVENTS] == {USER.encode()}
    assert not any(ADDRESS.encode() in found for found in in_kafka.values())
    for process in PROCESSES:
        assert any(process in path.name and text for path, text in logs.items()), process
    tokens = (phone, staff, forged)
    for secret in (
        *(USER, NAME, SCREEN, MODEL, ADDRESS, "a secret that does not end"),
        *(*tokens, *map(signature, tokens), key_of_a_program, key),
        os.environ["ROLLCALL_USER_HASH_KEY"],
    ):
        found = {path.name for path, text in logs.items() if secret in text}
        assert found == set(), secret


async def live(up: Up, phone: str, staff: str, forged: str, key_of_a_program: str) -> None:
    """A phone's life with all that goes wrong, staff who looks and erases, and the end of it."""
    beat, out = f"{up.url}/api/update-online-status", f"{up.url}/api/logout-status"
    async with aiohttp.ClientSession(headers={"X-Forwarded-For": ADDRESS}) as http:

        async def post(url: str, token: str, body: str) -> int:
            headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
            async with http.post(url, data=body, headers=headers) as answer:
                await answer.read()
                return answer.status

        said = {"screen": SCREEN, "device_info": MODEL}
        assert await post(beat, phone, json.dumps(said)) == 200
        assert await post(beat, phone, BROKEN_BODY) == 200
        assert await post(beat, forged, "{}") == 401
        assert await post(beat, "no token at all", "{}") == 401
        assert await post(beat, phone, json.dumps({"device_id": "d" * 500})) == 422
        async with http.ws_connect(f"{up.url}/api/ws") as socket:
            await socket.send_json({"type": "auth", "token": phone})
            assert (await socket.receive_json())["type"] == "welcome"
            await socket.send_str("this is no frame: a secret that does not end")
            await asyncio.wait_for(socket.receive(), 60)
        url = up.database_url()
        wait_for(
            "the user is stored",
            lambda: rows(url, "SELECT FROM presence WHERE user_id = %s", USER),
        )
        reader = {"Authorization": f"Bearer {staff}"}
        for path in (
            f"users/{USER}",
            f"users/{USER}/timeline",
            f"users?q={USER[:6]}",
            "users/x",
            "online-users?sort=nonsense",
            f"users?cursor={USER}",
            f"users/{USER}/data",
            f"users/{USER}/tracking",
            f"users/{USER}/nothing",
            f"audit?user={USER}",
            f"audit?user={USER}&cursor={USER}",
            f"erasures/{USER}",
        ):
            async with http.get(f"{up.url}/api/v1/{path}", headers=reader) as answer:
                assert answer.status in (200, 400, 404), path
        program = {"Authorization": f"Bearer {key_of_a_program}"}
        for path, status in ((f"users/{USER}", 200), (f"audit?user={USER}", 403)):
            async with http.get(f"{up.url}/api/v1/{path}", headers=program) as answer:
                assert answer.status == status, path
        body = json.dumps({"user_ids": [USER]})
        assert await post(f"{up.url}/api/v1/users/lookup", staff, body) == 200
        assert await post(f"{up.url}/api/v1/audiences/export", staff, "{}") == 200
        assert await post(out, phone, "") == 200
        wait_for(
            "the user is offline",
            lambda: (
                rows(url, "SELECT state::text FROM presence WHERE user_id = %s", USER)
                == [("offline",)]
            ),
        )
        for method, path, token in (
            ("GET", "me/data", phone),
            ("PUT", "me/tracking", phone),
            ("DELETE", "me", phone),
            ("PUT", f"users/{USER}/tracking", staff),
            ("DELETE", f"users/{USER}", staff),
            ("DELETE", f"users/{USER}", phone),
        ):
            async with http.request(
                method,
                f"{up.url}/api/v1/{path}",
                headers={"Authorization": f"Bearer {token}"},
                json={"enabled": False} if method == "PUT" else None,
            ) as answer:
                refused = (method, token) == ("DELETE", phone) and path != "me"
                assert answer.status == 403 if refused else answer.status in (200, 202), path
        # Of somebody who has opted out, or was erased.
        assert await post(beat, phone, json.dumps(said)) == 200
        wait_for(
            "the user is not stored",
            lambda: not rows(url, "SELECT FROM presence WHERE user_id = %s", USER),
        )


def signature(token: str) -> str:
    return token.rpartition(".")[2]


def written(folder: Path) -> dict[Path, str]:
    deadline = time.monotonic() + 60
    while not (found := [path for path in folder.rglob("*") if path.is_file()]):
        assert time.monotonic() < deadline, "there are no logs"
    return {path: path.read_text("utf-8", "replace") for path in found}
