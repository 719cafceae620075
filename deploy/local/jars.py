"""Apache Kafka's jars: downloaded once per user, every one checked against a pinned SHA-256.

`kafka-jars.sha256` is the lock (see maven.py), in class path order. `python -m deploy.local.jars`
writes it again after a change of `ENDPOINT` (jgo resolves the runtime dependencies); everybody else
downloads exactly the listed files.

The cache is a directory per lock, shared by all data directories and test runs of a user. A file
lock keeps two first downloads apart; files gather in a `….partial` directory, which is renamed
when all sums are right, so that a complete directory is never seen half full and an interrupted
download goes on where it stopped.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from deploy.local import maven
from deploy.local.lock import file_lock
from deploy.local.maven import DownloadError, Jar, cache_dir, sha256_of

__all__ = ["DownloadError", "cache_dir"]  # for those who want the jars

KAFKA_VERSION = "4.3.0"
ENDPOINT = f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}"
# Makes slf4j, which Kafka logs through, write to the log4j that Kafka brings; its POM leaves this
# one out. Resolved by itself: beside another endpoint jgo would let its dependencyManagement
# choose Kafka's versions.
LOG_BINDING = "org.apache.logging.log4j:log4j-slf4j-impl:2.25.4"
LOCK_FILE = Path(__file__).with_name("kafka-jars.sha256")
STAMP = "complete.json"
DOWNLOAD_THREADS = 4

# (jars done, jars in all, bytes received so far)
Progress = Callable[[int, int, int], None]


def read_lock() -> list[Jar]:
    """The jars of the lock, in class path order."""
    return maven.read_lock(LOCK_FILE)


def jars_dir() -> Path:
    """The directory of the jars of this very lock."""
    digest = hashlib.sha256(LOCK_FILE.read_bytes()).hexdigest()[:12]
    return cache_dir() / f"kafka-{KAFKA_VERSION}-{digest}"


def class_path() -> list[Path]:
    """The jars in class path order; `ensure_jars` has put them there."""
    return [jars_dir() / jar.name for jar in read_lock()]


def jars_are_complete() -> bool:
    """True if every jar is there at its verified size. No network, no hashing."""
    try:
        sizes = json.loads((jars_dir() / STAMP).read_text())
        return all((jars_dir() / jar.name).stat().st_size == sizes[jar.name] for jar in read_lock())
    except (OSError, ValueError, KeyError):
        return False


def ensure_jars(progress: Progress | None = None) -> Path:
    """Download what is missing; return the directory of the jars.

    Raises `DownloadError`.
    """
    target = jars_dir()
    if jars_are_complete():
        return target
    partial = target.with_name(target.name + ".partial")
    target.parent.mkdir(parents=True, exist_ok=True)
    with file_lock(target.with_name(target.name + ".lock")):
        if jars_are_complete():  # another process was faster
            return target
        if target.exists():  # damaged: keep what is sound
            shutil.rmtree(partial, ignore_errors=True)
            target.rename(partial)
        partial.mkdir(exist_ok=True)
        _download(read_lock(), partial, progress or (lambda _done, _total, _bytes: None))
        sizes = {jar.name: (partial / jar.name).stat().st_size for jar in read_lock()}
        (partial / STAMP).write_text(json.dumps(sizes))
        partial.rename(target)
    return target


def _download(jars: list[Jar], directory: Path, progress: Progress) -> None:
    counter = _Counter(len(jars), progress)
    missing = []
    for jar in jars:
        file = directory / jar.name
        if file.exists() and sha256_of(file) == jar.sha256:
            counter.add_bytes(file.stat().st_size)
            counter.add_jar()
        else:
            missing.append(jar)
    pool = ThreadPoolExecutor(DOWNLOAD_THREADS)
    try:
        for done in [pool.submit(_fetch, jar, directory, counter) for jar in missing]:
            done.result()
    finally:
        # After a failure or Ctrl-C nothing waits for what is still on its way.
        pool.shutdown(wait=False, cancel_futures=True)


def _fetch(jar: Jar, directory: Path, counter: _Counter) -> None:
    size = f"{counter.total} jars, 44 MB, only before the first start"
    what = f"Apache Kafka {KAFKA_VERSION} ({size})"
    maven.fetch(jar, directory, what, counter.file)
    counter.add_jar()


class _Counter:
    """Adds up what the download threads report."""

    def __init__(self, total: int, progress: Progress) -> None:
        self.total = total
        self._progress = progress
        self._lock = threading.Lock()
        self._jars = 0
        self._bytes = 0

    def add_jar(self) -> None:
        with self._lock:
            self._jars += 1
            self._progress(self._jars, self.total, self._bytes)

    def add_bytes(self, count: int) -> None:
        with self._lock:
            self._bytes += count
            self._progress(self._jars, self.total, self._bytes)

    @contextmanager
    def file(self, _name: str, _size: int) -> Iterator[Callable[[int], None]]:
        """jgo's progress callback for one file."""
        yield self.add_bytes


def write_lock() -> int:
    """Resolve `ENDPOINT` anew and pin what Maven Central has; returns the number of jars."""
    import jgo

    lines = []
    repositories = {"central": maven.maven_url()}
    kafka: list[Any] = jgo.resolve(ENDPOINT, repositories=repositories)
    binding = jgo.resolve(LOG_BINDING, repositories=repositories)[0]
    for artifact in [*kafka, binding]:
        place = PurePosixPath(*artifact.groupId.split("."), artifact.artifactId, artifact.version)
        lines.append(f"{sha256_of(Path(artifact.resolve()))}  {place / artifact.filename}")
    LOCK_FILE.write_text("\n".join(lines) + "\n")
    return len(lines)


if __name__ == "__main__":
    sys.stdout.write(f"{write_lock()} jars pinned in {LOCK_FILE}\n")
