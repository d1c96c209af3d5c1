"""Two collectors side by side: a project's ledger takes the project's sessions, the user's ledger takes all."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec

from budgauge.errors import BudgaugeError
from budgauge.sources.collector import Collector
from budgauge.sources.lock import BusyError
from budgauge.sources.report import Report


class Joint:
    """Collects into a project's ledger and into the user's own. Used by one thread at a time.

    Each keeps its own cursors: what an end in between left out of one, the next pass brings in.
    """

    def __init__(self, project: Collector, user: Collector) -> None:
        self._project, self._user = project, user
        self._trouble: str | None = None
        """Why nothing is collected into the user's ledger just now."""
        self._is_open = False
        """Is this the only collector of the user's ledger?"""

    def collect(self) -> Report:
        """Collect everything once. The failure of one ledger is raised after the other is done.

        Raises as Collector does; another collector of the user's ledger is no error, it does the same work.
        """
        failure: BudgaugeError | None = None
        for collector in (self._project, self._user):
            try:
                collector.collect()
            except BusyError as error:
                if collector is self._project:
                    failure = error
                else:
                    self._trouble = str(error)
            except BudgaugeError as error:
                failure = failure or error
        if failure is not None:
            raise failure
        return self.report()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Be the only collector of the project's ledger, and of the user's ledger as soon as possible."""
        with self._project.alone(), ExitStack() as self._stack:
            self._is_open = False
            yield

    def folders(self) -> list[Path]:
        """Return the project's folders, which are the user's as well."""
        return self._project.folders()

    def step(self, changed: frozenset[str], stop: threading.Event) -> None:
        """Import what is new into each ledger."""
        self._project.step(changed, stop)
        try:
            if not self._is_open:
                self._stack.enter_context(self._user.alone())
                self._is_open, self._trouble = True, None
        except BudgaugeError as error:
            self._trouble = str(error)
        else:
            self._user.step(changed, stop)

    def report(self) -> Report:
        """Return what was recorded so far, in the project's ledger and in the user's."""
        user = self._user.report()
        if self._trouble:
            user = msgspec.structs.replace(user, trouble=self._trouble)
        return msgspec.structs.replace(self._project.report(), user=user)
