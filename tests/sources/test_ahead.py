"""A child process that reads logs ahead: the same calls as without it, whatever becomes of it."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from budgauge.sources import ahead
from budgauge.sources.collector import Collector
from budgauge.sources.report import Report
from faults.crew import wait_until
from sources.rollouts import Log
from sources.sessions import Session, tokens
from sources.sinks import Sink, claude, codex

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only there a process is forked")
LOGS = 12


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Many logs of both agents; some messages stand in several of them, larger in the later ones."""
    for number in range(LOGS):
        session = Session(f"{number:08x}-ea67-4f2b-990c-322fcc223a1e")
        for message in range(number, number + 3):
            session.said(f"msg_{message}", tokens(message + 1, 10 + number))
        os.utime(session.write(tmp_path), (number, number))
        rollout = Log(f"{number:08x}-7c6e-71b0-ac6d-b55d744bbb24").meta(cwd=f"/p/{number}").turn("gpt-5")
        rollout.call(100 * number + 1, 0, 5, 0).count((100 * number + 1, 0, 5, 0)).write(tmp_path)
    return tmp_path


def collected(home: Path) -> tuple[Sink, Report]:
    sink = Sink()
    return sink, Collector(sink, [claude(home), codex(home)]).collect()


@pytest.fixture
def forks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Reading ahead is worth it however little there is; the children that were made."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        pytest.skip("a parallel worker always has a second thread: run this file alone")
    # Threads of earlier tests may take a moment to go; beside them nothing is forked.
    try:
        wait_until(lambda: len(os.listdir("/proc/self/task")) == 1)
    except AssertionError:
        pytest.skip("another test left a thread behind: run this file alone")
    children: list[int] = []

    def fork() -> int:
        child = forked()
        children.append(child)
        return child

    forked = os.fork
    monkeypatch.setattr(ahead, "WORTH_BYTES", 0)
    monkeypatch.setattr(os, "fork", fork)
    return children


def test_the_same_calls_come_in_the_same_order(home: Path, forks: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    shared, report = collected(home)
    assert len(forks) == 2
    monkeypatch.setattr(ahead, "WORTH_BYTES", 1 << 40)
    alone, expected = collected(home)
    assert len(forks) == 2
    assert shared.calls == alone.calls
    assert report == expected
    assert report.sources[0].grown


def dies(_log: object) -> bytes:
    os._exit(1)


def says_nothing(_log: object) -> bytes:
    return b""


def says_nonsense(_log: object) -> bytes:
    return b"\xff" * 7


@pytest.mark.parametrize("fate", [dies, says_nothing, says_nonsense])
def test_what_the_child_does_not_tell_is_read_here(
    home: Path, forks: list[int], monkeypatch: pytest.MonkeyPatch, fate: Callable[[object], bytes]
) -> None:
    expected, _ = collected(home)
    before = len(forks)
    monkeypatch.setattr(ahead, "_read", fate)
    sink, report = collected(home)
    assert len(forks) == before + 2
    assert sink.calls == expected.calls
    assert report.notes == ()


def test_no_process_is_forked_beside_other_threads(home: Path, forks: list[int]) -> None:
    stop = threading.Event()
    thread = threading.Thread(target=stop.wait)
    thread.start()
    try:
        collected(home)
    finally:
        stop.set()
        thread.join()
    assert forks == []


def test_where_no_process_can_be_had_all_is_read_here(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected, _ = collected(home)

    def fork() -> int:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(ahead, "WORTH_BYTES", 0)
    monkeypatch.setattr(os, "fork", fork)
    open_before = len(os.listdir("/proc/self/fd"))
    assert collected(home)[0].calls == expected.calls
    assert len(os.listdir("/proc/self/fd")) == open_before


def test_a_child_that_the_system_has_seen_to_is_no_fault(home: Path, forks: list[int]) -> None:
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        assert collected(home)[1].records
    finally:
        signal.signal(signal.SIGCHLD, before)
    assert len(forks) == 2
