"""CPU time of process trees, from /proc."""

from __future__ import annotations

import psutil


def cpu_seconds(pid: int) -> float:
    """User and system time of a process and everything below it, ended children included."""
    root = psutil.Process(pid)
    total = 0.0
    for process in [root, *root.children(recursive=True)]:
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system + times.children_user + times.children_system
    return total
