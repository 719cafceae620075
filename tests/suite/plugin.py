"""A pytest plugin: shared servers, the order of files, and what they cost.

Under pytest-xdist one process hands out files, and each file stays in one process: its tests share
servers and browsers. Files that take long by the clock come first, so that no process ends long
after the others, and those that compute beside those that wait. Files of one group
(``tests/suite/groups.py``) stay together: they share a stack.

CPU is that of the test process and of the children that it has waited for, so a file's sum is
right, and a test's may hold what an earlier one started. It says more than seconds on a machine
that does other things too.
"""

from __future__ import annotations

import gc
import os
import resource
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Generator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import psutil
import pytest
from xdist.scheduler import LoadFileScheduling
from xdist.workermanage import WorkerController

from deploy.local import ports
from tests.suite import forked_worker
from tests.suite.budget import (
    Unit,
    by_folder,
    in_order,
    is_held,
    over_budget,
    read_budget,
    report,
    write_files,
)
from tests.suite.forks import Forked, end_what_is_left, start_server
from tests.suite.groups import PLACE_IN_GROUP, file_of, unit_of
from tests.suite.scratch import leave, make_scratch, use
from tests.suite.servers import SharedServers, starters

MAX_ID_BYTES: Final = 16
MAX_ID_CHARACTERS: Final = 80

_resources = pytest.StashKey[ExitStack]()
_costs = pytest.StashKey[dict[str, float]]()
_walls = pytest.StashKey[dict[str, float]]()
_servers = pytest.StashKey[SharedServers]()
_scratch = pytest.StashKey[Path]()
_forks = pytest.StashKey[subprocess.Popen[bytes]]()
_directory = pytest.StashKey[TemporaryDirectory[str]]()


def is_controller(config: pytest.Config) -> bool:
    """True in the process that hands out the tests, if there are others."""
    return bool(getattr(config.option, "numprocesses", None)) and not is_worker(config)


def is_worker(config: pytest.Config) -> bool:
    return hasattr(config, "workerinput")


def messages(config: pytest.Config, name: str) -> dict[str, Any]:
    """``workerinput`` or ``workeroutput``: what a process is told, and what it tells at its end."""
    found: dict[str, Any] = getattr(config, name)
    return found


class UnitScheduling(LoadFileScheduling):
    """Hands out units in the order of collection."""

    def _split_scope(self, nodeid: str) -> str:
        return unit_of(nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> UnitScheduling:
    return UnitScheduling(config, log)


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_costs] = defaultdict(float)
    config.stash[_walls] = defaultdict(float)
    config.stash[_resources] = ExitStack()
    if not is_worker(config) and (scratch := make_scratch()) is not None:
        config.stash[_scratch] = scratch
        use(scratch)
    if is_worker(config):
        told = messages(config, "workerinput")
        keep_to_ports(int(told["workerid"].removeprefix("gw")), told["workercount"])
    if is_controller(config):
        config.stash[_directory] = TemporaryDirectory(prefix="rollcall-servers-")
        config.stash[_forks] = start_server(Path(config.stash[_directory].name) / "forks")
        config.option.tx = [f"popen//python={forked_worker.command()}"] * len(config.option.tx)
        servers = SharedServers(Path(config.stash[_directory].name), starters())
        config.stash[_servers] = servers
        servers.start()


def keep_to_ports(worker: int, workers: int) -> None:
    """Ports of a process's own, and of what it starts: a port is looked for before its server takes
    it, and of six processes with hundreds of servers each now and then two found the same."""
    first, last = ports.port_range()
    each = (last + 1 - first) // (workers + 1)
    # The first ones are of the servers that all share.
    first += each * (worker + 1)
    os.environ[ports.VARIABLE] = f"{first}-{first + each - 1}"


def pytest_unconfigure(config: pytest.Config) -> None:
    if _servers in config.stash:
        config.stash[_servers].stop()
        config.stash[_forks].terminate()
        config.stash[_forks].wait()
        for command in end_what_is_left(Path(config.stash[_directory].name) / "forks"):
            sys.stderr.write(f"ended what was left: {command}\n")
        config.stash[_directory].cleanup()
    if _scratch in config.stash:
        leave(config.stash[_scratch])


def pytest_configure_node(node: WorkerController) -> None:
    node.workerinput["servers"] = node.config.stash[_directory].name


@pytest.fixture(scope="session")
def shared_servers(pytestconfig: pytest.Config) -> Path | None:
    """Where to ask for the servers of the run; None where one process runs all tests."""
    return (
        Path(messages(pytestconfig, "workerinput")["servers"]) if is_worker(pytestconfig) else None
    )


@pytest.fixture(scope="session")
def unit_resources(pytestconfig: pytest.Config) -> ExitStack:
    """What the files of a group share, ended after the last of them: what it runs costs CPU for as
    long as it is there."""
    return pytestconfig.stash[_resources]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(
    item: pytest.Item, nextitem: pytest.Item | None
) -> Generator[None, object, object]:
    result = yield
    if nextitem is None or unit_of(nextitem.nodeid) != unit_of(item.nodeid):
        item.config.stash[_resources].close()
    return result


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is collected stays to the end: the search for garbage leaves it out."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Bytes and long texts go by their argument's name: a token or a packed body holds the time at
    which it was made, and processes that collect in different seconds would not agree."""
    is_long = (isinstance(val, bytes) and len(val) > MAX_ID_BYTES) or (
        isinstance(val, str) and len(val) > MAX_ID_CHARACTERS
    )
    return argname if is_long else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Units in the order of ``in_order``; a file's tests in the order in which they are written."""
    budget = read_budget()
    units: dict[str, Unit] = defaultdict(Unit)
    for file in sorted({file_of(item.nodeid) for item in items}):
        unit = units[unit_of(file)]
        unit.cpu_seconds += budget.seconds_of_file.get(file, 0.0)
        unit.wall_seconds += budget.wall_of(file)
    places = {name: place for place, name in enumerate(in_order(units))}

    def place(item: pytest.Item) -> tuple[int, int]:
        return places[unit_of(item.nodeid)], PLACE_IN_GROUP.get(file_of(item.nodeid), 0)

    items.sort(key=place)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    before, began = cpu_seconds(), time.monotonic()
    result = yield
    file = file_of(item.nodeid)
    item.config.stash[_costs][file] += cpu_seconds() - before
    item.config.stash[_walls][file] += time.monotonic() - began
    return result


def cpu_seconds() -> float:
    """Of this process and of the children and forks that it has waited for."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    waited_for = children.ru_utime + children.ru_stime + Forked.cpu_seconds_of_ended
    return time.process_time() + waited_for


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    config = session.config
    costs, walls = config.stash[_costs], config.stash[_walls]
    if is_worker(config):
        told = messages(config, "workeroutput")
        told["cpu_seconds"] = dict(costs)
        told["wall_seconds"] = dict(walls)
        told["cpu_seconds_in_all"] = cpu_seconds()
    if is_controller(config):
        # The processes that ran tests have ended: what is left are the servers.
        forks = config.stash[_forks].pid  # its children's are the tests'
        servers = [child for child in psutil.Process().children(True) if child.pid != forks]
        costs["(Kafka, PostgreSQL)"] += sum(map(seconds_of, servers))
        if is_held() and is_whole(config) and over_budget(by_folder(costs), read_budget()):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_testnodedown(node: WorkerController) -> None:
    output = getattr(node, "workeroutput", {})
    costs, walls = node.config.stash[_costs], node.config.stash[_walls]
    in_tests = 0.0
    for file, seconds in output.get("cpu_seconds", {}).items():
        costs[file] += seconds
        in_tests += seconds
    for file, seconds in output.get("wall_seconds", {}).items():
        walls[file] += seconds
    costs["(imports, collection)"] += output.get("cpu_seconds_in_all", in_tests) - in_tests


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    costs, walls = config.stash[_costs], config.stash[_walls]
    if not (is_controller(config) and is_whole(config)):
        return
    budget = read_budget()
    terminalreporter.section("CPU seconds by folder, and of the ten costliest files")
    for line in report(costs, budget):
        terminalreporter.write_line(line)
    for problem in over_budget(by_folder(costs), budget):
        terminalreporter.write_line(problem, red=True)
    if os.environ.get("ROLLCALL_WRITE_BUDGET"):
        write_files(costs, walls)


def is_whole(config: pytest.Config) -> bool:
    """A run of the whole suite: nobody named a file or chose among tests."""
    return config.args_source is pytest.Config.ArgsSource.TESTPATHS and not config.option.keyword


def seconds_of(process: psutil.Process) -> float:
    try:
        spent = process.cpu_times()
    except psutil.Error:  # it has just ended
        return 0.0
    return float(spent.user + spent.system + spent.children_user + spent.children_system)
