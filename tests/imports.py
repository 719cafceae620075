"""``python -m tests.imports``: whatever Python this is, it can import every module of ours."""

from __future__ import annotations

from importlib import import_module
from pkgutil import walk_packages

PACKAGES = ("api", "deploy", "ingest", "processor", "schemas")

if __name__ == "__main__":
    for package in map(import_module, PACKAGES):
        for module in walk_packages(package.__path__, prefix=f"{package.__name__}."):
            import_module(module.name)
