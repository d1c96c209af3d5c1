"""The rules in the most obvious way: every line is kept, and everything is worked out anew at every question."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

from budgauge.config import BudgetConfig


@dataclass(frozen=True, eq=False)
class Line:
    """One line of a ledger; of each kind, some fields."""

    kind: str
    time: float
    agent: str | None = None
    id: str | None = None
    total: int = 0
    cached: int = 0
    content: tuple[object, ...] = ()
    reserve: str = ""
    tokens: int = 0
    expires: float = 0.0


@dataclass
class State:
    """Where a ledger stands after all its lines."""

    calls: list[Line] = field(default_factory=list)
    """Those that count since the last reset."""
    resets: list[tuple[str, list[Line]]] = field(default_factory=list)
    """Those not undone, with the calls that each took away."""
    reset_times: dict[str, float] = field(default_factory=dict)
    """When each of them was made, by id."""
    ids: dict[str, Line] = field(default_factory=dict)
    holds: dict[str, Line] = field(default_factory=dict)
    """All there ever were."""
    ends: dict[str, Line] = field(default_factory=dict)
    """How holds ended that did."""

    def add(self, line: Line) -> None:
        getattr(self, f"_add_{line.kind}")(line)

    def _add_usage(self, line: Line) -> None:
        if line.id is None or line.id not in self.ids:
            self.calls.append(line)
        if line.id is not None:
            self.ids.setdefault(line.id, line)

    def _add_settle(self, line: Line) -> None:
        if line.reserve not in self.ends:
            self.ends[line.reserve] = line
            self._add_usage(line)

    def _add_release(self, line: Line) -> None:
        self.ends.setdefault(line.reserve, line)

    def _add_reserve(self, line: Line) -> None:
        self.holds.setdefault(str(line.id), line)

    def _add_reset(self, line: Line) -> None:
        if line.id in [id for id, _ in self.resets]:
            return
        above = f"{line.agent}"[:-1] if f"{line.agent}".endswith("/*") else "\0"
        gone = [call for call in self.calls if line.agent in (None, call.agent) or f"{call.agent}/".startswith(above)]
        self.calls = [call for call in self.calls if call not in gone]
        self.resets.append((str(line.id), gone))
        self.reset_times[str(line.id)] = line.time

    def _add_undo(self, line: Line) -> None:
        if self.resets and self.resets[-1][0] == line.id:
            self.calls += self.resets.pop()[1]


class Plain:
    """A ledger of lines in a list."""

    def __init__(self) -> None:
        self.lines: list[Line] = []

    def state(self) -> State:
        state = State()
        for line in self.lines:
            state.add(line)
        return state

    def used(self, config: BudgetConfig, now: float) -> dict[str, int]:
        """Counted tokens of every agent in the cycle that `now` falls in."""
        used: dict[str, int] = {}
        for call in self.state().calls:
            if _day(config, call.time) == _day(config, now):
                counted = call.total - call.cached if config.count == "uncached" else call.total
                used[str(call.agent)] = used.get(str(call.agent), 0) + counted
        return used

    def is_past(self, config: BudgetConfig, time: float, now: float) -> bool:
        """Does a moment belong to an earlier cycle than `now`?"""
        return config.cycle is not None and time < now and _day(config, time) != _day(config, now)

    def reserved(self, now: float) -> dict[str, int]:
        """Tokens held for every agent."""
        state = self.state()
        reserved: dict[str, int] = {}
        for id, hold in state.holds.items():
            if id not in state.ends and hold.expires > now and hold.tokens:
                reserved[str(hold.agent)] = reserved.get(str(hold.agent), 0) + hold.tokens
        return reserved

    def refusal(self, config: BudgetConfig, now: float, agent: str, tokens: int) -> str | None:
        """The message that refuses, if any."""
        taken = [*self.used(config, now).items(), *self.reserved(now).items()]
        parts = agent.split("/")
        families = ["/".join(parts[:end]) for end in range(len(parts), 0, -1)]
        bounds = [(agent, sum(n for name, n in taken if name == agent))]
        bounds += [
            (f"{family}/*", sum(n for name, n in taken if f"{name}/".startswith(f"{family}/"))) for family in families
        ]
        for key, current in bounds:
            limit = config.per_agent_limits.get(key)
            if limit is not None and current + tokens > limit:
                return f"Agent {key} would exceed limit of {limit} tokens (current: {current}, requested: {tokens})"
        current = sum(n for _, n in taken)
        if config.total_budget and current + tokens > config.total_budget:
            return (
                f"Total budget of {config.total_budget} tokens would be exceeded "
                f"(current: {current}, requested: {tokens})"
            )
        return None


def _day(config: BudgetConfig, time: float) -> object:
    """What tells the cycle of a moment from others; cycles here are none or daily."""
    if config.cycle is None:
        return None
    return datetime.fromtimestamp(int(time), ZoneInfo(config.cycle.timezone)).date()
