"""``python -m deploy.image_files SITE_PACKAGES``: what deploy/Dockerfile runs after it installed.

Two wheels bring far more than is used. Of Swagger UI's the API serves files as they are and runs no
line of Python; NumPy is there because DataSketches' extension loads its C interface.
"""

from __future__ import annotations

import sys
from pathlib import Path, PurePosixPath
from typing import Final

from api.dashboard.assets import IN_WHEELS

#: Of these packages only what the API serves stays.
SERVED_ONLY: Final = frozenset({"mkdocs_swagger_ui_tag"})
#: Whole packages that only those would import.
UNUSED: Final = frozenset({"bs4", "soupsieve", "pip"})
#: Of NumPy: compilers of other languages, and headers to build against it.
UNUSED_OF_NUMPY: Final = frozenset({"distutils", "f2py", "include"})
#: For programmers: tests, stubs, and what a compiler or linker would read.
UNUSED_FOLDERS: Final = frozenset({"tests"})
UNUSED_SUFFIXES: Final = frozenset({".a", ".c", ".h", ".pxd", ".pyi", ".pyx"})

_SERVED: Final = frozenset(PurePosixPath(package, path) for _, package, path in IN_WHEELS.values())


def is_needed(path: PurePosixPath) -> bool:
    """Whether services need this file; ``path`` is relative to ``site-packages``."""
    package, *rest = path.parts
    if path in _SERVED:
        return True
    if package in SERVED_ONLY | UNUSED:
        return False
    if package == "numpy" and rest and rest[0] in UNUSED_OF_NUMPY:
        return False
    return path.suffix not in UNUSED_SUFFIXES and not UNUSED_FOLDERS & set(rest[:-1])


def main(arguments: list[str]) -> None:
    """Delete what is not needed; says how much that was."""
    [folder] = arguments
    root = Path(folder)
    size = 0
    for file in sorted(root.rglob("*")):
        if file.is_file() and not is_needed(PurePosixPath(file.relative_to(root))):
            size += file.stat().st_size
            file.unlink()
    # Deepest first: a folder of empty folders is empty too.
    for directory in sorted(root.rglob("*"), reverse=True):
        if directory.is_dir() and not any(directory.iterdir()):
            directory.rmdir()
    sys.stdout.write(f"deleted {size / 1e6:.0f} MB that services do not need\n")


if __name__ == "__main__":
    main(sys.argv[1:])
