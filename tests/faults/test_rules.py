"""The rules against a plain model: whatever is done in whatever order, both say the same."""

from __future__ import annotations

import itertools
import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from budgauge.accounting.codec import encode
from budgauge.accounting.record_checks import make_usage
from budgauge.accounting.records import Record, Release, Reserve, Reset, Settle, UndoReset, Usage
from budgauge.config import BudgetConfig, Cycle
from budgauge.errors import DuplicateIdError, RecordError, RefusedError, ReservationError, ResetError
from budgauge.files.cache import cache_folder
from budgauge.ledger import ledger as ledger_module
from budgauge.tracker.tracker import TokenBudgetTracker
from clock import Clock
from faults.folded import Fold, fresh_reader
from faults.plain import Line, Plain

START = 1_767_311_400
"""1 January 2026, 23:50 UTC."""
DAY = 86_400

agents = st.sampled_from(["a", "a/x", "a/x/y", "ab", "b"])
counts = st.sampled_from([0, 1, 10, 10, 20, 30])
"""Few and round, so that limits are met exactly."""
ids = st.none() | st.sampled_from(["1", "2", "3", "4"])
hold_ids = st.sampled_from(["h1", "h2", "h3", "h4"])
limits = st.dictionaries(
    st.sampled_from(["a", "a/x", "ab", "a/*", "a/x/*", "b/*"]), st.sampled_from([0, 10, 20, 50, 100]), max_size=4
)
cycles = st.sampled_from([None, Cycle(period="daily"), Cycle(period="daily", timezone="Asia/Kathmandu")])
configs = st.builds(
    BudgetConfig,
    total_budget=st.sampled_from([0, 50, 100, 1000]),
    per_agent_limits=limits,
    count=st.sampled_from(["all", "all", "uncached"]),
    cycle=cycles,
)
which = st.integers(0, 1)
"""Two trackers share the ledger, each with a config of its own."""


class Call:
    """A call's fields, as the tracker takes them and as the model keeps them."""

    def __init__(self, agent: str, prompt: int, completion: int, cached: int, id: str | None) -> None:
        self.agent, self.prompt, self.completion, self.id = agent, prompt, completion, id
        self.cached = min(cached, prompt)

    @property
    def total(self) -> int:
        return self.prompt + self.completion

    def usage(self, timestamp: float) -> Usage:
        fields: dict[str, Any] = {"id": self.id, "cached_tokens": self.cached}
        return make_usage(self.agent, "m", self.prompt, self.completion, timestamp=timestamp, **fields)

    def line(self, time: float, reserve: str = "") -> Line:
        kind = "settle" if reserve else "usage"
        content = (kind, self.agent, self.prompt, self.completion, self.cached, self.id, reserve)
        return Line(kind, time, self.agent, self.id, self.total, self.cached, content, reserve)


calls = st.builds(Call, agents, counts, counts, counts, ids)


class Rules(RuleBasedStateMachine):
    """Two trackers on one ledger, others that append to it, crashes, and a clock that is moved."""

    root: Path
    """Where ledgers are put."""
    set_due: Callable[[int], None]
    """Sets how much is read before a checkpoint is made."""
    numbers = itertools.count()

    def __init__(self) -> None:
        super().__init__()
        self.folder = self.root / str(next(self.numbers))
        self.folder.mkdir()
        self.ledger = self.folder / "ledger.jsonl"
        self.clock = Clock(START)
        self.model = Plain()
        self.trackers: list[TokenBudgetTracker] = []

    def teardown(self) -> None:
        shutil.rmtree(self.folder)
        shutil.rmtree(cache_folder(), ignore_errors=True)

    @initialize(one=configs, other=configs, same=st.booleans(), keeps=st.booleans())
    def begin(self, one: BudgetConfig, other: BudgetConfig, same: bool, keeps: bool) -> None:
        self.set_due(1 if keeps else 1 << 20)
        self.trackers = [self._open(config) for config in (one, one if same else other)]

    def _open(self, config: BudgetConfig) -> TokenBudgetTracker:
        return TokenBudgetTracker(config, ledger=self.ledger, now=self.clock)

    def _note(self, line: Line) -> None:
        self.model.lines.append(line)

    @property
    def _second(self) -> int:
        return int(self.clock.now)

    def _must_refuse(self, index: int, agent: str, tokens: int, act: Callable[[], object]) -> bool:
        """If the model refuses it, so does the tracker, with the same message."""
        message = self.model.refusal(self.trackers[index].config, self.clock.now, agent, tokens)
        if message is None:
            return False
        with pytest.raises(RefusedError) as refused:
            act()
        assert str(refused.value) == message
        return True

    @rule(index=which, call=calls, spent=st.booleans())
    def report(self, index: int, call: Call, spent: bool) -> None:
        tracker, line = self.trackers[index], call.line(self._second)

        def act() -> bool:
            return tracker.report(call.usage(self._second), spent=spent)

        known = self.model.state().ids.get(call.id) if call.id else None
        if known is not None:
            if known.content == line.content:
                assert act() is False
            else:
                with pytest.raises(DuplicateIdError):
                    act()
            return
        counted = call.total - call.cached if tracker.config.count == "uncached" else call.total
        if not spent and self._must_refuse(index, call.agent, counted, act):
            return
        assert act() is True
        self._note(line)

    @rule(index=which, choice=st.integers(0, 50), spent=st.booleans())
    def retry(self, index: int, choice: int, spent: bool) -> None:
        """A call that was answered is reported once more."""
        known = [line for line in self.model.state().ids.values() if line.kind == "usage"]
        if known:
            _, agent, prompt, completion, cached, id, _ = known[choice % len(known)].content
            call = Call(agent, prompt, completion, cached, id)  # type: ignore[arg-type]  # as they were put there
            assert self.trackers[index].report(call.usage(self._second), spent=spent) is False

    @rule(index=which, agent=agents, tokens=counts, ttl=st.sampled_from([1, 600, 100_000]), id=hold_ids)
    def reserve(self, index: int, agent: str, tokens: int, ttl: int, id: str) -> None:
        def act() -> object:
            return self.trackers[index].reserve(agent, tokens, ttl, id=id)

        if not tokens:
            with pytest.raises(RecordError, match="tokens must be"):
                act()
            return

        state = self.model.state()
        known = state.holds.get(id)
        if known is not None and (known.agent, known.tokens) != (agent, tokens):
            with pytest.raises(DuplicateIdError):
                act()
            return
        if id in state.ends or (known is not None and known.expires <= self.clock.now):
            with pytest.raises(ReservationError):
                act()
            return
        if known is not None:
            act()
            return
        if self._must_refuse(index, agent, tokens, act):
            return
        act()
        self._note(Line("reserve", self._second, agent, id, tokens=tokens, expires=self.clock.now + ttl))

    @rule(index=which, call=calls, id=hold_ids, again=st.booleans())
    def settle(self, index: int, call: Call, id: str, again: bool) -> None:
        """Early or late, under or over; twice, with the same or with other content; of one that never was."""
        state, tracker = self.model.state(), self.trackers[index]
        hold, end = state.holds.get(id), state.ends.get(id)
        if again and end is not None and end.kind == "settle":
            _, agent, prompt, completion, cached, call_id, _ = end.content
            call = Call(agent, prompt, completion, cached, call_id)  # type: ignore[arg-type]  # as they were put there
        elif end is not None and end.kind == "settle":
            call.agent = str(end.agent)
        if hold is not None:
            # Another program may have settled it for somebody else.
            call.agent = str(hold.agent)

        def act() -> bool:
            fields: dict[str, Any] = {"id": call.id, "cached_tokens": call.cached}
            return tracker.settle(id, "m", call.prompt, call.completion, **fields)

        line = call.line(self._second, id)
        if end is not None and end.content == line.content:
            assert act() is False
        elif hold is None or end is not None:
            with pytest.raises(ReservationError):
                act()
        elif call.id in state.ids:
            with pytest.raises(DuplicateIdError):
                act()
        else:
            assert act() is True
            self._note(line)

    @rule(index=which, id=hold_ids)
    def release(self, index: int, id: str) -> None:
        state = self.model.state()
        if id not in state.holds or id in state.ends:
            with pytest.raises(ReservationError):
                self.trackers[index].release(id)
            return
        self.trackers[index].release(id)
        self._note(Line("release", self._second, reserve=id))

    @rule(index=which, agent=st.none() | agents | agents.map("{}/*".format))
    def reset(self, index: int, agent: str | None) -> None:
        id = self.trackers[index].reset(agent)
        self._note(Line("reset", self._second, agent, id))

    @rule(index=which)
    def undo(self, index: int) -> None:
        state = self.model.state()
        resets, config = state.resets, self.trackers[index].config
        real = max((number for number, (_, gone) in enumerate(resets) if gone), default=-1)
        if real < 0 or self.model.is_past(config, state.reset_times[resets[real][0]], self.clock.now):
            with pytest.raises(ResetError):
                self.trackers[index].undo_reset()
            return
        assert self.trackers[index].undo_reset() == resets[real][0]
        for id, _ in resets[: real - 1 if real else None : -1]:
            self._note(Line("undo", self._second, id=id))

    @rule(seconds=st.sampled_from([0.25, 1, 599, 600, 601, DAY / 2, DAY, 3 * DAY, -DAY / 2]))
    def time_passes(self, seconds: float) -> None:
        """Reservations expire, and cycles end; sometimes the clock is put back."""
        self.clock.now += seconds

    @rule(index=which, config=st.none() | configs)
    def reload(self, index: int, config: BudgetConfig | None) -> None:
        """Another process, perhaps with another config."""
        self.trackers[index] = self._open(config or self.trackers[index].config)

    @rule(index=which, config=configs)
    def change_config(self, index: int, config: BudgetConfig) -> None:
        self.trackers[index].update_config(config)

    @rule(index=which, call=calls, part=st.floats(0, 1))
    def crash(self, index: int, call: Call, part: float) -> None:
        """A process dies in the middle of a write, having ended the line of one that died before; a new one begins.

        Not within the first bytes: a file that holds no more than these may be anyone's.
        """
        whole = encode(call.usage(self._second))
        is_torn = self.ledger.exists() and not self.ledger.read_bytes().endswith(b"\n")
        self._append(b"\n" * is_torn + whole[: 9 + int(part * (len(whole) - 11))])
        self.reload(index, None)

    @rule(call=calls, days=st.sampled_from([-1, 0, 0, 1]))
    def foreign_call(self, call: Call, days: int) -> None:
        """Another program, without the lock, appends a call; late, early or known."""
        time = self._second + days * DAY
        self._append_line(call.usage(time))
        self._note(call.line(time))

    @rule(call=calls, choice=st.integers(0, 50), end=st.booleans())
    def foreign_end(self, call: Call, choice: int, end: bool) -> None:
        """Another program ends a reservation, perhaps one that has ended."""
        holds = sorted(self.model.state().holds)
        if not holds:
            return
        id = holds[choice % len(holds)]
        if end:
            self._append_line(Release(self._second, id))
            self._note(Line("release", self._second, reserve=id))
        else:
            usage = call.usage(self._second)
            values = {name: getattr(usage, name) for name in usage.__struct_fields__}
            self._append_line(Settle(**values, reserve=id))
            self._note(call.line(self._second, id))

    @rule(agent=agents, id=hold_ids, tokens=counts)
    def foreign_reserve(self, agent: str, id: str, tokens: int) -> None:
        expires = self._second + 600
        self._append_line(Reserve(self._second, id, agent, tokens, expires))
        self._note(Line("reserve", self._second, agent, id, tokens=tokens, expires=expires))

    @rule(agent=st.none() | agents, id=st.sampled_from(["r1", "r2"]), undo=st.booleans())
    def foreign_reset(self, agent: str | None, id: str, undo: bool) -> None:
        """Another program resets, perhaps twice with one id, or undoes what may not be the latest."""
        if undo:
            self._append_line(UndoReset(self._second, id))
            self._note(Line("undo", self._second, id=id))
        else:
            self._append_line(Reset(self._second, id, agent))
            self._note(Line("reset", self._second, agent, id))

    def _append_line(self, record: Record) -> None:
        self._append(b"\n" + encode(record))

    def _append(self, data: bytes) -> None:
        with self.ledger.open("ab") as file:
            file.write(data)

    @rule(index=which, agent=agents, tokens=counts)
    def check(self, index: int, agent: str, tokens: int) -> None:
        tracker = self.trackers[index]
        error = tracker.check(agent, tokens)
        message = self.model.refusal(tracker.config, self.clock.now, agent, tokens)
        assert (str(error) if error else None) == message

    @invariant()
    def agrees(self) -> None:
        now = self.clock.now
        for tracker in self.trackers:
            used = self.model.used(tracker.config, now)
            assert tracker.get_all_agent_totals() == used
            assert tracker.get_total_used() == sum(used.values())
            assert tracker._authority.usages()[0].reserved == self.model.reserved(now)
            fresh = fresh_reader(self.ledger, cycle=tracker.config.cycle)
            assert Fold.of(tracker._authority.totals, now) == Fold.of(fresh.totals, now)


@pytest.mark.usefixtures("small_checkpoints")
def test_the_rules_agree_with_a_plain_model(
    tmp_path: Path,
    sized: Callable[[int, int], int],
    figure: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(logging.getLogger("budgauge"), "disabled", True)
    steps, examples = 0, 0

    class Counted(Rules):
        root = tmp_path
        set_due = staticmethod(lambda due: monkeypatch.setattr(ledger_module, "DUE_BYTES", due))

        def __init__(self) -> None:
            nonlocal examples
            examples += 1
            super().__init__()

        def check_invariants(self, *args: Any, **options: Any) -> None:
            nonlocal steps
            steps += 1
            super().check_invariants(*args, **options)

    run_state_machine_as_test(
        Counted,
        settings=settings(
            max_examples=sized(60, 5000),
            stateful_step_count=sized(30, 30),
            suppress_health_check=list(HealthCheck),
        ),
    )
    figure(f"rules: {examples:,} examples of {steps:,} steps agree with a plain model, 2 trackers and a fresh fold")
