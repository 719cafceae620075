"""docker-compose.yml as Docker Compose reads it, as far as our own checks need it."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, Final

from tests.yaml_text import read_yaml

ROOT: Final = Path(__file__).parents[3]
#: Where `make tools` puts what it compiles.
TOOLS: Final = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "rollcall/tools"
#: ${NAME:-default}: the only form that the file uses.
_VARIABLE: Final = re.compile(r"\$\{(\w+):-([^}]*)\}")
#: ARG PYTHON_IMAGE=python:3.13
_BASE: Final = re.compile(r"^ARG (\w+)_IMAGE=(\S+)$", re.M)


def interpolated(text: str, environment: dict[str, str]) -> str:
    return _VARIABLE.sub(lambda found: environment.get(found[1]) or found[2], text)


def load_compose(**environment: str) -> dict[str, Any]:
    """The file with these variables set and no others."""
    text = interpolated((ROOT / "docker-compose.yml").read_text("utf-8"), environment)
    loaded = read_yaml(text)
    assert isinstance(loaded, dict)
    return loaded


def seconds(duration: str) -> float:
    """`45s` and the like."""
    [number] = re.fullmatch(r"(\d+)s", duration).groups()  # type: ignore[union-attr]
    return float(number)


def base_images() -> dict[str, str]:
    """The images of others that the Dockerfiles and docker-compose.yml name, by what is in them."""
    images = {"postgres": load_compose()["services"]["postgres"]["image"]}
    for dockerfile in ("deploy/Dockerfile", "deploy/compose/Dockerfile"):
        text = (ROOT / dockerfile).read_text("utf-8")
        images |= {name.lower(): image for name, image in _BASE.findall(text)}
    return images
