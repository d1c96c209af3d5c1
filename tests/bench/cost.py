"""What a command costs, with the processes that it starts: time, memory, work of the processor."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

_LOOK_SECONDS = 0.02
"""Between two looks at a command's memory: a shorter peak may be missed."""


def seconds(command: Sequence[str], env: Mapping[str, str] | None = None) -> float:
    """From its start to its end."""
    begin = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=env)
    return time.perf_counter() - begin


def peak_mb(command: Sequence[str], env: Mapping[str, str]) -> float:
    """The most memory at any look: the Pss (a shared page's share) of all its processes together."""
    most = 0.0
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, env=env) as process:
        while process.poll() is None:
            most = max(most, sum(map(_pss_mb, _tree(process.pid))))
            time.sleep(_LOOK_SECONDS)
    assert not process.returncode, command
    return most


def core_percent(pid: int, over_seconds: float) -> float:
    """How much of a core all threads of a process, and of those that it started, take from now on."""
    before, begin = _run_nanoseconds(pid), time.monotonic_ns()
    time.sleep(over_seconds)
    after, end = _run_nanoseconds(pid), time.monotonic_ns()
    return sum(spent - before.get(thread, 0) for thread, spent in after.items()) / (end - begin) * 100


def _run_nanoseconds(pid: int) -> dict[str, int]:
    threads = (thread for process in _tree(pid) for thread in Path(f"/proc/{process}/task").iterdir())
    return {thread.name: int((thread / "schedstat").read_text().split()[0]) for thread in threads}


def _tree(pid: int) -> Iterator[int]:
    """The process and all below it."""
    yield pid
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            for child in children.read_text().split():
                yield from _tree(int(child))


def _pss_mb(pid: int) -> float:
    """0 for a process that has just ended."""
    with suppress(OSError):
        return int(Path(f"/proc/{pid}/smaps_rollup").read_text().partition("\nPss:")[2].split()[0]) / 1024
    return 0.0
