"""``python -m tests.few_packages 3.13 pytest hypothesis``: of the lock, the lines of ours, of these
packages and of all that they need on that Python. An environment for a handful of tests is made of
them in half the time."""

from __future__ import annotations

import re
import sys
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

LOCK = Path(__file__).parents[1] / "requirements-dev.lock"
OURS = "rollcall-presence"


def needed(names: list[str], version: str) -> set[str]:
    """These and what they need, as the packages say that are installed here. What only the other
    Python needs is not: of that its name alone is known."""
    python = {"python_version": version, "python_full_version": f"{version}.0"}
    waiting, seen = [Requirement(name) for name in names], set[str]()
    while waiting:
        package = waiting.pop()
        if str(package) in seen:
            continue
        seen.add(str(package))
        try:
            more = requires(package.name) or []
        except PackageNotFoundError:
            continue
        for each in map(Requirement, more):
            extras = package.extras or {""}
            if each.marker and not any(
                each.marker.evaluate({**python, "extra": e}) for e in extras
            ):
                continue
            each.marker = None
            waiting.append(each)
    return {canonicalize_name(Requirement(each).name) for each in seen}


def lines_of(lock: str, names: set[str]) -> str:
    blocks = re.split(r"\n(?=\S)", lock)
    return "\n".join(b for b in blocks if canonicalize_name(b.partition("==")[0]) in names)


if __name__ == "__main__":
    version, *packages = sys.argv[1:]
    sys.stdout.write(lines_of(LOCK.read_text(), needed([OURS, *packages], version)) + "\n")
