"""Hints of changes on disk, soon after each, and once a second in any case."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from watchfiles._rust_notify import RustNotify

QUICK_STEP_MS = 8
"""Between two looks at the event queue while changes are coming; an event takes one to two of these."""
QUIET_STEP_MS = 20
"""The same once nothing has changed for `QUICK_SECONDS`: idle cost is one wake-up each."""
QUICK_SECONDS = 10.0
DEBOUNCE_MS = 30
"""The longest that a busy neighbour in the folder can hold a hint back."""
RETRY_SECONDS = 30.0
"""Until folders that could not be watched are tried again."""


def watch(
    folders: Callable[[], Iterable[Path]],
    stop: threading.Event,
    *,
    recursive: bool = False,
    tick_seconds: float = 1.0,
    quiet_step_ms: int = QUIET_STEP_MS,
    quick_seconds: float = QUICK_SECONDS,
    glance: Callable[[], object] | None = None,
) -> Iterator[frozenset[str]]:
    """Yield the paths that changed in `folders`, and an empty set at least every `tick_seconds`, until `stop`.

    Events are hints: some are lost, some come for neighbours. Whoever listens looks at the
    files themselves, at every yield. `folders` is asked again at every tick, for those that
    appear later or are replaced; folders that are missing are simply not watched yet. A folder
    counts as changed when it begins to be watched: no event tells what came into it before.

    watchfiles wakes up once a step, sees an event, and waits one step more for its end. What
    `glance` answers, such as a file's size, is compared at the same wake-ups: where it differs an
    empty set is yielded at once. It must cost little; an event then need not come at all.

    Measured on Linux (p95): with steps of 8 ms, 16 ms by events and 8 ms by a glance.
    """
    watcher = _Watcher(recursive)
    glancing = _Glancing(stop, glance) if glance else None
    quick_until = next_tick = 0.0
    try:
        while not stop.is_set():
            now = time.monotonic()
            if now >= next_tick:
                anew = watcher.refresh(folders())
                next_tick = now + tick_seconds
                yield anew
                continue
            step = QUICK_STEP_MS if now < quick_until else quiet_step_ms
            changed = watcher.wait(next_tick - now, step, glancing or stop)
            differs = glancing is not None and glancing.take()
            if changed or differs:
                quick_until = time.monotonic() + quick_seconds
                if watcher.lost(changed):
                    changed |= watcher.refresh(folders())
                yield changed
    finally:
        watcher.close()


class _Glancing:
    """An event that ends a wait: set once a glance differs from the last one."""

    def __init__(self, stop: threading.Event, glance: Callable[[], object]) -> None:
        self._stop = stop
        self._glance = glance
        self._seen = glance()

    def is_set(self) -> bool:
        """Return True if there is no reason to wait longer."""
        return self._stop.is_set() or self._glance() != self._seen

    def wait(self, seconds: float) -> bool:
        """Wait for the end alone: where nothing can be watched, ticks are enough."""
        return self._stop.wait(seconds)

    def take(self) -> bool:
        """Return True if the glance differs, and compare with the new one from now on."""
        before, self._seen = self._seen, self._glance()
        return self._seen != before


class _Watcher:
    """A set of watched folders, made anew whenever one of them is replaced."""

    def __init__(self, recursive: bool) -> None:
        self._recursive = recursive
        self._notify: RustNotify | None = None
        self._standing: dict[str, tuple[int, int]] = {}
        self._retry_at: float | None = None

    def refresh(self, folders: Iterable[Path]) -> frozenset[str]:
        """Watch the folders at these paths now, and return the ones that were not watched before."""
        standing = {str(folder): inode for folder in folders if (inode := _inode(folder)) is not None}
        retry = self._retry_at is not None and time.monotonic() >= self._retry_at
        if standing == self._standing and not retry:
            return frozenset()
        # A watcher made anew has missed what happened since the old one was asked last.
        self.close()
        self._standing = standing
        self._open(list(standing))
        return frozenset(standing)

    def _open(self, folders: list[str]) -> None:
        self._notify = _notify(folders, self._recursive)
        self._retry_at = None
        if self._notify is None and folders:
            # One folder that cannot be watched must not blind us to the others.
            good = [folder for folder in folders if _watchable(folder, self._recursive)]
            self._notify = _notify(good, self._recursive)
            self._retry_at = time.monotonic() + RETRY_SECONDS

    def wait(self, seconds: float, step_ms: int, stop: threading.Event | _Glancing) -> frozenset[str]:
        """Return the next paths that changed; none at the end of the time, on `stop`, or where watching fails."""
        if self._notify is None:
            stop.wait(seconds)
            return frozenset()
        try:
            changes = self._notify.watch(DEBOUNCE_MS, step_ms, max(1, int(seconds * 1000)), stop)
        except (OSError, RuntimeError):
            self.close()
            self._retry_at = time.monotonic() + RETRY_SECONDS
            return frozenset()
        if changes == "signal":
            raise KeyboardInterrupt
        return frozenset(path for _, path in changes) if isinstance(changes, set) else frozenset()

    def lost(self, changed: frozenset[str]) -> bool:
        """Return True if a watched folder itself was moved, removed or replaced."""
        return any(path in changed and _inode(Path(path)) != inode for path, inode in self._standing.items())

    def close(self) -> None:
        if self._notify is not None:
            self._notify.close()
        self._notify = None
        self._standing = {}


def _inode(folder: Path) -> tuple[int, int] | None:
    try:
        status = os.stat(folder)
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino


def _notify(folders: list[str], recursive: bool) -> RustNotify | None:
    """A running watcher, or None where there is nothing to watch or the system refuses."""
    from watchfiles._rust_notify import RustNotify

    if not folders:
        return None
    try:
        return RustNotify(folders, False, False, 300, recursive, True)
    except (OSError, RuntimeError):
        return None


def _watchable(folder: str, recursive: bool) -> bool:
    notify = _notify([folder], recursive)
    if notify is not None:
        notify.close()
    return notify is not None
