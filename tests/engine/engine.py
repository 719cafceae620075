"""The Docker engine, by its command line."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
#: What docs/deployment.md asks for.
OLDEST_ENGINE: Final = 25
HOW: Final = (
    "as root on Debian 13: apt-get install docker.io docker-cli docker-compose docker-buildx "
    "debootstrap, then dockerd"
)


class EngineError(RuntimeError):
    """A command of `docker` failed; holds what it said."""


def docker(
    *arguments: str,
    cwd: Path = ROOT,
    more: Mapping[str, str] | None = None,
    check: bool = True,
) -> subprocess.CompletedProcess[str]:
    """`docker …` with these further variables. Raises ``EngineError`` if it fails."""
    done = subprocess.run(
        ["docker", *arguments],
        cwd=cwd,
        env={**os.environ, **(more or {})},
        capture_output=True,
        text=True,
        check=False,
    )
    if check and done.returncode != 0:
        raise EngineError(f"docker {' '.join(arguments)}: {done.stdout}{done.stderr}")
    return done


def missing() -> str | None:
    """In one line what is missing to run these tests, and how to get it; None if nothing is."""
    if shutil.which("docker") is None:
        return f"there is no `docker` here ({HOW})"
    version = docker("version", "--format", "{{.Server.Version}}", check=False)
    if version.returncode != 0:
        return f"no Docker engine answers here ({HOW})"
    if int(version.stdout.partition(".")[0]) < OLDEST_ENGINE:
        return f"Docker Engine {version.stdout.strip()} is older than {OLDEST_ENGINE} ({HOW})"
    for plugin in ("compose", "buildx"):
        if docker(plugin, "version", check=False).returncode != 0:
            return f"`docker` lacks its plugin {plugin} ({HOW})"
    return None
