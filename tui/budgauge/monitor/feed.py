"""The feed: a thread waits for changes and posts each new view."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from textual.message import Message

from budgauge.views.live import Observer, View

TICK_SECONDS = 0.9
"""Seconds between two refreshes without an event; a changed config file is read at the second one, within 2 s."""
RETRY_SECONDS = 1.0
"""Seconds until a failed feed is started again."""

QUICK_SECONDS = 2.0
"""Seconds of quick steps after a change: they cost three times as much, and a size probe is quick enough later."""
SHORTEST_SECONDS = 1 / 30
"""Least seconds between two views: nobody reads faster."""
LONGEST_SECONDS = 0.05
"""Least seconds between two views in a flood, where painting is most of the cost.
Changes are still on the screen within 100 ms."""
GROWTH = 1.1
"""Factor of a pause to the one before, in a flood."""
RUN_SECONDS = 0.1
"""A view later than this after the pause belongs to no flood."""


class Pace:
    """The pause after a view: none after a single view, longer in a flood."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._pause = SHORTEST_SECONDS
        self._ended = -RUN_SECONDS

    def pause(self) -> float:
        """Return the seconds to wait after the view just posted."""
        now = self._monotonic()
        in_a_run = now - self._ended < RUN_SECONDS
        self._pause = min(LONGEST_SECONDS, self._pause * GROWTH) if in_a_run else SHORTEST_SECONDS
        self._ended = now + self._pause
        return self._pause


class ViewTaken(Message):
    """A newer view; replaces one still waiting in the queue."""

    def __init__(self, view: View) -> None:
        super().__init__()
        self.view = view

    def can_replace(self, message: Message) -> bool:
        """Return True for a newer view."""
        return isinstance(message, ViewTaken)


class FeedFailed(Message):
    """An unforeseen failure of the feed, with its reason; the feed retries."""

    def __init__(self, reason: str) -> None:
        super().__init__()
        self.reason = reason


def run_feed(observer: Observer, stop: threading.Event, post: Callable[[Message], object]) -> None:
    """Refresh now and after each possible change, until `stop`; post each view unlike the last."""
    while not stop.is_set():
        try:
            _follow(observer, stop, post)
        except Exception as error:  # any failure: the screen must stay up and show it
            post(FeedFailed(f"{type(error).__name__}: {error}"))
            stop.wait(RETRY_SECONDS)


def _follow(observer: Observer, stop: threading.Event, post: Callable[[Message], object]) -> None:
    view = observer.look()
    post(ViewTaken(view))
    # Imported here: the first view need not wait for the watcher's modules.
    from budgauge.files.watch import watch

    pace = Pace()
    glance = observer.glance
    for _ in watch(observer.folders, stop, tick_seconds=TICK_SECONDS, quick_seconds=QUICK_SECONDS, glance=glance):
        newer = observer.look()
        if newer is not view:
            view = newer
            post(ViewTaken(view))
            stop.wait(pace.pause())
