"""What of aiohttp, aiokafka and Faust we use that is no public promise of theirs.

pyproject.toml pins aiohttp to a minor version and the others exactly. Whoever raises one learns
here which member is gone, or means something else in the classes of another name.
"""

from __future__ import annotations

import ast
import inspect
from pathlib import Path
from typing import Final

import pytest
from aiohttp import web
from aiohttp._websocket.reader import WebSocketDataQueue, WebSocketReader
from aiohttp.http import WebSocketWriter
from aiohttp.web_protocol import RequestHandler
from aiokafka import AIOKafkaConsumer
from faust import App
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, Consumer, Transport
from mode import Service

ROOT: Final = Path(__file__).parents[3]
#: By class: members that we call, set or override.
USED: Final[dict[type, tuple[str, ...]]] = {
    RequestHandler: (
        *("_buffer_paused", "_current_request", "_message_tail", "_messages"),
        *("_force_close", "_handle_request", "_loop", "_process_keepalive", "_request_count"),
        *("_upgraded", "_waiter"),
        *("start", "finish_response", "force_close", "handle_error", "log_exception"),
        *("connection_lost", "data_received", "pause_writing", "resume_writing"),
    ),
    web.WebSocketResponse: ("_post_start", "_writer", "prepare", "write_eof"),
    WebSocketDataQueue: ("feed_data", "set_exception"),
    WebSocketReader: ("feed_data",),
    WebSocketWriter: ("_send_compressed_frame_sync", "compress"),
    web.BaseRequest: ("_cancel",),
    web.Server: ("_kwargs", "_loop", "request_factory", "request_handler"),
    web.AppRunner: ("_make_server",),
    web.AbstractRoute: ("_expect_handler",),
    Consumer: (
        *("_new_consumer_thread", "_read_offset", "_committed_offset"),
        *("perform_seek", "seek_wait", "assignment"),
    ),
    AIOKafkaConsumerThread: ("_create_worker_consumer",),
    AIOKafkaConsumer: ("_fetch_min_bytes", "_fetch_max_wait_ms"),
    Transport: ("Consumer",),
    App: ("_new_transport", "_create_directories"),
    Service: ("_crashed",),
}
#: Where they are used.
MODULES: Final = (
    "ingest/socket/handshake.py",
    "ingest/socket/reader.py",
    "ingest/socket/outgoing.py",
    "schemas/http/connection.py",
    "schemas/http/server.py",
    "processor/kafka/offsets.py",
    "processor/kafka/app.py",
    "processor/__main__.py",
)


def has(owner: type, member: str) -> bool:
    """As a method or slot, or as what a method of it sets."""
    if hasattr(owner, member):
        return True
    sources = (inspect.getsource(base) for base in owner.__mro__ if base.__module__ != "builtins")
    return any(f"self.{member} = " in source or f"self.{member}: " in source for source in sources)


@pytest.mark.parametrize(
    ("owner", "member"),
    [(owner, member) for owner, members in USED.items() for member in members],
    ids=lambda part: getattr(part, "__name__", part),
)
def test_a_member_that_is_no_promise_of_its_library_is_still_there(
    owner: type, member: str
) -> None:
    assert has(owner, member), (
        f"{owner.__module__}.{owner.__name__} has no {member} any more: see who uses it in "
        f"{', '.join(MODULES)}, and read what took its place before raising the pin"
    )


def test_a_member_that_is_gone_is_noticed() -> None:
    assert not has(RequestHandler, "_gone")


@pytest.mark.parametrize("module", MODULES)
def test_every_private_member_that_a_module_takes_from_elsewhere_is_listed(module: str) -> None:
    tree = list(ast.walk(ast.parse((ROOT / module).read_text("utf-8"))))
    attributes = [node for node in tree if isinstance(node, ast.Attribute)]
    ours = {node.attr for node in attributes if isinstance(node.ctx, ast.Store)}
    ours |= {node.name for node in tree if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    foreign = {node.attr for node in attributes if node.attr.startswith("_")} - ours - {"_exit"}
    assert {name for name in foreign if not name.startswith("__")} <= {
        member for members in USED.values() for member in members
    }
