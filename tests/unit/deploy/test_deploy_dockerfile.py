"""deploy/Dockerfile, as far as it can be tested where no Docker engine is."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import zipfile
from fnmatch import fnmatch
from importlib.metadata import distribution
from pathlib import Path, PurePosixPath

import pytest

from api.dashboard.assets import IN_WHEELS, UPLOT, UPLOT_FILES
from deploy.image_files import is_needed
from deploy.image_files import main as image_files
from tests.unit.deploy.compose_file import ROOT, load_compose

DOCKERFILE = (ROOT / "deploy/Dockerfile").read_text("utf-8").replace("\\\n", " ")
STAGES = re.split(r"^FROM ", DOCKERFILE, flags=re.M)[1:]
PACKAGES = ("api", "deploy", "ingest", "processor", "schemas")


@pytest.mark.parametrize("dockerfile", ["deploy/Dockerfile", "deploy/compose/Dockerfile"])
def test_the_linter_has_nothing_to_say(dockerfile: str) -> None:
    linter = Path(sys.executable).with_name("hadolint")
    checked = subprocess.run(
        [str(linter), str(ROOT / dockerfile)], capture_output=True, text=True, check=False
    )
    assert (checked.returncode, checked.stdout) == (0, "")


def instruction(name: str, stage: str = STAGES[-1]) -> list[str]:
    return re.findall(rf"^{name} (.*)$", stage, re.M)


def test_the_image_runs_as_a_numbered_user_without_a_shell_in_between() -> None:
    [user] = instruction("USER")
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", user)
    assert load_compose()["services"]["ingest"]["user"] == user
    [command] = instruction("CMD")
    assert json.loads(command)
    assert instruction("STOPSIGNAL") == ["SIGTERM"]
    assert instruction("ENTRYPOINT") == []


def test_what_is_copied_is_there_and_gets_past_dockerignore() -> None:
    ignored = (ROOT / ".dockerignore").read_text("utf-8").split()
    allowed = {line[1:] for line in ignored if line.startswith("!")}
    refused = [line for line in ignored if not line.startswith("!")]
    for copied in (source for stage in STAGES for source in instruction("COPY", stage)):
        if copied.startswith("--from="):
            continue
        *sources, _target = copied.split()
        for source in sources:
            assert (ROOT / source).exists(), source
            assert Path(source).parts[0] in allowed, source
            assert not any(fnmatch(source, rule) for rule in refused if rule != "*"), source


def test_everything_is_installed_by_its_hash() -> None:
    commands = [part for run in instruction("RUN", STAGES[0]) for part in run.split("&&")]
    installs = [part for part in commands if re.search(r"\bpip\b.*\binstall\b", part)]
    for install in installs:
        locked = "--require-hashes --no-deps --only-binary :all:" in " ".join(install.split())
        assert locked or "--no-deps --no-index /wheels/" in " ".join(install.split()), install
    assert len(installs) == 3


def test_of_the_wheels_only_what_services_use_goes_into_the_image() -> None:
    kept, all_bytes = used_bytes("mkdocs-swagger-ui-tag")
    assert kept < all_bytes / 2
    # Its libraries are most of it.
    kept, all_bytes = used_bytes("numpy")
    assert kept < 0.9 * all_bytes
    for _, package, path in IN_WHEELS.values():
        assert is_needed(PurePosixPath(package, path)), path
    for name in (
        "mkdocs_swagger_ui_tag-0.8.1.dist-info/METADATA",  # its version is in an address
        "numpy/_core/multiarray.py",
        "numpy.libs/libopenblas.so",
        "datasketches/__init__.py",
        "api/dashboard/static/pages/live.js",
        "faust/app/base.py",
    ):
        assert is_needed(PurePosixPath(name)), name
    for name in ("numpy/lib/tests/test_io.py", "yarl/_quoting_c.pyx", "bs4/__init__.py"):
        assert not is_needed(PurePosixPath(name)), name
    runs = " ".join(instruction("RUN", STAGES[0]))
    assert "-m deploy.image_files" in runs


def used_bytes(name: str) -> tuple[int, int]:
    """How many bytes of a distribution stay, and how many it has."""
    kept = total = 0
    for file in distribution(name).files or ():
        path = Path(str(file.locate()))
        if ".." not in file.parts and path.is_file():
            total += path.stat().st_size
            kept += path.stat().st_size if is_needed(PurePosixPath(file)) else 0
    return kept, total


def test_what_is_not_needed_is_deleted_and_so_are_the_folders_that_it_leaves_empty(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    package = "mkdocs_swagger_ui_tag"
    served = f"{package}/swagger-ui/stylesheets/swagger-ui.css"
    for name in (served, f"{package}/main.py", f"{package}/__init__.py", "numpy/core.py"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * 1_000_000)
    image_files([str(tmp_path)])
    left = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*"))
    folders = [str(path) for path in PurePosixPath(served).parents if path.name]
    assert left == sorted(["numpy", "numpy/core.py", *folders, served])
    assert capsys.readouterr().out == "deleted 2 MB that services do not need\n"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """Ours, built as the Dockerfile builds it."""
    folder = tmp_path_factory.mktemp("wheel")
    build = ["wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder)]
    subprocess.run(
        [sys.executable, "-m", "pip", "--disable-pip-version-check", *build, str(ROOT)], check=True
    )
    [built] = folder.glob("*.whl")
    return zipfile.ZipFile(built)


def test_the_wheel_has_all_that_services_read_and_nothing_for_operators(
    wheel: zipfile.ZipFile,
) -> None:
    tracked = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", *PACKAGES],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if tracked.returncode != 0:
        pytest.skip("this is no clone: git does not know which files belong to Rollcall")
    for_operators = (
        "compose/",
        "gateway/",
        "grafana/",
        "helm/",
        "prometheus/",
        "Dockerfile",
        "build.",
    )
    wanted = {
        path
        for path in tracked.stdout.split("\n")
        if path and not path.startswith(tuple(f"deploy/{name}" for name in for_operators))
    }
    found = {name for name in wheel.namelist() if ".dist-info/" not in name}
    # Git does not know it: the build puts it there.
    from_webjars = {name for name in found if name.startswith("api/dashboard/webjars/")}
    assert from_webjars == {
        f"api/dashboard/webjars/{UPLOT}/{name}" for name in (*UPLOT_FILES, "LICENSE")
    }
    assert found - from_webjars == wanted
    [points] = [name for name in wheel.namelist() if name.endswith("entry_points.txt")]
    assert b"rollcall = deploy.cli:main" in wheel.read(points)


@pytest.mark.long
def test_the_steps_of_the_build_give_services_that_start(
    wheel: zipfile.ZipFile, tmp_path: Path
) -> None:
    """Into an empty environment, from the lock alone: minutes, and 100 MB."""
    environment = tmp_path / "rollcall"
    python = environment / "bin/python"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(python)]
    lock = ["--require-hashes", "--no-deps", "--only-binary", ":all:", "-r"]
    subprocess.run(
        [*pip, "install", "-q", "--no-compile", *lock, str(ROOT / "requirements.lock")], check=True
    )
    subprocess.run(
        [*pip, "install", "-q", "--no-deps", "--no-index", str(wheel.filename)], check=True
    )
    subprocess.run([*pip, "check"], check=True)

    def run(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=tmp_path, capture_output=True, text=True, check=False, env={}
        )

    for name in ("ingest", "api"):
        refused = run(str(python), "-m", name)
        assert refused.returncode == 2, refused.stderr
        assert "set exactly one of ROLLCALL_JWT_SECRET" in refused.stderr
    assert run(str(python), "-m", "deploy.roles.compose_secrets", "x").returncode == 2
    assert run(str(python), "-c", "import processor.__main__").returncode == 0
    for command in ("migrate", "topics", "token", "ingest", "processor", "api", "key"):
        helped = run(str(environment / "bin/rollcall"), command, "--help")
        assert helped.returncode == 0, helped.stderr
