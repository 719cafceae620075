"""What is written about the system is what the system is."""

from __future__ import annotations

from pathlib import Path

from deploy.settings_doc import settings_page

ROOT = Path(__file__).parents[2]


def test_the_page_of_settings_is_up_to_date() -> None:
    """If this fails: make docs."""
    assert (ROOT / "docs/settings.md").read_text("utf-8") == settings_page()
