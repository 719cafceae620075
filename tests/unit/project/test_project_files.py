"""Files for people and for the host of the repository: they are valid and true."""

from __future__ import annotations

import json
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import jsonschema
import pytest

from tests.unit.deploy.compose_file import ROOT
from tests.unit.project.test_packaging import PROJECT
from tests.yaml_text import read_yaml

HOST: Final = ROOT / ".github"
FORMS: Final = sorted(
    set((HOST / "ISSUE_TEMPLATE").glob("*.yml")) - {HOST / "ISSUE_TEMPLATE/config.yml"}
)
#: A page or a module of ours, as prose names it.
NAMED: Final = re.compile(r"`((?:api|deploy|docs|ingest|processor|schemas|tests)/[\w./-]+)`")


def valid(path: Path, schema: str) -> Any:
    """The file, after a look at one of the schemas that check-jsonschema brings."""
    [folder] = find_spec("check_jsonschema").submodule_search_locations  # type: ignore[union-attr, misc]
    text = (Path(folder) / f"builtin_schemas/vendor/{schema}.json").read_text("utf-8")
    loaded = read_yaml(path.read_text("utf-8"))
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


def test_every_file_that_contributors_are_sent_to_is_there() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    named = NAMED.findall(text)
    assert len(named) > 30
    assert [name for name in named if not (ROOT / name).exists()] == []
    [(module, test)] = re.findall(r"pytest -q (\S+\.py)::(\w+)", text)
    assert f"def {test}(" in (ROOT / module).read_text("utf-8")
