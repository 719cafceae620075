"""What browsers get from WebJars: uPlot, which draws the dashboard's charts.

`webjars.sha256` is the lock (see maven.py). The wanted files of each jar are put where the API
serves them from, `api/dashboard/webjars/NAME-VERSION`, which Git ignores. That is done whenever the
package is built, also by `make install` (deploy/build.py); `python -m deploy.local.webjars` does it
too.
"""

from __future__ import annotations

import os
import sys
import zipfile
from pathlib import Path
from typing import Final

from deploy.local import maven
from deploy.local.lock import file_lock
from deploy.local.maven import Jar

ROOT: Final = Path(__file__).parents[2]
LOCK_FILE: Final = Path(__file__).with_name("webjars.sha256")
#: Of each jar. A copy of uPlot has its licence with it.
WANTED: Final = {
    "uplot": ("dist/uPlot.iife.min.js", "dist/uPlot.min.css", "LICENSE"),
}


def install(root: Path = ROOT) -> None:
    """Put the files of all jars into the package below `root`; those that are there stay.

    Raises `maven.DownloadError`.
    """
    for jar in maven.read_lock(LOCK_FILE):
        name, version = jar.path.parts[-3:-1]
        target = root / "api/dashboard/webjars" / f"{name}-{version}"
        wanted = {Path(inside).name: inside for inside in WANTED[name]}
        if all((target / file).is_file() for file in wanted):
            continue
        target.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(_downloaded(jar)) as archive:
            for file, inside in wanted.items():
                content = archive.read(f"META-INF/resources/webjars/{name}/{version}/{inside}")
                # Complete or not there, even if another process does the same.
                partial = target / f"{file}.{os.getpid()}"
                partial.write_bytes(content)
                partial.replace(target / file)


def _downloaded(jar: Jar) -> Path:
    """The jar in the user's cache, by its sum."""
    cache = maven.cache_dir() / "webjars"
    cache.mkdir(parents=True, exist_ok=True)
    file = cache / jar.name
    with file_lock(cache / "lock"):
        if not file.is_file() or maven.sha256_of(file) != jar.sha256:
            maven.fetch(jar, cache, f"{jar.name} (of which the dashboard's charts are made)")
    return file


if __name__ == "__main__":
    try:
        install()
    except maven.DownloadError as error:
        sys.exit(str(error))
