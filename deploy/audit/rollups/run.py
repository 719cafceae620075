"""Rollups in a run of the audit: from where the last run ended, and where the next one begins."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import psycopg

from deploy.audit.differences import Differences
from deploy.audit.rollups.compared import compare_rollups
from deploy.audit.rollups.rows import RollupRows, RollupState, copy_rollups
from deploy.audit.snapshot import Snapshot

_VERSION: Final = 1


class _StateFile(msgspec.Struct):
    version: int
    topic_id: str
    rollups: RollupState


class RollupAudit:
    """First :meth:`copy`, in the snapshot's transaction; then compare, then write."""

    def __init__(self, state_dir: Path) -> None:
        self._path = state_dir / "rollups.msgpack"
        self._rows: RollupRows | None = None

    def copy(self, connection: psycopg.Connection[Any], snapshot: Snapshot) -> None:
        """Raises ``psycopg.Error``."""
        state = self._read(snapshot.topic_ids)
        self._rows = copy_rollups(connection, snapshot, state)

    def compare(self, differences: Differences) -> Iterator[int]:
        """How many rows were compared, of one period after the other."""
        return iter(()) if self._rows is None else compare_rollups(self._rows, differences)

    def write(self) -> list[tuple[Path, Path]]:
        """The next run's state: as it is now called, and what it is to be called."""
        if self._rows is None:
            return []
        topic_id = self._rows.snapshot.topic_id
        temporary = self._path.with_suffix(".new")
        content = msgspec.msgpack.encode(_StateFile(_VERSION, topic_id, self._rows.next))
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        return [(temporary, self._path)]

    def _read(self, topic_ids: set[str]) -> RollupState | None:
        try:
            found = msgspec.msgpack.decode(self._path.read_bytes(), type=_StateFile)
        except (FileNotFoundError, msgspec.DecodeError):
            return None
        is_of_ours = found.version == _VERSION and found.topic_id in topic_ids
        return found.rollups if is_of_ours else None
