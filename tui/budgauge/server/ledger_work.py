"""The server's work on the ledger: in the event loop, or in threads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from budgauge.authority.both import Both
from budgauge.authority.local import Local
from budgauge.errors import LockTimeoutError
from budgauge.ledger.ledger import LOCK_TIMEOUT_SECONDS

MAX_THREADS = 64
INLINE_LOCK_SECONDS = 0.0
"""How long the event loop itself waits for the ledger's lock; whoever must wait longer does so in a thread."""
_Outcome = TypeVar("_Outcome")


class LedgerWork:
    """Runs what needs the ledger: in the event loop, or in threads once something must be waited for.

    Waiting for another program's lock or for the disk must not hold up everybody else's lines;
    handing over to a thread costs more than a charge. So the loop itself does what it can do at
    once. While threads hold the tracker everything goes to them.
    """

    def __init__(self, authority: Local | Both, loop: asyncio.AbstractEventLoop) -> None:
        self._authority = authority
        self._loop = loop
        self._pool = ThreadPoolExecutor(MAX_THREADS, thread_name_prefix="budgauge-ledger")
        self._in_threads = 0
        authority.set_lock_timeout(INLINE_LOCK_SECONDS)

    def run(self, work: Callable[[], _Outcome]) -> _Outcome | asyncio.Future[_Outcome]:
        """The outcome, at once if nothing was to be waited for."""
        if not self._in_threads:
            if not self._authority.waits_for_disk:
                try:
                    return work()
                except LockTimeoutError:
                    pass  # nothing was done: whoever holds the lock is waited for in a thread
            self._authority.set_lock_timeout(LOCK_TIMEOUT_SECONDS)
        self._in_threads += 1
        future = self._loop.run_in_executor(self._pool, work)
        future.add_done_callback(self._is_done)
        return future

    def _is_done(self, future: asyncio.Future[Any]) -> None:
        self._in_threads -= 1
        if not self._in_threads:
            self._authority.set_lock_timeout(INLINE_LOCK_SECONDS)
        if not future.cancelled():
            future.exception()  # its caller, if there is one, is told

    def close(self) -> None:
        """Begin nothing more."""
        self._pool.shutdown(wait=False, cancel_futures=True)
