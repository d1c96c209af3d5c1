"""Work that may have to wait for others, in a thread that never holds up the end of the program."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from contextvars import copy_context

from textual.message import Message


class ChoreEnded(Message):
    """A chore has ended, or failed in a way no one foresaw."""

    def __init__(self, name: str, failure: Exception | None) -> None:
        super().__init__()
        self.name = name
        self.failure = failure


class Chore:
    """One piece of work at a time. Its thread ends with the program, where a worker's is waited for."""

    def __init__(self, name: str, post: Callable[[Message], object]) -> None:
        self._name = name
        self._post = post
        self.busy = False
        """Is work under way?"""

    def begin(self, work: Callable[[], object]) -> bool:
        """Begin some work; False if the work before it is still under way."""
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
        except Exception as error:  # whatever it is: the screen must stay up, and say so
            failure = error
        self.busy = False
        with suppress(RuntimeError):  # the monitor has ended meanwhile
            self._post(ChoreEnded(self._name, failure))
