"""Which files of tests stay together in one process, and in which order."""

from __future__ import annotations

from typing import Final


def _pages(*names: str) -> tuple[str, ...]:
    return tuple(f"tests/e2e/pages/test_{name}.py" for name in names)


#: Files that share a stack (``tests/e2e/stacks.py``), a browser and an API, or a server, in their
#: order.
GROUPS: Final[tuple[tuple[str, ...], ...]] = (
    # The second goes on with the data of the first. README's wants nobody online but its own user.
    (
        "tests/e2e/test_own_back_end.py",
        "tests/e2e/test_simulation.py",
        "tests/e2e/test_readme.py",
        "tests/e2e/pages/test_live_stack.py",
        "tests/e2e/test_up.py",
        "tests/e2e/test_logs_name_nobody.py",
    ),
    # The first wants nobody online but its own users. In the last Kafka is away at last, and its
    # grace keeps everybody online for longer.
    (
        "tests/e2e/test_count_is_exact.py",
        "tests/e2e/pages/test_five_steps_seen.py",
        "tests/e2e/test_canary.py",
        "tests/e2e/test_five_steps.py",
    ),
    # A browser and an API take three seconds of CPU to start, as much as a short file of pages.
    # Those of the fleet of weeks. The last one stops its API, and has the most to look at.
    _pages(
        *("active_users", "weight", "german", "journeys", "screen_rules", "kept", "display"),
        *("taking_along", "screens"),
    ),
    # Those of the API that shows what a test has written:
    _pages("live", "user", "dashboard", "health", "settings_page"),
    # And of one that encrypts secrets:
    _pages("users", "docs", "manage", "sharing", "audience", "audit"),
    # Debian's PostgreSQL. The first looks at all that it logged.
    (
        "tests/integration/api/test_api_search_index.py",
        "tests/integration/federation/test_federate_command.py",
        "tests/integration/federation/test_federation.py",
    ),
)
GROUP_OF: Final = {file: group[0] for group in GROUPS for file in group}
PLACE_IN_GROUP: Final = {file: place for group in GROUPS for place, file in enumerate(group)}


def file_of(nodeid: str) -> str:
    return nodeid.split("::", 1)[0]


def unit_of(nodeid: str) -> str:
    """What must stay in one process: a group, or a file."""
    file = file_of(nodeid)
    return GROUP_OF.get(file, file)
