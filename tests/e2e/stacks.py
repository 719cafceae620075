"""The stacks that several files of tests share: a start costs more than most of them.

Files of one stack run in one process (``tests/suite/groups.py``), in the order that stands there.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from deploy.local.ports import free_port
from tests.e2e.driver import Stack
from tests.e2e.laravel import Laravel, laravel
from tests.e2e.stack import Up

# With short windows, and as in production the gap of an outage less than offline_after: a silence
# of the log that could show anybody offline is one.
SHORT_OFFLINE_AFTER_SECONDS = 8
SHORT_FENCE_SECONDS = 3
SHORT_OUTAGE_GAP_SECONDS = 6
SHORT_STALE_AFTER_SECONDS = 9

STAFF_SECRET = "the secret of staff, of 32 bytes and more"


@contextmanager
def running_up(*arguments: str, **environment: str) -> Iterator[Up]:
    """A `rollcall up` that is ready, ended afterwards if it has not been."""
    # Not below pytest's directory: another run that starts closes that to PostgreSQL's user.
    with TemporaryDirectory(prefix="rollcall-test-") as directory:
        up = Up(Path(directory) / "data", free_port(), *arguments, **environment)
        try:
            yield up.wait_ready()
        finally:
            up.end()


@pytest.fixture(scope="session")
def plain_up(unit_resources: ExitStack) -> Up:
    """One without any options, behind a proxy. Its last test ends it."""
    return unit_resources.enter_context(running_up(ROLLCALL_TRUSTED_PROXIES="127.0.0.1"))


@pytest.fixture(scope="session")
def back_end(unit_resources: ExitStack) -> Laravel:
    return unit_resources.enter_context(laravel())


@pytest.fixture(scope="session")
def staffed_up(unit_resources: ExitStack, back_end: Laravel) -> Up:
    """One whose staff has a secret of its own, and whose phones may have their back end's tokens.
    Its last test kills it, and another one is started on its data."""
    up = running_up(ROLLCALL_STAFF_JWT_SECRET=STAFF_SECRET, ROLLCALL_USERINFO_URL=back_end.url)
    return unit_resources.enter_context(up)


@pytest.fixture(scope="session")
def short_stack(unit_resources: ExitStack) -> Stack:
    """One in which little time must pass. Tests may kill its processes."""
    up = running_up(
        *("--offline-after", str(SHORT_OFFLINE_AFTER_SECONDS), "--heartbeat-interval", "2"),
        "--allow-short-timing",
        ROLLCALL_LOGOUT_FENCE_SECONDS=str(SHORT_FENCE_SECONDS),
        ROLLCALL_OUTAGE_GAP_SECONDS=str(SHORT_OUTAGE_GAP_SECONDS),
        ROLLCALL_STALE_AFTER_SECONDS=str(SHORT_STALE_AFTER_SECONDS),
        # Phones that are kept alive while a test looks again and again.
        ROLLCALL_USER_EVENTS_BURST="10000",
    )
    return Stack(unit_resources.enter_context(up))
