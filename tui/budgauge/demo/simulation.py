"""Simulated agents for a temporary ledger; nothing real is spent."""

from __future__ import annotations

import random
import threading
import time
from pathlib import Path

import msgspec

from budgauge.config import BudgetConfig
from budgauge.errors import RefusedError
from budgauge.tracker.tracker import TokenBudgetTracker

CONFIG = """\
[token_budget]
total_budget = 2000000
warning_threshold = 80

[token_budget.per_agent_limits]
"claude-code/*" = 900000
code-reviewer = 250000
"""


class Habit(msgspec.Struct, frozen=True):
    """A simulated agent's habit of spending."""

    agent_id: str
    model: str
    prompt: int
    """Tokens of a typical prompt."""
    completion: int
    pause_seconds: float
    """Seconds between two calls, on average."""
    cached: float = 0.0
    """Part of the prompt read from a cache."""


HABITS = (
    Habit("codex", "gpt-5.1-codex", 16_000, 900, 1.1, cached=0.8),
    Habit("codex/reviewer", "gpt-5.1-codex", 6_000, 400, 2.9, cached=0.5),
    Habit("claude-code", "claude-sonnet-4-5", 15_000, 700, 1.4, cached=0.9),
    Habit("claude-code/explore", "claude-haiku-4-5", 7_000, 350, 1.9, cached=0.6),
    Habit("code-reviewer", "gpt-4o", 3_500, 500, 1.6),
    Habit("docs", "gpt-4o-mini", 1_500, 800, 3.1),
)
HISTORY_MINUTES = 40
REFUSED_SECONDS = 5.0
"""Seconds for which a refusal is shown."""


class Simulation:
    """A set of agents in threads of this process, each reporting to one ledger."""

    def __init__(self, ledger: Path, config: BudgetConfig, *, seed: int = 7) -> None:
        self._tracker = TokenBudgetTracker(config, ledger=ledger, cache=ledger.parent / "cache")
        self._stop = threading.Event()
        self._refused_at = 0.0
        self._seed = seed
        self._threads = [
            threading.Thread(target=self._run, args=(habit,), name=f"budgauge-demo-{habit.agent_id}", daemon=True)
            for habit in HABITS
        ]

    def start(self) -> None:
        """Write a little history, then let the agents work."""
        chance = random.Random(self._seed)
        now = time.time()
        for minute in range(HISTORY_MINUTES, 0, -1):
            habit = HABITS[chance.randrange(len(HABITS))]
            if chance.random() < 0.8:
                self._call(habit, chance, timestamp=int(now - minute * 60))
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop the agents, if they were started, and wait for their end."""
        self._stop.set()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join()

    @property
    def remark(self) -> str:
        """The remark for the screen."""
        if time.monotonic() - self._refused_at < REFUSED_SECONDS:
            return "The budget holds: agents are refused. Press r to reset."
        return "Simulated agents on a temporary ledger. For your own: budgauge --collect"

    def _run(self, habit: Habit) -> None:
        chance = random.Random(f"{self._seed} {habit.agent_id}")
        while not self._stop.wait(habit.pause_seconds * chance.uniform(0.4, 1.6)):
            self._call(habit, chance)

    def _call(self, habit: Habit, chance: random.Random, *, timestamp: int | None = None) -> None:
        prompt = int(habit.prompt * chance.lognormvariate(0, 0.4))
        completion = int(habit.completion * chance.lognormvariate(0, 0.5))
        try:
            self._tracker.report_usage(
                habit.agent_id,
                habit.model,
                prompt,
                completion,
                cached_tokens=int(prompt * habit.cached),
                timestamp=timestamp,
                source="demo",
            )
        except RefusedError:
            # A well-behaved agent does not call then, and tries again later.
            self._refused_at = time.monotonic()
