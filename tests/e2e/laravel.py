"""A small real back end whose tokens nobody else can read, as Laravel's Sanctum makes them."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

FIRST = "12|Zq8cVtX0JkfQm3r1b7yHn2LwPs9uEdGaOiTzKj4Mf3a91c7d"
SECOND = "13|Lp2sXw9uEdGaOiTzKj4MQm3r1b7yHnZq8cVtX0Jkf5b82e6f0"


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
