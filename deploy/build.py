"""Runs whenever hatchling builds our package: a wheel, an archive, or in place for `make install`.

Its own imports and those of what it calls have to be in pyproject.toml's `build-system` and in
deploy/build.in.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class WebJars(BuildHookInterface[Any]):
    """Takes in what browsers get that no Python package has."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Before anything is packed. Raises `deploy.local.maven.DownloadError`."""
        del version, build_data
        # Hatchling runs this file alone, from wherever it is called.
        sys.path.insert(0, self.root)
        try:
            from deploy.local import webjars
        finally:
            sys.path.remove(self.root)
        webjars.install(Path(self.root))
