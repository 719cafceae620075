"""Node.js for the tests of clients: programs, and packages at exactly the versions of a lock."""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

from deploy.local.jars import cache_dir
from deploy.local.lock import file_lock

DEADLINE_SECONDS: Final = 180.0


def node() -> str:
    """The path of Node.js; without it the test is skipped."""
    found = shutil.which("node")
    if found is None:
        pytest.skip("needs Node.js 20 or newer")
    return found


def packages(folder: Path) -> Path:
    """``node_modules`` with what the ``package-lock.json`` of ``folder`` names, byte for byte (npm
    checks its hashes); installed once per lock into the user's cache."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("needs npm, which installs the packages that are tested")
    names = ("package.json", "package-lock.json")
    digest = hashlib.sha256(b"".join((folder / name).read_bytes() for name in names)).hexdigest()
    kept = cache_dir() / f"npm-{digest[:12]}"
    stamp = kept / "complete"
    kept.mkdir(parents=True, exist_ok=True)
    with file_lock(kept / "lock"):
        if not stamp.exists():
            for name in names:
                shutil.copy(folder / name, kept)
            command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
            done = subprocess.run(command, cwd=kept, capture_output=True, text=True)
            assert done.returncode == 0, done.stdout + done.stderr
            stamp.touch()
    return kept / "node_modules"


async def run(program: Path, *arguments: str, **environment: str) -> str:
    """What a program prints. It fails with what the program complained of."""
    process = await asyncio.create_subprocess_exec(
        node(),
        str(program),
        *arguments,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    async with asyncio.timeout(DEADLINE_SECONDS):
        output, complaints = await process.communicate()
    assert process.returncode == 0, complaints.decode()
    return output.decode()
