"""The picture of README: the Live page of a `rollcall up` that simulated users use.

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

from playwright.sync_api import expect

from deploy.local.ports import free_port
from tests.e2e.browser import DESK, running_browser, watched_page
from tests.e2e.stack import Up

PICTURE: Final = Path(__file__).parents[2] / "docs/images/live.png"
USERS: Final = 500
#: So that the last hour has a shape.
MINUTES: Final = 12.0
#: README is read on phones, too.
MAX_BYTES: Final = 200_000


def take(link: str, path: Path, minutes: float) -> None:
    """The page behind a link of `rollcall up`, once its fleet has been there for so long."""
    with running_browser() as browser, watched_page(browser) as (page, complaints):
        page.goto(link)
        expect(page.locator("#connection")).to_have_attribute("data-state", "live")
        time.sleep(minutes * 60)
        expect(page.locator("#changes li").first).to_be_visible()
        expect(page.locator("#hour .plot canvas")).to_be_visible()
        page.set_viewport_size({"width": DESK[0], "height": DESK[1]})
        path.parent.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=path)
        if complaints:
            raise SystemExit(f"the page complains: {complaints}")
    if path.stat().st_size > MAX_BYTES:
        raise SystemExit(f"{path} has {path.stat().st_size} bytes, more than {MAX_BYTES}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=MINUTES, help="how long the fleet runs")
    parser.add_argument("--smoke", action="store_true", help="at once, and into no folder of ours")
    options = parser.parse_args()
    with TemporaryDirectory() as folder:
        up = Up(Path(folder) / "data", free_port(), "--simulate", str(USERS))
        try:
            link = re.search(r"\S+/login#token=\S+", up.wait_ready().output)
            if link is None:
                raise SystemExit(f"no link to the dashboard: {up.output}")
            path, minutes = (PICTURE, options.minutes)
            if options.smoke:
                path, minutes = Path(folder) / "live.png", 0.0
            take(link[0], path, minutes)
        finally:
            up.end()


if __name__ == "__main__":
    main()
