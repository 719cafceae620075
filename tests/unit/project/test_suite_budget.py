"""What the suite may cost, and in which order it runs."""

from __future__ import annotations

import re
from pathlib import Path

from tests.suite.budget import (
    Budget,
    Unit,
    by_folder,
    in_order,
    over_budget,
    read_budget,
    report,
)
from tests.suite.groups import GROUPS, unit_of

ROOT = Path(__file__).parents[3]
BUDGET = Budget({"tests/unit": 10.0, "tests/e2e": 5.0}, {})


def test_pages_count_with_their_folder() -> None:
    costs = {
        "tests/e2e/pages/test_a.py": 2.0,
        "tests/e2e/test_b.py": 1.0,
        "tests/unit/test_c.py": 4,
    }
    assert by_folder(costs) == {"tests/unit": 4.0, "tests/e2e": 3.0}


def test_a_folder_that_took_too_much_is_named_with_the_remedy() -> None:
    assert over_budget({"tests/unit": 10.0, "tests/e2e": 5.0}, BUDGET) == []
    [problem] = over_budget({"tests/unit": 10.1, "tests/e2e": 5.0}, BUDGET)
    assert problem.startswith("tests/unit took 10 s of CPU, 10 at most: make a test cheaper")
    [unknown] = over_budget({"tests/other": 1.0}, BUDGET)
    assert unknown == "tests/other has no line in tests/suite/budget.toml"


def test_the_end_of_a_run_names_folders_and_the_ten_costliest_files() -> None:
    costs = {f"tests/unit/test_{n}.py": float(n) for n in range(12)} | {"(servers)": 100.0}
    lines = report(costs, BUDGET)
    assert lines[0].split() == ["100.0", "s", "of", "0", "(servers)"]
    files = lines[lines.index("") + 1 :]
    assert [line.split()[-1] for line in files] == [
        f"tests/unit/test_{n}.py" for n in range(11, 1, -1)
    ]


def test_units_that_compute_run_beside_those_that_wait_and_of_each_the_longest_first() -> None:
    waits = {f"waits {wall}": Unit(1.0, wall) for wall in (20.0, 10.0, 40.0)}
    computes = {f"computes {cpu}": Unit(cpu, cpu) for cpu in (4.0, 8.0, 2.0)}
    assert in_order(waits | computes) == [
        *("computes 8.0", "waits 40.0", "computes 4.0", "waits 20.0"),
        *("computes 2.0", "waits 10.0"),
    ]


def test_files_are_ordered_by_the_clock_as_far_as_that_is_known() -> None:
    budget = Budget({}, {"measured": 9.0, "by its CPU": 2.0}, {"measured": 1.0})
    assert [budget.wall_of(file) for file in ("measured", "by its CPU", "new")] == [1, 6, 15]


def test_every_folder_of_tests_has_a_line() -> None:
    folders = {
        f"tests/{path.name}"
        for path in (ROOT / "tests").iterdir()
        if any(path.glob("**/test_*.py")) and path.name != "engine"
    }
    assert folders <= read_budget().most_of_folder.keys()


def test_files_that_share_a_stack_stay_together() -> None:
    for group in GROUPS:
        assert all((ROOT / file).exists() for file in group)
        assert len({unit_of(f"{file}::test_x") for file in group}) == 1
    for stack in ("plain_up", "short_stack", "staffed_up"):
        users = {
            str(path.relative_to(ROOT))
            for path in (ROOT / "tests/e2e").rglob("test_*.py")
            if re.search(rf"\b{stack}: ", path.read_text("utf-8"))
        }
        # Another unit in the same process would be given the stack that has ended.
        assert len({unit_of(file) for file in users}) == 1, (stack, users)
    assert unit_of("tests/unit/test_x.py::test_y[a::b]") == "tests/unit/test_x.py"
