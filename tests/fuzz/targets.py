"""The targets by name, and the inputs that are kept of each."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeAlias

from tests.fuzz import phones, readers

Target: TypeAlias = Callable[[bytes], None]

TARGETS: Final[dict[str, Target]] = {
    "codec": phones.codec,
    "body": phones.body,
    "frame": phones.frame,
    "cursor": readers.cursor,
    "filters": readers.filters,
}
#: A file a target; a line an input, in base64.
CORPUS: Final = Path(__file__).parent / "corpus"


def kept(name: str) -> list[bytes]:
    """The inputs of a target that are kept in the repository."""
    return [base64.b64decode(line) for line in (CORPUS / f"{name}.txt").read_text().splitlines()]


def keep(name: str, inputs: list[bytes]) -> None:
    """Write them, the shortest first."""
    lines = [base64.b64encode(each).decode() for each in sorted(inputs, key=lambda i: (len(i), i))]
    (CORPUS / f"{name}.txt").write_text("".join(f"{line}\n" for line in lines))
