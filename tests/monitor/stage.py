"""A stage for the monitor: views made by hand, an observer that shows them, and the screen as text."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from decimal import Decimal
from pathlib import Path
from typing import Any

from textual.pilot import Pilot

from budgauge.accounting.fold import Totals
from budgauge.accounting.records import Reset, Usage
from budgauge.config import BudgetConfig
from budgauge.config.model import PriceOverride
from budgauge.errors import BudgaugeError
from budgauge.monitor.app import MonitorApp
from budgauge.monitor.feed import ViewTaken
from budgauge.monitor.preferences import Preferences
from budgauge.pricing.price_book import PriceBook
from budgauge.sources.found import FoundLog
from budgauge.status.snapshot import take_snapshot
from budgauge.views.live import View
from budgauge.views.scan import AgentScan, Span, TimeScan
from clock import Clock

NOW = 1_767_225_600.0
"""1 January 2026, 00:00 UTC."""
PRICE = PriceOverride(prompt_per_1k=Decimal("0.03"), completion_per_1k=Decimal("0.06"))
Call = tuple[str, str, int]
"""Agent, model, prompt tokens."""
CALLS: tuple[Call, ...] = (("coder", "gpt-4", 612_000), ("reviewer", "gpt-4", 150_000), ("docs", "in-house", 50_000))


def view(
    calls: Sequence[Call] = CALLS,
    *,
    budget: int = 1_000_000,
    limits: dict[str, int] | None = None,
    is_default: bool = False,
    reset: bool = False,
    ledger: str = "/home/me/.codex/token_usage.jsonl",
    **more: Any,  # fields of View
) -> View:
    """A view of some calls, one a minute, the last one now."""
    config = BudgetConfig(total_budget=budget, per_agent_limits=limits or {}, prices={"gpt-4": PRICE})
    prices = PriceBook(config.prices)
    totals = Totals(prices.pricing_of, recent_from=0)
    totals.add(
        [
            Usage(agent, model, tokens, 0, tokens, NOW - 60 * (len(calls) - 1 - place))
            for place, (agent, model, tokens) in enumerate(calls)
        ]
    )
    if reset:
        totals.add([Reset(NOW, "r1")])
    snapshot = take_snapshot(totals, config, prices, now=NOW, budget_is_default=is_default, ledger=ledger)
    return View(snapshot=snapshot, config=config, **more)


class FakeObserver:
    """Shows what it is given; its folder is watched, so a file put there makes the feed look again."""

    def __init__(self, folder: Path, first: View) -> None:
        self.folder = folder
        self.view = first
        self.ledger = folder.parent / "ledger.jsonl"
        """What readings on demand read."""
        self.resets = 0
        self.reset_agents: list[str | None] = []
        self.undone = 0
        self.fails: BudgaugeError | None = None
        self.breaks: Exception | None = None
        self.may_reset = threading.Event()
        self.may_reset.set()

    def look(self) -> View:
        if self.breaks is not None:
            raise self.breaks
        return self.view

    def folders(self) -> tuple[Path, ...]:
        return (self.folder,)

    def glance(self) -> object:
        """Nothing differs."""

    def reset(self, agent_id: str | None = None) -> str:
        self.may_reset.wait(120)
        if self.fails:
            raise self.fails
        self.resets += 1
        self.reset_agents.append(agent_id)
        return "r1"

    def agent_scan(self, key: str, *, is_family: bool) -> AgentScan:
        config = self.view.config
        return AgentScan(self.ledger, config, PriceBook(config.prices), key, is_family=is_family, clock=lambda: NOW)

    def time_scan(self, chart: Span, counters: Span) -> TimeScan:
        config = self.view.config
        return TimeScan(self.ledger, config, PriceBook(config.prices), chart, counters)

    def undo_reset(self) -> str:
        if self.fails:
            raise self.fails
        self.undone += 1
        return "r1"


class FakeCollector:
    """Collects nothing, but says that it does."""

    def __init__(self) -> None:
        self.running = False
        self.moved = False
        self.starts = 0
        self.summary = "12 calls"
        self.details = ("codex: 12 calls recorded from 2 logs", "  3 duplicates skipped")
        self.trouble: str | None = None
        self.fails: BudgaugeError | None = None

    def start(self) -> None:
        if self.fails:
            raise self.fails
        self.starts += 1
        self.running, self.moved = True, False

    def stop(self) -> None:
        self.running = False


class Stage:
    """The monitor with everything it touches replaced."""

    def __init__(self, folder: Path, first: View, *, logs: Sequence[FoundLog] = (), **options: Any) -> None:
        self.clock = Clock(NOW)
        self.folder = folder
        watched = folder / "watched"
        watched.mkdir(exist_ok=True)
        self.observer = FakeObserver(watched, first)
        self.collector = FakeCollector()
        self.preferences = Preferences(folder / "preferences.json")
        settings: dict[str, Any] = {"collector": self.collector, "clock": self.clock, **options}
        self.app = MonitorApp(
            self.observer,
            preferences=self.preferences,
            found_logs=lambda: logs,
            **settings,
        )
        self.app.animation_level = "none"

    def run(self, columns: int = 80, lines: int = 24) -> AbstractAsyncContextManager[Pilot[None]]:
        return self.app.run_test(size=(columns, lines), notifications=True)

    def take(self, newer: View) -> None:
        """Hand over a newer view, as the feed does."""
        self.observer.view = newer
        self.app.post_message(ViewTaken(newer))

    def touch(self) -> None:
        """Make the feed look again."""
        (self.observer.folder / "touched").touch()

    @property
    def text(self) -> str:
        """The screen as text."""
        return "\n".join(line.rstrip() for line in self.lines())

    def lines(self) -> Iterator[str]:
        compositor = self.app.screen._compositor
        for strip in compositor.render_strips(self.app.size):
            yield "".join(segment.text for segment in strip)

    async def wait(self, pilot: Pilot[None], condition: str | Callable[[], bool], seconds: float = 120) -> None:
        """Until the screen shows a text or a condition holds."""
        meets = condition if callable(condition) else lambda: condition in self.text
        deadline = time.monotonic() + seconds
        while not meets():
            assert time.monotonic() < deadline, f"never: {condition}\n{self.text}"
            await pilot.pause(0.01)


def golden(name: str, text: str) -> None:
    """Compare with `screens/<name>.txt`; with BUDGAUGE_RENEW=1 in the environment, write it instead."""
    path = Path(__file__).parent / "screens" / f"{name}.txt"
    if os.environ.get("BUDGAUGE_RENEW"):
        path.write_text(text + "\n", encoding="utf-8")
    assert text + "\n" == path.read_text(encoding="utf-8"), f"{name} looks different:\n{text}"
