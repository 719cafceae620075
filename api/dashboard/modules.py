"""Which scripts a script needs, so that a page can ask for all of them at once. PURE."""

from __future__ import annotations

import re
from collections.abc import Mapping
from posixpath import dirname, join, normpath
from typing import Final

#: As we write them: one statement, maybe over several lines, of a file by its relative path.
_IMPORT: Final = re.compile(rb'^(?:import|export)\b[^;"]*"(\.{1,2}/[\w./]+)";', re.M)


def imported_by(contents: Mapping[str, bytes]) -> dict[str, list[str]]:
    """By script the files that it imports, and those that they import, by path from the folder of
    them all.

    Raises ``KeyError`` for the import of a file that is not there.
    """
    direct = {
        name: [normpath(join(dirname(name), found.decode())) for found in _IMPORT.findall(content)]
        for name, content in contents.items()
        if name.endswith(".js")
    }

    def closure(script: str) -> list[str]:
        found: set[str] = set()
        waiting = [script]
        while waiting:
            for name in direct[waiting.pop()]:
                if name not in found:
                    found.add(name)
                    waiting.append(name)
        return sorted(found - {script})

    return {script: closure(script) for script in direct}
