"""What deploy/prometheus holds: rules, their tests, and where Debian puts the tools."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, Final

import pytest

from tests.yaml_text import read_yaml

ROOT: Final = Path(__file__).parents[1]
FOLDER: Final = ROOT / "deploy/prometheus"
RULE_FILES: Final = sorted((FOLDER / "rules").glob("*.yml"))
TEST_FILES: Final = sorted((FOLDER / "tests").glob("*.yml"))


def tool(name: str) -> str:
    """``promtool`` or ``prometheus``; skips the test where it is not installed."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"no {name} here: install Debian's package prometheus (make packages)")
    return found


def rules() -> list[dict[str, Any]]:
    """Every recording rule and alert, in the order of the files."""
    return [
        rule
        for path in RULE_FILES
        for group in read_yaml(path.read_text("utf-8"))["groups"]
        for rule in group["rules"]
    ]


def alerts() -> list[dict[str, Any]]:
    """The alerts; a burn rate has several of one name."""
    return [rule for rule in rules() if "alert" in rule]
