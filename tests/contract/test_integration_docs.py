"""docs/integration.md is what ingest does: its requests and frames are replayed, its tables are
held against the code."""

from __future__ import annotations

import asyncio
import json
import re
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from api.settings import ApiSettings
from ingest.body.validate import APP_STATES, Body
from ingest.settings import IngestSettings
from ingest.socket.actions import CLOSE_CODES
from ingest.socket.frames import ERROR_CODES, MAX_FRAMES, MAX_ID_CHARACTERS
from ingest.socket.sockets import SOCKET_PATH
from schemas.http.problems import CODES
from schemas.log.events import MAX_DEVICE_ID, MAX_TEXT
from schemas.log.settings import KafkaSettings
from tests import guide_app
from tests.contract.dart_source import errors, parse
from tests.contract.integration_page import (
    BLOCKS,
    DOCS,
    PAGE,
    Block,
    Exchange,
    blocks,
    json_of,
    matches,
    table,
    with_tokens,
)
from tests.contract.node import run
from tests.rigs.api_harness import Table, api_settings, running_api
from tests.rigs.harness import (
    DEADLINE_SECONDS,
    Answer,
    exchange,
    ingest_settings,
    running_ingest,
)

COUNT_PATH = "/api/online-users-count"
HTTP = [block for block in BLOCKS if block.language == "http" and COUNT_PATH not in block.text]
COUNT = [block for block in BLOCKS if block.language == "http" and COUNT_PATH in block.text]
GUIDE_APP = blocks((DOCS / "clients/guide-app.md").read_text("utf-8"))
DART = [block for block in (*BLOCKS, *GUIDE_APP) if block.language == "dart"]
JAVASCRIPT = [block for block in BLOCKS if block.language == "js"]
SOCKETS = [block for block in BLOCKS if block.language == "socket"]
#: What the conditions of HTTP blocks mean, as settings.
CONDITIONS: dict[str | None, dict[str, Any]] = {
    None: {},
    "rate-limited": {"user_events_per_second": 0.001, "user_events_burst": 1},
    "kafka-away": {"kafka_bootstrap": "127.0.0.1:1"},
}
PAGES_ORIGIN = "https://app.example.com"
HANDSHAKE = "# the handshake has "
STOP = "# the server stops"


def line_of(block: Block) -> str:
    return f"line {block.line}"


# -- requests


async def ask(port: int, documented: Exchange) -> Answer:
    body = documented.body.encode()
    headers = {"Host": "x", "Content-Length": str(len(body)), **documented.headers}
    head = [f"{documented.method} {documented.path} HTTP/1.1"]
    head += [f"{name}: {with_tokens(value)}" for name, value in headers.items()]
    return await exchange(port, "\r\n".join([*head, "", ""]).encode() + body)


def assert_documented(answer: Answer, documented: Exchange) -> None:
    assert answer.status == documented.status
    for name, value in documented.answer_headers.items():
        assert matches(value, answer.headers.get(name.lower())), (name, answer.headers)
    got = json_of(answer.body.decode())
    assert matches(json_of(documented.answer_body), got), got


@pytest.mark.parametrize("block", HTTP, ids=line_of)
async def test_a_documented_request_gets_its_answer(
    kafka_settings: KafkaSettings, block: Block
) -> None:
    documented = Exchange.of(block)
    values = {"cors_origins": PAGES_ORIGIN, **CONDITIONS[block.condition]}
    kafka = kafka_settings.model_copy(
        update={key: values.pop(key) for key in ("kafka_bootstrap",) if key in values}
    )
    at_once = block.condition == "kafka-away"
    async with running_ingest(ingest_settings(kafka, **values), at_once=at_once) as ingest:
        if block.condition == "rate-limited":
            assert (await ask(ingest.port, documented)).status == 200
        answer = await ask(ingest.port, documented)
    assert_documented(answer, documented)


async def test_the_documented_count_is_answered(database_url: str) -> None:
    [block] = COUNT
    documented = Exchange.of(block)
    by_state = json_of(documented.answer_body)["by_state"]
    rows = Table(database_url)
    rows.deployment(1)
    rows.offsets(0, foreground=by_state["foreground"])
    rows.run("UPDATE stream_offsets SET background = %s", by_state["background"])
    rows.close()
    async with running_api(api_settings(database_url)) as api:
        answer = await ask(api.port, documented)
    assert_documented(answer, documented)


# -- sockets


async def end_of(client: ClientConnection) -> str:
    """The close as the page writes it."""
    with pytest.raises(ConnectionClosed) as closed:
        await client.recv()
    end = closed.value.rcvd
    assert end is not None
    return f"close {end.code} {end.reason}"


@pytest.mark.parametrize("block", SOCKETS, ids=line_of)
async def test_a_documented_socket_goes_as_it_is_written(
    kafka_settings: KafkaSettings, block: Block
) -> None:
    lines = block.text.splitlines()
    handshake: dict[str, str] = {}
    if lines[0].startswith(HANDSHAKE):
        name, value = lines.pop(0).removeprefix(HANDSHAKE).split(": ")
        handshake = {name: with_tokens(value)}
    async with AsyncExitStack() as stack, asyncio.timeout(DEADLINE_SECONDS):
        settings = ingest_settings(kafka_settings, websocket_drain_seconds=0)
        ingest = await stack.enter_async_context(running_ingest(settings))
        await ingest.until_ready()
        stopping: asyncio.Task[None] | None = None
        url = f"ws://127.0.0.1:{ingest.port}{SOCKET_PATH}"
        async with connect(url, additional_headers=handshake) as client:
            for line in lines:
                if line == STOP:
                    stopping = asyncio.create_task(stack.aclose())
                elif line.startswith("> "):
                    await client.send(with_tokens(line[2:]))
                elif line.startswith("< close "):
                    assert await end_of(client) == line[2:]
                else:
                    assert line.startswith("< "), line
                    got = json.loads(await client.recv())
                    assert matches(json.loads(line[2:]), got), (line, got)
        if stopping is not None:
            await stopping


# -- tables


def test_every_error_code_has_its_row() -> None:
    staff = table("Error codes", (DOCS / "api.md").read_text("utf-8"))
    rows = [(code, int(status)) for code, status, _ in table("Error codes") + staff]
    assert len(rows) == len(CODES)
    assert dict(rows) == {code: status for code, (status, _) in CODES.items()}


def test_every_error_code_of_a_frame_has_its_row() -> None:
    assert sorted(row[0] for row in table("Error codes of frames")) == sorted(ERROR_CODES)


def test_every_close_code_has_its_row() -> None:
    assert sorted(int(row[0]) for row in table("Close codes")) == sorted(CLOSE_CODES)


def test_every_field_of_a_heartbeat_has_its_row() -> None:
    rows = {row[0]: row[1] for row in table("The fields of a heartbeat")}
    assert sorted(rows) == sorted(Body.__struct_fields__)
    limits = {**MAX_TEXT, "device_id": MAX_DEVICE_ID}
    assert {field: int(limit) for field, limit in rows.items() if limit} == limits
    [states] = [row[2] for row in table("The fields of a heartbeat") if row[0] == "app_state"]
    assert set(re.findall(r"`(\w+)`", states)) == APP_STATES


def test_limits_are_the_defaults() -> None:
    fields = {**ApiSettings.model_fields, **IngestSettings.model_fields}
    for _, default, setting in table("Limits"):
        name = setting.removeprefix("ROLLCALL_").lower()
        assert float(default) == fields[name].default, name
    assert f"array of at most {MAX_FRAMES}" in PAGE
    assert f"ASCII text of at most {MAX_ID_CHARACTERS} characters" in PAGE


def test_the_cost_of_lost_heartbeats_follows_from_offline_after() -> None:
    """Promise 7: so many in a row, and 20 s for the network."""
    offline_after = IngestSettings.model_fields["offline_after_seconds"].default
    for interval, tolerated in table("Timing"):
        assert (offline_after - 20) // int(interval) - 1 == int(tolerated)


# -- the guide's app


def test_the_bodies_of_the_guides_app_are_shown_byte_for_byte() -> None:
    bodies = [row[1].encode() for row in table("What the guide's app sends")]
    assert [body for body in bodies if body] == [
        *(guide_app.UNKNOWN, guide_app.UNKNOWN, guide_app.MOVIE_DETAILS),
        *(guide_app.BACKGROUND, guide_app.UNKNOWN, guide_app.UNKNOWN),
    ]
    assert bodies[-1] == b""  # a logout has none


def test_the_guides_dart_code_sends_these_bodies() -> None:
    """``jsonEncode`` keeps the order of a map and writes no spaces."""
    [app] = [block.text for block in GUIDE_APP if "OnlineStatusService(" in block.text]
    [encoded] = re.findall(r"jsonEncode\((\{.*\})\)", app)
    for body, screen in guide_app.BODIES.items():
        written = encoded.replace("'", '"').replace(": screen}", f': "{screen}"}}')
        assert json.dumps(json.loads(written), separators=(",", ":")).encode() == body
    assert f"Duration(minutes: {guide_app.TIMER_SECONDS // 60})" in app


# -- code


@pytest.mark.parametrize("block", DART, ids=line_of)
def test_dart_is_dart(block: Block) -> None:
    assert list(errors(parse(block.text))) == []


@pytest.mark.parametrize("block", JAVASCRIPT, ids=line_of)
async def test_javascript_is_javascript(tmp_path: Path, block: Block) -> None:
    module = tmp_path / "block.mjs"
    module.write_text(block.text, "utf-8")
    await run(Path("--check"), str(module))


def test_every_fence_is_one_that_is_tested() -> None:
    """A block in another language would be one that nobody replays."""
    assert {block.language for block in BLOCKS} == {"dart", "js", "http", "socket"}
    assert {block.language for block in GUIDE_APP} == {"dart"}
    assert PAGE.count("```") == 2 * len(BLOCKS)
