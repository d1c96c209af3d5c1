"""Who waited for the lock in vain shares nothing with that wait when it tries again."""

from __future__ import annotations

import fcntl
import os
import threading
from pathlib import Path

import pytest

from budgauge.errors import LockTimeoutError
from usage import line, locked, usage, waiting_threads


def test_a_wait_that_was_given_up_keeps_the_next_try_out_until_it_has_let_go(
    ledger: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The wait still gets the lock, and gives it back: on a descriptor that nobody uses any more."""
    ledger.write_bytes(line())
    earlier = set(waiting_threads())
    holder = os.open(ledger, os.O_RDWR)
    fcntl.flock(holder, fcntl.LOCK_EX)
    writer = locked(ledger, timeout=0.06)
    with pytest.raises(LockTimeoutError), writer:
        raise AssertionError("the lock is held by another")
    flock, got, go_on = fcntl.flock, threading.Event(), threading.Event()

    def slow(fd: int, operation: int) -> None:
        if operation == fcntl.LOCK_UN and threading.current_thread().name == "budgauge-lock":
            got.set()
            assert go_on.wait(30)
        flock(fd, operation)

    monkeypatch.setattr(fcntl, "flock", slow)
    waits = [thread for thread in waiting_threads() if thread not in earlier]
    os.close(holder)
    assert got.wait(30)
    with pytest.raises(LockTimeoutError), writer:
        raise AssertionError("the lock is held by the wait that was given up")
    waits += [thread for thread in waiting_threads() if thread not in earlier and thread not in waits]
    go_on.set()
    for thread in waits:
        thread.join(30)
        assert not thread.is_alive()
    with writer:
        writer.append(usage())
    assert ledger.read_bytes() == line() * 2
