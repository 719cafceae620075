"""docs/clients/flutter without a Dart SDK: each file is Dart, the machine in it passes every case,
and what it names is there."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from ingest.body.field_warnings import FieldWarning
from ingest.body.validate import Body
from ingest.http.calls import HEARTBEAT_PATH, LOGOUT_PATH
from ingest.socket import frames
from ingest.socket.frames import ERROR_CODES
from ingest.socket.sockets import SOCKET_PATH
from schemas.log.events import BACKGROUND_APP_STATES, FOREGROUND_APP_STATES
from tests.contract.dart_source import errors, javascript, nodes, parse
from tests.contract.node import run

CLIENTS = Path(__file__).parents[2] / "docs/clients"
FLUTTER = CLIENTS / "flutter"
SOURCE = (FLUTTER / "lib/src/machine.dart").read_text("utf-8")
FILES = sorted(FLUTTER.rglob("*.dart"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(FLUTTER)))
def test_a_file_is_dart(file: Path) -> None:
    assert list(errors(parse(file.read_text("utf-8")))) == []


def test_what_is_no_dart_is_found() -> None:
    assert list(errors(parse("void main() { final x = ; }")))


async def test_its_machine_passes_the_cases_that_every_client_passes(tmp_path: Path) -> None:
    module = tmp_path / "machine.mjs"
    module.write_text(javascript(SOURCE), "utf-8")
    output = await run(CLIENTS / "web/test/machine.test.js", ROLLCALL_MACHINE=str(module))
    assert re.search(r"^# fail 0$", output, re.MULTILINE), output


def test_what_javascript_would_take_for_something_else_is_refused() -> None:
    for line in ("a ~/ 2", "a is String", "'${a + 1}'", "a..b()", "switch (a) { _ => 1 }"):
        with pytest.raises(ValueError, match="not understood"):
            javascript(f"Object? f(int a) {{ return {line}; }}")


def test_its_machine_is_the_web_client_s() -> None:
    """Method by method: whoever changes one changes the other."""
    tree = parse(SOURCE)
    signatures = nodes(tree, "method_signature")
    dart = {match[1] for node in signatures if (match := re.search(r"(\w+)(?= ?\(|$)", text(node)))}
    web = (CLIENTS / "web/rollcall.js").read_text("utf-8")
    machine = web[web.index("class PresenceMachine") : web.index("\n}\n")]
    javascript_methods = set(re.findall(r"^  (?:get )?(\w+)\(.*\) \{$", machine, re.MULTILINE))
    assert dart == javascript_methods - {"constructor"}


def test_files_import_what_there_is() -> None:
    pubspec = (FLUTTER / "pubspec.yaml").read_text("utf-8")
    packages = set(re.findall(r"^  (\w+):", pubspec, re.MULTILINE)) | {"rollcall_presence"}
    packages |= {"shared_preferences"}  # the example's own
    for file in FILES:
        for node in nodes(parse(file.read_text("utf-8")), "uri"):
            uri = text(node).strip("'")
            if uri.startswith("package:"):
                assert uri.removeprefix("package:").split("/")[0] in packages
            elif not uri.startswith("dart:"):
                assert (file.parent / uri).is_file(), uri


def test_it_calls_what_there_is() -> None:
    paths = {f"/api{path}" for path in re.findall(r"'path': '(.+)'", SOURCE)}
    assert paths == {HEARTBEAT_PATH, LOGOUT_PATH}
    presence = (FLUTTER / "lib/src/presence.dart").read_text("utf-8")
    assert set(re.findall(r"headers\['([a-z-]+)'\]", presence)) == {
        "x-heartbeat-interval-seconds",
        "retry-after",
    }
    assert re.findall(r"'ws'\)\}(/\w+)'", presence) == [SOCKET_PATH.removeprefix("/api")]


def test_whatever_the_app_or_a_library_throws_is_an_answer() -> None:
    """Errors of Dart are no ``Exception``: one that passed would leave the machine waiting."""
    presence = (FLUTTER / "lib/src/presence.dart").read_text("utf-8")
    assert re.findall(r"\} (?:on (\w+)|catch)", presence) == ["Object"] * 4


def test_it_uses_of_a_channel_what_every_version_of_its_package_has() -> None:
    """web_socket_channel 2.3 to 3: ``connect`` with an address alone, and these members."""
    presence = (FLUTTER / "lib/src/presence.dart").read_text("utf-8")
    assert set(re.findall(r"\bchannel\??\.(\w+)", presence)) == {
        *("ready", "stream", "sink", "closeCode", "closeReason")
    }
    assert "IOWebSocketChannel" not in presence


def test_it_sends_fields_that_ingest_reads() -> None:
    state = SOURCE[SOURCE.index(" _state() {") : SOURCE.index("return state;")]
    fields = set(re.findall(r"'([a-z_]+)'[:\]]", state))
    assert fields == set(Body.__struct_fields__) - {"sent_at"}


def test_it_reads_frames_that_ingest_sends() -> None:
    texts = (
        frames.welcome(90, 300, max_silent_foreground_seconds=600),
        frames.ack(1, [FieldWarning("screen", "cut")]),
        frames.error(1, "bad_json", "mend it"),
        frames.token_expiring(60),
        frames.restart(1000),
    )
    sent = [json.loads(text) for text in texts]
    fields = set(re.findall(r"frame\['(\w+)'\]", SOURCE))
    assert fields <= {key for frame in sent for key in frame}
    assert set(re.findall(r"\btype == '(\w+)'", SOURCE)) == {frame["type"] for frame in sent}
    assert set(re.findall(r"\bcode == '(\w+)'", SOURCE)) <= set(ERROR_CODES)


def test_it_knows_the_codes_that_it_must_not_answer_by_coming_back() -> None:
    codes = {int(code) for code in re.findall(r"code == (4\d{3})\b", SOURCE)}
    assert codes == {4401, 4402, 4403, 4409, 4429}


def test_the_states_of_flutter_are_those_of_the_protocol() -> None:
    """`AppLifecycleState.name` is sent as it is."""
    flutter = {"resumed", "inactive", "hidden", "paused", "detached"}
    assert flutter <= FOREGROUND_APP_STATES | BACKGROUND_APP_STATES
    assert {"resumed", "inactive"} <= FOREGROUND_APP_STATES


def text(node: object) -> str:
    raw = getattr(node, "text", None)
    assert isinstance(raw, bytes)
    return raw.decode()
