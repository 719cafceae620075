"""Folders of a stack: nobody else enters, and no folder of others is closed."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from deploy.local.private import let_pass, make_data_dir, make_private

SOMEBODY, SOMEBODY_ELSE = 54_321, 54_322
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root acts as others")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def reads(uid: int, path: Path) -> bool:
    """Whether a process of this user can read the file. No Python: it may be below /root."""
    done = subprocess.run(
        ["/bin/cat", str(path)],
        env={"LC_ALL": "C"},
        user=uid,
        group=uid,
        extra_groups=[],
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0 or b"Permission denied" in done.stderr
    return done.returncode == 0


def test_a_data_directory_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "above" / "data"
    make_data_dir(folder)
    assert mode(folder) == 0o700


def test_a_data_directory_of_an_earlier_release_is_closed(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    (folder / "kafka").mkdir(parents=True)
    (folder / "dev-key").touch()
    folder.chmod(0o755)
    make_data_dir(folder)
    assert mode(folder) == 0o700


def test_a_folder_that_holds_other_things_is_not_ours_to_close(tmp_path: Path) -> None:
    (tmp_path / "kafka").mkdir()
    (tmp_path / "thesis.txt").touch()
    tmp_path.chmod(0o755)
    make_data_dir(tmp_path)
    make_private(tmp_path / "kafka")
    assert mode(tmp_path) == 0o755
    assert mode(tmp_path / "kafka") == 0o700


@pytest.fixture
def passed() -> Iterator[Path]:
    """A folder that everybody passes. Not below pytest's: each pytest that starts closes that."""
    with TemporaryDirectory(prefix="rollcall-test-") as directory:
        Path(directory).chmod(0o711)
        yield Path(directory)


@as_root
def test_one_user_is_let_through_and_nobody_else(passed: Path) -> None:
    folder = passed / "private"
    folder.mkdir()
    make_private(folder)
    file = folder / "file"
    file.write_text("")
    assert not reads(SOMEBODY, file)
    let_pass(folder, SOMEBODY)
    if mode(folder) & 0o001:
        pytest.skip("this file system keeps no access control lists")
    assert reads(SOMEBODY, file)
    assert not reads(SOMEBODY_ELSE, file)
    # Closed and opened again, as at each start; and for a second one.
    make_private(folder)
    assert not reads(SOMEBODY, file)
    let_pass(folder, SOMEBODY_ELSE)
    let_pass(folder, SOMEBODY)
    assert reads(SOMEBODY, file)
    assert reads(SOMEBODY_ELSE, file)
    assert mode(folder) & 0o067 == 0


def test_a_folder_that_everybody_passes_stays_as_it_is(tmp_path: Path) -> None:
    tmp_path.chmod(0o751)
    let_pass(tmp_path, SOMEBODY)
    assert mode(tmp_path) == 0o751
