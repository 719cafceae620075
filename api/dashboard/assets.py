"""The dashboard's files: ours, uPlot's from its WebJar, and Swagger UI's from a wheel.

Each address holds the version of what is there, so that browsers keep it for ever and a page always
gets the files that it was made with.
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final

from aiohttp import web

from api.dashboard.modules import imported_by
from schemas.http.problems import ProblemError

#: The folder of `api/dashboard/webjars`, which is filled when the package is built
#: (deploy/local/webjars.py).
UPLOT: Final = "uplot-1.6.30"
UPLOT_FILES: Final = ("uPlot.iife.min.js", "uPlot.min.css")
UPLOT_MISSING: Final = (
    "uPlot, which draws charts, is not part of this installation: run `make install` in the"
    " repository, or install a wheel that `make wheel` built, and start the API again."
)
_SWAGGER: Final = "mkdocs-swagger-ui-tag"
#: What is in wheels: distribution, package and path.
IN_WHEELS: Final = {
    "swagger-ui-bundle.js": (
        *(_SWAGGER, "mkdocs_swagger_ui_tag"),
        "swagger-ui/javascripts/swagger-ui-bundle.js",
    ),
    "swagger-ui.css": (
        *(_SWAGGER, "mkdocs_swagger_ui_tag"),
        "swagger-ui/stylesheets/swagger-ui.css",
    ),
}
_TYPES: Final = {
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
    ".json": "application/json",
}
_IMMUTABLE: Final = "public, max-age=31536000, immutable"
#: Swagger UI's 1.5 MB take 0.1 s at this level; the highest would save 3 % more.
_GZIP_LEVEL: Final = 6


@dataclass(frozen=True, slots=True)
class Asset:
    """A file as it is and compressed."""

    content: bytes
    compressed: bytes


class Assets:
    """Answers for ``/static/{version}/{name}``; a name may have folders."""

    def __init__(self, webjars: Traversable | None = None) -> None:
        """``webjars`` is the folder with :data:`UPLOT`, our own if it is left out."""
        self._ours, self._version, self._imports = _files_of_ours()
        folder = (webjars or files("api.dashboard") / "webjars") / UPLOT
        self._uplot = {
            name: _asset((folder / name).read_bytes())
            for name in UPLOT_FILES
            if (folder / name).is_file()
        }
        self._from_wheels: dict[str, Asset] = {}
        self._reading = asyncio.Lock()

    @property
    def address(self) -> str:
        """Where our files are, without the slash before a name."""
        return f"/static/{self._version}"

    @property
    def uplot_address(self) -> str:
        """Where uPlot's files are, without the slash before a name."""
        return f"/static/{UPLOT}"

    @property
    def has_uplot(self) -> bool:
        """Whether charts can be drawn; their numbers are shown in any case."""
        return len(self._uplot) == len(UPLOT_FILES)

    def modules_of(self, script: str) -> list[str]:
        """Names of the files that a script of ours imports, all of them, without itself."""
        return self._imports[script]

    @property
    def swagger_address(self) -> str:
        """Where Swagger UI's files are, without the slash before a name."""
        return f"/static/{_wheel_version(_SWAGGER)}"

    async def serve(self, request: web.Request) -> web.Response:
        """A file. Raises ``ProblemError`` with code ``not_found``."""
        name, asked = request.match_info["name"], request.match_info["version"]
        if name in IN_WHEELS:
            asset, current = await self._read(name), _wheel_version(IN_WHEELS[name][0])
        elif name in self._uplot:
            asset, current = self._uplot[name], UPLOT
        elif name in UPLOT_FILES:
            raise ProblemError("not_found", UPLOT_MISSING)
        elif name in self._ours:
            asset, current = self._ours[name], self._version
        else:
            raise ProblemError("not_found", "Nothing is at this address.")
        # During an upgrade a page of the other version may ask: ours, but not to be kept.
        headers = {
            "Cache-Control": _IMMUTABLE if asked == current else "no-cache",
            "Vary": "Accept-Encoding",
        }
        body = asset.content
        if "gzip" in request.headers.get("Accept-Encoding", ""):
            body = asset.compressed
            headers["Content-Encoding"] = "gzip"
        content_type = _TYPES[name[name.rindex(".") :]]
        return web.Response(body=body, content_type=content_type, charset="utf-8", headers=headers)

    async def _read(self, name: str) -> Asset:
        """A file of a wheel, when it is asked for first: they are large."""
        async with self._reading:
            if name not in self._from_wheels:
                self._from_wheels[name] = await asyncio.to_thread(_load, name)
            return self._from_wheels[name]


@cache
def _wheel_version(distribution: str) -> str:
    return f"{distribution}-{version(distribution)}"


def _load(name: str) -> Asset:
    _, package, path = IN_WHEELS[name]
    return _asset((files(package) / path).read_bytes())


@cache
def _files_of_ours() -> tuple[Mapping[str, Asset], str, Mapping[str, list[str]]]:
    """They do not change while we run: the files, their version, and what each script imports."""
    contents = {
        name: content
        for name, content in _contents(files("api.dashboard") / "static")
        if name.endswith(tuple(_TYPES))
    }
    assets = {name: _asset(content) for name, content in contents.items()}
    return assets, _version_of(contents), imported_by(contents)


def _contents(folder: Traversable, within: str = "") -> Iterator[tuple[str, bytes]]:
    """Every file of a folder, and of those in it, by its path from there."""
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _contents(entry, f"{within}{entry.name}/")
        else:
            yield within + entry.name, entry.read_bytes()


def _asset(content: bytes) -> Asset:
    return Asset(content, gzip.compress(content, _GZIP_LEVEL, mtime=0))


def _version_of(contents: dict[str, bytes]) -> str:
    digest = hashlib.sha256()
    for name, content in sorted(contents.items()):
        digest.update(name.encode() + b"\0" + content + b"\0")
    return digest.hexdigest()[:12]
