"""A lock for a session's hooks: one reads the logs, the others wait and find the work done."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from budgauge.errors import LedgerError
from budgauge.ledger.lock import take_lock

TURN_SECONDS = 4.0
"""The longest wait of a hook for its turn."""


@contextmanager
def turn(path: Path) -> Iterator[None]:
    """Hold the lock at `path`, or go on without after TURN_SECONDS: the lock saves work and protects nothing."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
    except OSError:
        yield
        return
    try:
        with suppress(LedgerError):
            take_lock(path, descriptor, time.monotonic() + TURN_SECONDS)
        yield
    finally:
        os.close(descriptor)
