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

GIVEN_UP_SECONDS = 60.0
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
        self.most_looks = 0
        """How many looks, begun after a change, it took at most until what is true was shown."""
        self._looks = 0
        self._shown = 0, self.view
        """The look that brought the latest view, and that view."""
        look = self.observer.look

        def counted() -> View:
            self._looks += 1
            return look()

        self.observer.look = counted  # type: ignore[method-assign]  # as the feed finds it
        self._stop = threading.Event()
        self._thread = threading.Thread(target=run_feed, args=(self.observer, self._stop, self._post))

    def __enter__(self) -> Screen:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(30)
        assert not self._thread.is_alive()
        assert self.failures == []

    def _post(self, message: Message) -> None:
        if isinstance(message, ViewTaken):
            self._shown = self._looks, message.view
            self.view = message.view
            self.seen.append(message.view)
        elif isinstance(message, FeedFailed):
            self.failures.append(message.reason)

    def until(self, shows: Callable[[View], bool]) -> None:
        """Wait until what is shown is true; how many looks it took is noted."""
        before = self._looks
        given_up = time.monotonic() + GIVEN_UP_SECONDS
        while not shows((shown := self._shown)[1]):
            assert time.monotonic() < given_up, f"it still shows {self.view}"
            time.sleep(STEP_SECONDS)
        self.most_looks = max(self.most_looks, shown[0] - before)
