"""Work on the ledger: in the event loop, or in threads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from budgauge.authority.both import Both
from budgauge.authority.local import Local
from budgauge.errors import LockTimeoutError
from budgauge.ledger.ledger import LOCK_TIMEOUT_SECONDS

INLINE_LOCK_SECONDS = 0.0
"""The longest wait of the event loop itself for the ledger's lock; longer ones are a thread's."""
_Outcome = TypeVar("_Outcome")


class LedgerWork:
    """A runner of work on the ledger: in the event loop, or in threads while there is a wait.

    A wait for another program's lock or for the disk must not delay all other clients; handing over to
    a thread costs more than a charge. So the loop does all work possible at once. While threads hold
    the tracker, all work goes to them.
    """

    def __init__(self, authority: Local | Both, loop: asyncio.AbstractEventLoop, *, threads: int) -> None:
        self._authority = authority
        self._loop = loop
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="budgauge-ledger")
        self._in_threads = 0
        authority.set_lock_timeout(INLINE_LOCK_SECONDS)

    def run(self, work: Callable[[], _Outcome]) -> _Outcome | asyncio.Future[_Outcome]:
        """Return the outcome, or a future where there is a wait."""
        if not self._in_threads:
            if not self._authority.waits_for_disk:
                try:
                    return work()
                except LockTimeoutError:
                    pass  # nothing was done: a thread waits for the lock
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
            future.exception()  # the caller, if there is one, gets the error

    def close(self) -> None:
        """Begin no more work."""
        self._pool.shutdown(wait=False, cancel_futures=True)
