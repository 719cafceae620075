"""Files for people and for the host of the repository: they are valid, and lead somewhere."""

from __future__ import annotations

import json
import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import jsonschema
import pytest
import yaml

from tests.unit.compose_file import ROOT
from tests.unit.test_packaging import PROJECT, tracked_pages

HOST: Final = ROOT / ".github"
FORMS: Final = sorted(
    set((HOST / "ISSUE_TEMPLATE").glob("*.yml")) - {HOST / "ISSUE_TEMPLATE/config.yml"}
)
LINK: Final = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
CODE: Final = re.compile(r"^(```|~~~).*?^\1", re.M | re.S)
#: A page or a module of ours, as prose names it.
NAMED: Final = re.compile(r"`((?:api|deploy|docs|ingest|processor|schemas|tests)/[\w./-]+)`")


def valid(path: Path, schema: str) -> Any:
    """The file, after a look at one of the schemas that check-jsonschema brings."""
    [folder] = find_spec("check_jsonschema").submodule_search_locations  # type: ignore[union-attr, misc]
    text = (Path(folder) / f"builtin_schemas/vendor/{schema}.json").read_text("utf-8")
    loaded = yaml.safe_load(path.read_text("utf-8"))
    # YAML takes the word `on` for a truth, the host does not.
    found = {"on" if key is True else key: value for key, value in loaded.items()}
    jsonschema.validate(found, json.loads(text), cls=jsonschema.Draft7Validator)
    return found


def test_ci_runs_what_readme_says_on_every_python_that_we_name() -> None:
    workflow = valid(HOST / "workflows/ci.yml", "github-workflows")
    [job] = workflow["jobs"].values()
    assert job["steps"][-1] == {"run": "make test"}
    named = [
        classifier.rpartition(" ")[2]
        for classifier in PROJECT["classifiers"]
        if re.search(r":: 3\.\d+$", classifier)
    ]
    assert job["strategy"]["matrix"] == {"python": named}
    assert named[0] == PROJECT["requires-python"].removeprefix(">=")


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)
def test_an_issue_has_a_form_that_the_host_can_show(path: Path) -> None:
    valid(path, "github-issue-forms")
    valid(HOST / "ISSUE_TEMPLATE/config.yml", "github-issue-config")


def test_readme_is_short_and_its_picture_small() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    assert len(text.splitlines()) <= 100
    [picture] = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", text)
    assert (ROOT / picture).stat().st_size < 200_000


@cache
def anchors(path: Path) -> frozenset[str]:
    """The headings of a page, as the host makes addresses of them."""
    headings = re.findall(r"^#+ (.*)$", CODE.sub("", path.read_text("utf-8")), re.M)
    words = (re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading) for heading in headings)
    return frozenset(re.sub(r"[^\w\- ]", "", word.lower()).replace(" ", "-") for word in words)


def test_every_link_between_pages_leads_somewhere() -> None:
    broken = []
    for page in tracked_pages():
        if page.suffix != ".md":
            continue
        for link in LINK.findall(CODE.sub("", page.read_text("utf-8"))):
            if re.match(r"[a-z]+:", link):
                continue
            name, _, anchor = link.partition("#")
            target = (page.parent / name).resolve() if name else page
            if not target.exists() or (anchor and anchor not in anchors(target)):
                broken.append(f"{page.relative_to(ROOT)}: {link}")
    assert broken == []


def test_every_file_that_contributors_are_sent_to_is_there() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    named = NAMED.findall(text)
    assert len(named) > 30
    assert [name for name in named if not (ROOT / name).exists()] == []
    [(module, test)] = re.findall(r"pytest -q (\S+\.py)::(\w+)", text)
    assert f"def {test}(" in (ROOT / module).read_text("utf-8")
