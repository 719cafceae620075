"""The pinned jars of Apache Kafka, and how they are downloaded."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from deploy.local import jars

SMALL = {
    "org/example/one/1.0/one-1.0.jar": b"the first jar",
    "org/example/two/2.0/two-2.0.jar": b"the second jar",
}


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - of the base class
        pass


@pytest.fixture
def maven(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A Maven repository with two jars, its lock, and an empty cache; gives its directory."""
    repository = tmp_path / "maven"
    lines = []
    for name, content in SMALL.items():
        file = repository / name
        file.parent.mkdir(parents=True)
        file.write_bytes(content)
        lines.append(f"{hashlib.sha256(content).hexdigest()}  {name}\n")
    lock = tmp_path / "jars.sha256"
    lock.write_text("".join(lines))

    def handler(*args: object) -> QuietHandler:
        return QuietHandler(*args, directory=str(repository))  # type: ignore[arg-type]

    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    monkeypatch.setattr(jars, "LOCK_FILE", lock)
    monkeypatch.setenv("ROLLCALL_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("ROLLCALL_MAVEN_URL", f"http://127.0.0.1:{server.server_address[1]}")
    yield repository
    server.shutdown()
    server.server_close()


def test_every_jar_of_kafka_is_pinned_once_and_in_one_version() -> None:
    locked = jars.read_lock()
    assert len(locked) == 46
    assert all(re.fullmatch("[0-9a-f]{64}", jar.sha256) for jar in locked)
    assert len({jar.name for jar in locked}) == len(locked)
    kafka = [jar.path for jar in locked if jar.path.parts[:3] == ("org", "apache", "kafka")]
    assert {path.parent.name for path in kafka} == {jars.KAFKA_VERSION}
    assert locked[0].name == f"kafka_2.13-{jars.KAFKA_VERSION}.jar"


@pytest.mark.usefixtures("maven")
def test_the_jars_are_downloaded_once_with_progress() -> None:
    seen: list[tuple[int, int, int]] = []
    assert not jars.jars_are_complete()
    directory = jars.ensure_jars(lambda *step: seen.append(step))
    assert seen[-1] == (2, 2, sum(map(len, SMALL.values())))
    assert [path.read_bytes() for path in jars.class_path()] == list(SMALL.values())
    assert jars.jars_are_complete()
    assert jars.ensure_jars(lambda *step: pytest.fail(f"downloaded again: {step}")) == directory


def test_a_jar_that_is_not_the_pinned_one_is_refused(maven: Path) -> None:
    (maven / "org/example/two/2.0/two-2.0.jar").write_bytes(b"something else")
    with pytest.raises(jars.DownloadError, match=r"two-2\.0\.jar has SHA-256 .* not the pinned"):
        jars.ensure_jars()
    assert not jars.jars_are_complete()


def test_an_interrupted_download_goes_on_where_it_stopped(maven: Path) -> None:
    second = maven / "org/example/two/2.0/two-2.0.jar"
    content = second.read_bytes()
    second.unlink()
    with pytest.raises(jars.DownloadError, match="not found"):
        jars.ensure_jars()
    second.write_bytes(content)
    (maven / "org/example/one/1.0/one-1.0.jar").unlink()
    jars.ensure_jars()
    assert jars.jars_are_complete()


def test_a_damaged_cache_is_mended(maven: Path) -> None:
    damaged = jars.ensure_jars() / "one-1.0.jar"
    damaged.write_bytes(b"")
    assert not jars.jars_are_complete()
    jars.ensure_jars()
    assert damaged.read_bytes() == SMALL["org/example/one/1.0/one-1.0.jar"]
    assert maven.exists()


@pytest.mark.usefixtures("maven")
def test_two_first_downloads_at_once_do_not_disturb_each_other() -> None:
    results: list[Path] = []
    threads = [
        threading.Thread(target=lambda: results.append(jars.ensure_jars())) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert results == [jars.jars_dir()] * 4
    assert jars.jars_are_complete()


@pytest.mark.usefixtures("maven")
def test_no_network_is_told_in_one_line_with_what_would_be_downloaded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ROLLCALL_MAVEN_URL", "http://127.0.0.1:1")
    with pytest.raises(jars.DownloadError) as caught:
        jars.ensure_jars()
    message = str(caught.value)
    assert "\n" not in message
    assert "Apache Kafka 4.3.0" in message
    assert "44 MB" in message
    assert "Connection refused" in message
    assert "ROLLCALL_MAVEN_URL" in message
