"""The pictures of README and docs/dashboard.md: pages of a `rollcall up` that simulated users use.

python -m tests.e2e.picture            # into docs/images; takes --minutes
python -m tests.e2e.picture --smoke    # only whether it can be made
"""

from __future__ import annotations

import argparse
import re
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from playwright.sync_api import Page, expect

from deploy.local.ports import free_port
from tests.e2e.browser import DESK, running_browser, watched_page
from tests.e2e.stack import Up

PICTURES: Final = Path(__file__).parents[2] / "docs/images"
USERS: Final = 500
SMOKE_USERS: Final = 20
#: So that the last hour has a shape.
MINUTES: Final = 12.0
#: README is read on phones, too.
MAX_BYTES: Final = 200_000


def take(link: str, folder: Path, minutes: float) -> None:
    """The pages behind a link of `rollcall up`, once its fleet has been there for so long."""
    with running_browser() as browser, watched_page(browser) as (page, complaints):
        page.goto(link)
        expect(page.locator("#connection")).to_have_attribute("data-state", "live")
        time.sleep(minutes * 60)
        expect(page.locator("#changes li").first).to_be_visible()
        expect(page.locator("#hour .plot canvas")).to_be_visible()
        page.set_viewport_size({"width": DESK[0], "height": DESK[1]})
        keep(page, folder, "live")
        page.click("nav >> text=Users")
        expect(page.locator("#rows tr").first).to_be_visible()
        expect(page.locator("#count")).to_contain_text("users")
        keep(page, folder, "users")
        page.locator("#rows tr a").last.click()  # who has been here for longest
        expect(page.locator("#strip .piece").first).to_be_visible()
        keep(page, folder, "user")
        if complaints:
            raise SystemExit(f"the page complains: {complaints}")


def keep(page: Page, folder: Path, name: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.png"
    page.screenshot(path=path)
    if path.stat().st_size > MAX_BYTES:
        raise SystemExit(f"{path} has {path.stat().st_size} bytes, more than {MAX_BYTES}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=MINUTES, help="how long the fleet runs")
    parser.add_argument("--smoke", action="store_true", help="at once, and into no folder of ours")
    options = parser.parse_args()
    with TemporaryDirectory() as folder:
        users = SMOKE_USERS if options.smoke else USERS
        up = Up(Path(folder) / "data", free_port(), "--simulate", str(users))
        try:
            link = re.search(r"\S+/login#token=\S+", up.wait_ready().output)
            if link is None:
                raise SystemExit(f"no link to the dashboard: {up.output}")
            pictures, minutes = (PICTURES, options.minutes)
            if options.smoke:
                pictures, minutes = Path(folder) / "pictures", 0.0
            take(link[0], pictures, minutes)
        finally:
            up.end()


if __name__ == "__main__":
    main()
