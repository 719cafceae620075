"""What we are called, which version this is, and what pages tell people to install."""

from __future__ import annotations

import re
import shlex
import tomllib
from datetime import date
from itertools import pairwise
from typing import Final

import pytest

from schemas.service.distribution import DISTRIBUTION, rollcall_version
from tests.repository_text import texts
from tests.unit.deploy.compose_file import ROOT, load_compose
from tests.yaml_text import read_yaml

PROJECT: Final = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
#: A command that takes names of distributions, up to the end of the command.
INSTALLER: Final = re.compile(
    r"\b(?:pip3?\s+(?:install|download|wheel)|pipx\s+(?:install|run|inject|upgrade)"
    r"|uv\s+(?:add|tool\s+(?:install|run))|uvx|poetry\s+add|pdm\s+add)\b([^\n;|&`]*)"
)
#: With extras, a version, or what a sentence puts behind it.
BARE: Final = re.compile(r"['\"]?rollcall(?:\[.*\])?(?:[=<>~!@ ].*)?['\",.)]*")
#: Options that say where a command of pipx and uv comes from.
SOURCES: Final = ("--spec", "--from")


def installs_of_the_bare_name(text: str) -> list[str]:
    """Commands in a text that would fetch somebody else's package."""
    found = []
    for command in INSTALLER.finditer(text):
        try:
            words = shlex.split(command[1], comments=True)
        except ValueError:  # a quote that is prose's
            words = command[1].split()
        sources = [source for option, source in pairwise(words) if option in SOURCES]
        if any(BARE.fullmatch(word) for word in sources or words):
            found.append(command[0].strip())
    return found


@pytest.mark.parametrize(
    "told",
    [
        "pip install rollcall",
        "python -m pip install -U 'rollcall[local]'",
        "pip install rollcall==0.2.0 other",
        "pipx install rollcall",
        "pipx run rollcall up",
        "pipx run --spec 'rollcall[local]' rollcall up",
        "uvx rollcall up",
        "uvx --from rollcall rollcall up",
        "uv add rollcall",
        "Then `pip install rollcall`, and",
    ],
)
def test_to_install_the_bare_name_is_seen(told: str) -> None:
    assert installs_of_the_bare_name(told)


@pytest.mark.parametrize(
    "told",
    [
        "pip install rollcall-presence",
        "pipx run --spec './dist/rollcall_presence-0.2.0-py3-none-any.whl[local]' rollcall up",
        "uvx --from './dist/rollcall_presence-0.2.0-py3-none-any.whl[local]' rollcall up",
        "pip install --editable . && rollcall up",
        "pip wheel --wheel-dir dist .",
        "helm upgrade --install rollcall deploy/helm/rollcall",
    ],
)
def test_to_install_ours_is_no_such_thing(told: str) -> None:
    assert installs_of_the_bare_name(told) == []


def test_no_page_tells_anybody_to_install_somebody_elses_package() -> None:
    told = {
        path: found
        for path, text in texts().items()
        if not path.startswith("tests/") and (found := installs_of_the_bare_name(text))
    }
    assert told == {}


def test_the_name_is_ours_and_the_version_is_known_by_it() -> None:
    """If this fails after an upgrade: make install."""
    assert PROJECT["name"] == DISTRIBUTION
    assert rollcall_version() == PROJECT["version"]
    assert PROJECT["scripts"] == {"rollcall": "deploy.cli:main"}


def test_chart_image_pages_and_changelog_are_of_this_version() -> None:
    version = PROJECT["version"]
    chart = read_yaml((ROOT / "deploy/helm/rollcall/Chart.yaml").read_text("utf-8"))
    assert chart["version"] == chart["appVersion"] == version
    assert load_compose()["services"]["ingest"]["image"] == f"rollcall:{version}"
    assert load_compose()["services"]["secrets"]["build"]["args"] == {"VERSION": version}
    named = {
        (path.name, number)
        for path in (ROOT / "README.md", *(ROOT / "docs").glob("*.md"))
        for number in re.findall(
            r"(?:rollcall_presence-|/rollcall:)(\d+\.\d+\.\d+)", path.read_text("utf-8")
        )
    }
    assert {number for _, number in named} == {version}
    assert "README.md" in {page for page, _ in named}


def test_the_changelog_begins_with_this_version_and_dates_those_before() -> None:
    headings = re.findall(r"^## (.*)$", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.M)
    assert headings[0].split()[0] == PROJECT["version"]
    for heading in headings[1:]:
        released = re.fullmatch(r"\d+\.\d+\.\d+ \((\d{4}-\d{2}-\d{2})\)", heading)
        assert released is not None, heading
        date.fromisoformat(released[1])


def test_migrations_are_numbered_once_and_the_one_gap_is_explained() -> None:
    numbers = sorted(
        int(path.name[:4]) for path in (ROOT / "schemas/database/sql").glob("[0-9]*.sql")
    )
    assert set(range(1, numbers[-1] + 1)) - set(numbers) == {11}
    assert len(set(numbers)) == len(numbers)
    assert "There is no 0011" in (ROOT / "schemas/database/migrate.py").read_text("utf-8")
