"""Whatever Python this is, it can import all of us."""

from __future__ import annotations

from importlib import import_module
from pkgutil import walk_packages

import pytest

import api
import deploy
import ingest
import processor
import schemas


@pytest.mark.parametrize("package", [api, deploy, ingest, processor, schemas])
def test_every_module_can_be_imported(package: object) -> None:
    name, path = package.__name__, package.__path__
    for module in walk_packages(path, prefix=f"{name}."):
        import_module(module.name)
