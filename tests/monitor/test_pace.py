"""How often is painted: at once after quiet, at most 30 times a second, less often in a flood."""

from __future__ import annotations

import threading
from pathlib import Path

import msgspec
from textual.message import Message

from budgauge.monitor.feed import LONGEST_SECONDS, RUN_SECONDS, SHORTEST_SECONDS, Pace, ViewTaken, run_feed
from budgauge.views.live import View
from clock import Clock
from monitor.stage import FakeObserver, view


def paces(clock: Clock, waits: list[float]) -> list[float]:
    """The pauses after views, each of which comes so long after the pause before it."""
    pace, pauses = Pace(clock), []
    for wait in waits:
        pauses.append(pace.pause())
        clock.now += pauses[-1] + wait
    return pauses


def test_a_flood_is_painted_less_often_but_never_late(clock: Clock) -> None:
    pauses = paces(clock, [0.01] * 20)
    assert pauses[0] == SHORTEST_SECONDS
    assert pauses == sorted(pauses)
    assert pauses[-1] == LONGEST_SECONDS
    assert LONGEST_SECONDS < 0.1


def test_what_comes_slowly_is_no_flood(clock: Clock) -> None:
    assert set(paces(clock, [RUN_SECONDS * 1.1] * 20)) == {SHORTEST_SECONDS}


def test_a_flood_that_ended_is_forgotten(clock: Clock) -> None:
    assert paces(clock, [*[0.01] * 20, RUN_SECONDS * 1.1, 0.01])[-1] == SHORTEST_SECONDS


def test_a_view_is_followed_by_a_pause(tmp_path: Path) -> None:
    class Growing(FakeObserver):
        looks = 0

        def look(self) -> View:
            self.looks += 1
            return msgspec.structs.replace(self.view, notices=(str(self.looks),))

        @property
        def glance(self) -> object:  # type: ignore[override]  # always something new
            return lambda: object()

    class Stop(threading.Event):
        pauses: list[float] = []  # noqa: RUF012  # of this one test

        def wait(self, timeout: float | None = None) -> bool:
            assert timeout is not None
            self.pauses.append(timeout)
            return super().wait(0)

    stop, posted = Stop(), list[Message]()

    def post(message: Message) -> None:
        posted.append(message)
        if len(posted) == 5:
            stop.set()

    run_feed(Growing(tmp_path, view()), stop, post)
    assert all(isinstance(message, ViewTaken) for message in posted)
    assert len(stop.pauses) == 4
    assert all(SHORTEST_SECONDS <= pause <= LONGEST_SECONDS for pause in stop.pauses)
