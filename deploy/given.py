"""What a command was given: by a variable, or by a file of the folder of secrets."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from schemas.service.settings import SECRETS_DIR_VARIABLE


def given(name: str, environment: Mapping[str, str] = os.environ) -> str:
    """What a variable says, or else a file that is called like it, in capitals or not, as services
    find their settings; empty where neither does. Raises `OSError` if the file cannot be read."""
    said = environment.get(name, "")
    folder = environment.get(SECRETS_DIR_VARIABLE)
    if said or not folder or not Path(folder).is_dir():
        return said
    files = (path for path in Path(folder).iterdir() if path.name.lower() == name.lower())
    return next((path.read_text("utf-8").strip() for path in files if path.is_file()), "")
