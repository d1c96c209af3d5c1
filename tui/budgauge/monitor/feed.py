"""The thread that looks: it waits for changes and hands each new view to the screen."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from textual.message import Message

from budgauge.views.live import Observer, View

TICK_SECONDS = 0.9
"""Between two looks where no event tells: a config file is read at the second look after it changed, within 2 s."""
RETRY_SECONDS = 1.0
"""Until the feed is begun again after it failed."""

QUICK_SECONDS = 2.0
"""How long quick steps go on after a change: a glance is quick enough without, and they cost three times as much."""
SHORTEST_SECONDS = 1 / 30
"""Between two views at least, once one was shown: nobody reads faster."""
LONGEST_SECONDS = 0.05
"""The same once views have come one upon the other for a while: painting is what a flood costs.
What comes in this time is still on the screen within 100 ms."""
GROWTH = 1.1
"""From the shortest to the longest in a handful of views."""
RUN_SECONDS = 0.1
"""A view that comes so long after the pause belongs to no flood."""


class Pace:
    """How long to look away after a view: not at all after a lone one's, longer in a flood."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._pause = SHORTEST_SECONDS
        self._ended = -RUN_SECONDS

    def pause(self) -> float:
        """Seconds to wait after the view that was just posted."""
        now = self._monotonic()
        in_a_run = now - self._ended < RUN_SECONDS
        self._pause = min(LONGEST_SECONDS, self._pause * GROWTH) if in_a_run else SHORTEST_SECONDS
        self._ended = now + self._pause
        return self._pause


class ViewTaken(Message):
    """A newer view; one that is still waiting is replaced by it."""

    def __init__(self, view: View) -> None:
        super().__init__()
        self.view = view

    def can_replace(self, message: Message) -> bool:
        """May this one be dropped for `message`?"""
        return isinstance(message, ViewTaken)


class FeedFailed(Message):
    """Looking failed in a way no one foresaw; it is tried again."""

    def __init__(self, reason: str) -> None:
        super().__init__()
        self.reason = reason


def run_feed(observer: Observer, stop: threading.Event, post: Callable[[Message], object]) -> None:
    """Look now and whenever something may have changed, until `stop`; post views that differ from the last."""
    while not stop.is_set():
        try:
            _follow(observer, stop, post)
        except Exception as error:  # whatever it is: the screen must stay up, and say so
            post(FeedFailed(f"{type(error).__name__}: {error}"))
            stop.wait(RETRY_SECONDS)


def _follow(observer: Observer, stop: threading.Event, post: Callable[[Message], object]) -> None:
    view = observer.look()
    post(ViewTaken(view))
    # Here and not above: the first view need not wait for the watcher to be loaded.
    from budgauge.files.watch import watch

    pace = Pace()
    glance = observer.glance
    for _ in watch(observer.folders, stop, tick_seconds=TICK_SECONDS, quick_seconds=QUICK_SECONDS, glance=glance):
        newer = observer.look()
        if newer is not view:
            view = newer
            post(ViewTaken(view))
            stop.wait(pace.pause())
