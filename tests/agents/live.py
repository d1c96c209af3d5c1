"""What is true of every real agent while it runs: a reader beside it comes to the truth."""

from __future__ import annotations

import sys
import threading
import time

from agents.mock_models import ModelServer
from agents.program import RUN_SECONDS, Program, calls_of, sums, total
from budgauge.sources.collector import Collector
from budgauge.sources.follow import follow
from budgauge.sources.report import Report
from sources.sinks import Sink
from terminal import Terminal


def follow_to_the_truth(program: Program, server: ModelServer) -> None:
    """A collector that follows has every call soon after the agent has ended, and no more."""
    sink, stop, complete = Sink(), threading.Event(), threading.Event()

    def on_report(report: Report) -> None:
        if report.records == calls_of(server.book.truth()) > 0:
            complete.set()
        else:
            complete.clear()

    follower = threading.Thread(target=follow, args=(Collector(sink, [program.source]), stop, on_report))
    follower.start()
    try:
        program.exec("delegate: say hi")
        assert complete.wait(60)
    finally:
        stop.set()
        follower.join()
    assert sums(sink.calls) == server.book.truth()


def watch_the_gauges(program: Program, server: ModelServer) -> None:
    """A monitor that collects shows every call soon after the agent has ended."""
    monitor = [sys.executable, "-m", "budgauge", "--collect"]
    with Terminal(monitor, env=program.env, cwd=str(program.project)) as terminal:
        terminal.wait_for("collecting, nothing new yet")
        for prompt in ("say hi", "delegate: say hi"):
            with program.start(prompt) as running:
                deadline = time.monotonic() + RUN_SECONDS
                while running.poll() is None and time.monotonic() < deadline:
                    terminal.pump(0.05)
                running.kill()
                assert running.wait() == 0
            terminal.wait_for(f"{total(server.book.truth()):,} / 1,000,000")
            terminal.wait_for(f"collecting, {calls_of(server.book.truth())} calls")
