"""Files of a Maven repository, every one checked against a pinned SHA-256.

A lock has one line `sum  path-in-a-Maven-repository` per file. jgo downloads them; nothing is used
whose sum is another one.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

MAVEN_CENTRAL = "https://repo.maven.apache.org/maven2"
ATTEMPTS = 3

# jgo's progress callback for one file of a name and a size: gives what is told of each chunk.
FileProgress = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]


class DownloadError(RuntimeError):
    """What is needed could not be had. The message says what, from where, and what to do."""


@dataclass(frozen=True, slots=True)
class Jar:
    """One line of a lock."""

    sha256: str
    path: PurePosixPath

    @property
    def name(self) -> str:
        """File name, unique in the lock."""
        return self.path.name


def read_lock(file: Path) -> list[Jar]:
    """The jars of a lock, in its order."""
    lines = (line.split() for line in file.read_text().splitlines())
    return [Jar(sha256, PurePosixPath(name)) for sha256, name in lines]


def cache_dir() -> Path:
    """Where downloads live: `ROLLCALL_CACHE_DIR`, else the user's cache directory."""
    chosen = os.environ.get("ROLLCALL_CACHE_DIR")
    if chosen:
        return Path(chosen)
    import platformdirs

    return platformdirs.user_cache_path("rollcall")


def maven_url() -> str:
    """The Maven repository to download from."""
    return os.environ.get("ROLLCALL_MAVEN_URL", MAVEN_CENTRAL).rstrip("/")


@contextmanager
def untold(_name: str, _size: int) -> Iterator[Callable[[int], None]]:
    """Progress that nobody wants to know."""
    yield lambda _count: None


def fetch(jar: Jar, directory: Path, what: str, progress: FileProgress = untold) -> None:
    """One jar by its Maven coordinates, through jgo, checked, moved into `directory`.

    Raises `DownloadError`, with `what` it was for, after several attempts.
    """
    import requests

    url = f"{maven_url()}/{jar.path}"
    for attempt in range(1, ATTEMPTS + 1):
        # jgo writes into a Maven repository layout and would trust what it finds there.
        repository = directory / f"{jar.name}.download"
        shutil.rmtree(repository, ignore_errors=True)
        try:
            file = _resolve(jar, repository, progress)
            received = sha256_of(file)
            if received == jar.sha256:
                file.replace(directory / jar.name)
                return
            problem = f"{url} has SHA-256 {received}, not the pinned {jar.sha256}"
        except (requests.RequestException, RuntimeError, OSError) as error:
            problem = f"{url}: {_cause(error)}"
        finally:
            shutil.rmtree(repository, ignore_errors=True)
        if attempt == ATTEMPTS:
            raise DownloadError(
                f"cannot download {what}: {problem}; check the network or proxy, or name a mirror"
                " of Maven Central in ROLLCALL_MAVEN_URL, then try again"
            )


def _resolve(jar: Jar, repository: Path, progress: FileProgress) -> Path:
    from jgo.maven import MavenContext, PythonResolver

    version_dir = jar.path.parent
    context = MavenContext(
        repo_cache=repository,
        remote_repos={"central": maven_url()},
        resolver=PythonResolver(progress_callback=progress),
        timeout=20,
    )
    group = ".".join(version_dir.parent.parent.parts)
    component = context.project(group, version_dir.parent.name).at_version(version_dir.name)
    return Path(component.artifact().resolve())


def _cause(error: Exception) -> str:
    """The innermost reason, in one line: requests and urllib3 wrap it three times."""
    innermost: BaseException = error
    while (inner := innermost.__cause__ or innermost.__context__) is not None:
        innermost = inner
    text = str(innermost) or type(innermost).__name__
    return text.splitlines()[0][:200]


def sha256_of(path: Path) -> str:
    """Hexadecimal SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
