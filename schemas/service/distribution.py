"""What the package index calls us: the name by which our version is found.

The name `rollcall` belongs to somebody else there; our packages and our command have names of their
own.
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import version
from typing import Final

DISTRIBUTION: Final = "rollcall-presence"


@cache
def rollcall_version() -> str:
    """The version that is installed, such as ``0.2.0``."""
    return version(DISTRIBUTION)
