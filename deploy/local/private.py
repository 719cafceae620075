"""Folders of a stack that nobody else on this machine may enter.

A stack keeps user ids, screens and devices (Kafka's segments, PostgreSQL's files), the key that
signs its tokens, passwords and logs. Each folder of ours is 0700, and `rollcall up` and all that it
starts make files for their owner only.

PostgreSQL refuses to run as root. So under root one other user must pass through the folders above
the cluster: an entry of an access control list says so, for that user alone.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import Final

#: For a process that makes such files: nobody but the owner gets any right.
PRIVATE_UMASK: Final = 0o077
#: All that `rollcall up` puts into a data directory.
OURS: Final = frozenset(
    {"lock", "ports.json", "dev-key", "user-hash-key", "kafka", "postgres", "logs"}
)

_ACL: Final = "system.posix_acl_access"
_ACL_VERSION: Final = struct.pack("<I", 2)
_ENTRY: Final = struct.Struct("<HHI")
_OWNER, _USER, _GROUP, _MASK, _OTHERS = 0x01, 0x02, 0x04, 0x10, 0x20
_NOBODY_IN_PARTICULAR: Final = 0xFFFFFFFF
_PASS: Final = 0o1


def make_private(folder: Path) -> None:
    """Make a folder that is ours alone, or close one. Raises `OSError`."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)


def make_data_dir(folder: Path) -> None:
    """Make a data directory, or close one; raises `OSError`.

    One that holds anything else stays as open as it is, because it is not ours to close: somebody
    may have said `--data-dir .`. The folders that we make inside are closed all the same.
    """
    if folder.exists() and {entry.name for entry in folder.iterdir()} - OURS:
        return
    make_private(folder)


def let_pass(folder: Path, uid: int) -> None:
    """Let one user through a folder, without a right to list it. Raises `OSError`.

    Everybody, where the file system keeps no access control lists.
    """
    status = folder.stat()
    if status.st_mode & _PASS or (status.st_uid == uid and status.st_mode & 0o100):
        return
    try:
        _add_entry(folder, uid, status.st_mode)
    except (AttributeError, OSError):  # no such system call, or no such lists
        folder.chmod(status.st_mode & 0o7777 | _PASS)


def _add_entry(folder: Path, uid: int, mode: int) -> None:
    try:
        stored = os.getxattr(folder, _ACL)[len(_ACL_VERSION) :]
        entries = {(tag, whom): rights for tag, rights, whom in _ENTRY.iter_unpack(stored)}
    except OSError:  # none yet: the three of the mode
        entries = {
            (tag, _NOBODY_IN_PARTICULAR): mode >> shift & 0o7
            for tag, shift in ((_OWNER, 6), (_GROUP, 3), (_OTHERS, 0))
        }
        entries[_MASK, _NOBODY_IN_PARTICULAR] = mode >> 3 & 0o7
    entries[_USER, uid] = entries.get((_USER, uid), 0) | _PASS
    # What the mask leaves out, no user and no group has.
    entries[_MASK, _NOBODY_IN_PARTICULAR] |= _PASS
    packed = (_ENTRY.pack(tag, rights, whom) for (tag, whom), rights in sorted(entries.items()))
    os.setxattr(folder, _ACL, _ACL_VERSION + b"".join(packed))
