"""docs/security.md names tests and settings that there are, and has no empty row."""

from __future__ import annotations

import re

from deploy.pages.settings import settings_page
from tests.repository_text import texts

PAGE = "docs/security.md"


def test_every_test_that_the_page_names_exists() -> None:
    tests = "\n".join(text for path, text in texts().items() if path.startswith("tests/"))
    named = set(re.findall(r"`(test_\w+)`", texts()[PAGE]))
    assert len(named) > 30
    assert {name for name in named if f"def {name}(" not in tests} == set()


def test_every_setting_that_the_page_names_exists() -> None:
    known = (
        settings_page() + texts()["deploy/gateway/haproxy.cfg"] + texts()["deploy/cli/migrate.py"]
    )
    known += (
        texts()["deploy/cli/topics.py"]
        + texts()["deploy/roles/api_role.py"]
        + texts()["schemas/service/settings.py"]
    )
    named = set(re.findall(r"`((?:ROLLCALL|GATEWAY)_\w+)`", texts()[PAGE]))
    assert {name for name in named if name not in known} == set()


def test_every_row_has_an_attack_a_bound_and_a_test() -> None:
    rows = re.findall(r"^\| (?!attack|---)(.*) \|$", texts()[PAGE], re.MULTILINE)
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", row)] for row in rows]
    assert len(cells) > 20
    for row in cells:
        attack, bound, _setting, test = row
        assert attack, row
        assert bound, row
        assert "`test_" in test or "`tests/" in test, row
