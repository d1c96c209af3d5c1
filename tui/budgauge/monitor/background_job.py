"""Work that may have to wait, in a thread that never delays the end of the program."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from contextvars import copy_context

from textual.message import Message


class JobEnded(Message):
    """The end of a background job; with the exception, if one was raised."""

    def __init__(self, name: str, failure: Exception | None) -> None:
        super().__init__()
        self.name = name
        self.failure = failure


class BackgroundJob:
    """One piece of work at a time, in a daemon thread: the program waits for a worker's thread, not for this one."""

    def __init__(self, name: str, post: Callable[[Message], object]) -> None:
        self._name = name
        self._post = post
        self.busy = False
        """True while work is under way."""

    def begin(self, work: Callable[[], object]) -> bool:
        """Start some work; return False if the work before is still under way."""
        if self.busy:
            return False
        self.busy = True
        context = copy_context()
        threading.Thread(
            target=lambda: context.run(self._run, work), name=f"budgauge-{self._name}", daemon=True
        ).start()
        return True

    def _run(self, work: Callable[[], object]) -> None:
        failure: Exception | None = None
        try:
            work()
        except Exception as error:  # any failure: the screen must stay up and show it
            failure = error
        self.busy = False
        with suppress(RuntimeError):  # the app has ended meanwhile
            self._post(JobEnded(self._name, failure))
