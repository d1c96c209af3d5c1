"""What a monitor would show: an observer that looks whenever something may have changed, in a thread of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

from textual.message import Message

from budgauge.config.load import Options
from budgauge.monitor.feed import FeedFailed, ViewTaken, run_feed
from budgauge.views.live import Observer, View

SHOWN_SECONDS = 2.0
"""What is true must be shown so soon."""
GIVEN_UP_SECONDS = 30.0
STEP_SECONDS = 0.002


class Screen:
    """The view shown last, and every view there was."""

    def __init__(self, *, ledger: Path | None = None, home: Path | None = None) -> None:
        """Of a ledger, or of what a home folder's config leads to."""
        options = Options(ledger=str(ledger)) if ledger else Options()
        env = {"HOME": str(home)} if home else None
        self.observer = Observer(options, env=env, start=home, lookup=False)
        self.view = self.observer.look()
        self.seen: list[View] = [self.view]
        self.failures: list[str] = []
        self.slowest = 0.0
        """Seconds until something true was shown."""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=run_feed, args=(self.observer, self._stop, self._post))

    def __enter__(self) -> Screen:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(10)
        assert not self._thread.is_alive()
        assert self.failures == []

    def _post(self, message: Message) -> None:
        if isinstance(message, ViewTaken):
            self.view = message.view
            self.seen.append(message.view)
        elif isinstance(message, FeedFailed):
            self.failures.append(message.reason)

    def until(self, shows: Callable[[View], bool]) -> None:
        """Wait until what is shown is true; how long it took is noted."""
        began = time.monotonic()
        while not shows(self.view):
            assert time.monotonic() - began < GIVEN_UP_SECONDS, f"it still shows {self.view}"
            time.sleep(STEP_SECONDS)
        self.slowest = max(self.slowest, time.monotonic() - began)
