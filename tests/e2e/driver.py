"""A phone as the guide's app behaves, and what support staff see of it.

Both go through the front of a started `rollcall up`. Processes and history are looked at beside it,
where a test must know that something happened exactly once.
"""

from __future__ import annotations

import http.client
import json
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlsplit

import psutil

from deploy.simulate.wire import SAMPLE_HEADERS
from deploy.tokens import make_token, signing_key
from tests import guide_app
from tests.e2e.stack import Up, get
from tests.rigs.rig import rows, wait_for

PROCESSOR = ("-m", "processor")
FRONT = ("-m", "deploy.local.front")
KAFKA = ("kafka.Kafka",)

BACKGROUND = guide_app.BACKGROUND.decode()
UNKNOWN = guide_app.UNKNOWN.decode()
#: Of an app that says less: such a beat belongs to the device of its token.
BARE_UNKNOWN = '{"screen":"Unknown"}'
# Longer than a call may wait for Kafka before its 503.
_CALL_SECONDS = 60.0


class Phone:
    """The guide's app: a new connection for each call. Calls return the status. ``user`` is a new
    one unless it is another phone of somebody."""

    def __init__(self, stack: Stack, user: str | None = None) -> None:
        self._stack = stack
        self.user = user or f"user-{uuid.uuid4().hex[:8]}"
        self.take_new_token()

    def take_new_token(self) -> None:
        """As after a login or a refresh: another token of the same user."""
        self.token = self._stack.token(self.user)

    def show(self, screen: str) -> int:
        """The heartbeat of a screen change."""
        screen_as_json = json.dumps(screen, ensure_ascii=False)
        return self.beat(UNKNOWN.replace('"Unknown"', screen_as_json))

    def beat(self, body: str, *, token: str | None = None) -> int:
        return self._post("/api/update-online-status", body, token or self.token)

    def log_out(self) -> int:
        """No body, but a JSON content type."""
        return self._post("/api/logout-status", "", self.token)

    def _post(self, path: str, body: str, token: str) -> int:
        netloc = urlsplit(self._stack.up.url).netloc
        connection = http.client.HTTPConnection(netloc, timeout=_CALL_SECONDS)
        try:
            headers = {**SAMPLE_HEADERS, "authorization": f"Bearer {token}"}
            connection.request("POST", path, body.encode(), headers)
            response = connection.getresponse()
            answer = response.read()
        finally:
            connection.close()
        assert response.status != 200 or answer == b'{"success": true}'
        return response.status


class Stack:
    """A started `rollcall up` and what support staff see of it."""

    def __init__(self, up: Up) -> None:
        self.up = up
        self._key = signing_key(up.data_dir)
        self._staff = make_token(
            self._key, user="staff", expires_seconds=3600, scope="presence:read"
        )

    def token(self, user: str) -> str:
        """What `rollcall token --user …` prints, without its process."""
        return make_token(self._key, user=user, expires_seconds=3600)

    def user(self, phone: Phone) -> dict[str, Any]:
        """The user as the API shows them; state and screen ``None`` while unknown."""
        status, body = self._get(f"/api/v1/users/{quote(phone.user)}", self._staff)
        if status == 404:
            return {"state": None, "screen": None}
        assert status == 200, body
        answer: dict[str, Any] = json.loads(body)
        return answer

    def online(self) -> list[str]:
        """Who is on the list."""
        return [item["user_id"] for item in self.people()]

    def people(self) -> list[dict[str, Any]]:
        """The list of online users, of which this stack never has a second page."""
        status, body = self._get("/api/v1/online-users", self._staff)
        assert status == 200, body
        items: list[dict[str, Any]] = json.loads(body)["items"]
        return items

    def count(self) -> dict[str, Any]:
        status, body = self._get("/api/online-users-count")
        assert status == 200, body
        answer: dict[str, Any] = json.loads(body)
        return answer

    def _get(self, path: str, token: str | None = None) -> tuple[int, bytes]:
        """Again while a machine that stands still for a moment makes it a 503."""

        def answered() -> tuple[int, bytes] | None:
            status, body = get(self.up.url + path, token)
            return (status, body) if status != 503 else None

        return wait_for(f"an answer to {path}", answered)

    def shows(
        self,
        phone: Phone,
        state: str,
        screen: str | None = None,
        *,
        meanwhile: Callable[[], object] = lambda: None,
    ) -> dict[str, Any]:
        """The user once shown in this state, on this screen; ``meanwhile`` runs between looks."""

        def seen() -> dict[str, Any] | None:
            meanwhile()
            user = self.user(phone)
            return user if (user["state"], user["screen"]) == (state, screen) else None

        return wait_for(f"{phone.user} is shown {state} on {screen}", seen)

    def log_time(self) -> datetime:
        """Up to where every answer is complete."""
        as_of: str = wait_for("the count has an as_of", lambda: self.count()["as_of"])
        return at(as_of)

    def settle(self, *, seconds: float = 0, meanwhile: Callable[[], object] = lambda: None) -> None:
        """Wait until answers are complete up to now + ``seconds``. Broker and test share a clock;
        what was accepted before this call is in the answers after it."""
        until = datetime.now(UTC) + timedelta(seconds=seconds)

        def reached() -> bool:
            meanwhile()
            return self.log_time() >= until

        wait_for(f"log time reaches {until}", reached)

    def history(self, phone: Phone) -> list[tuple[str, str | None]]:
        """Reason and screen of everything that ever changed for this user."""
        query = (
            "SELECT reason::text, screen FROM changes WHERE user_id = %s"
            " ORDER BY log_offset, event_index, ordinal"
        )
        return [(reason, screen) for reason, screen in self.select(query, phone.user)]

    def select(self, query: str, *parameters: object) -> list[tuple[Any, ...]]:
        return rows(self.up.database_url(), query, *parameters)

    def process(self, words: tuple[str, ...]) -> psutil.Process:
        """The process (not its guard) whose command line holds ``words``, once there is one."""

        def found() -> psutil.Process | None:
            return next((p for p in self.up.family() if _runs(p, words)), None)

        return wait_for(f"{' '.join(words)} runs", found)


def _runs(process: psutil.Process, words: tuple[str, ...]) -> bool:
    try:
        command = process.cmdline()
    except psutil.Error:  # it has just ended
        return False
    guard = any(part.endswith("guard.py") for part in command)
    return not guard and all(word in command for word in words)


def at(time: str) -> datetime:
    """A time of the API."""
    return datetime.fromisoformat(time)
