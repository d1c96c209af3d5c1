"""The authority in a project with a budget of its own: the user's budget and the project's must both admit."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, TypeVar

from msgspec import UnsetType
from msgspec.structs import replace

from budgauge.accounting.limits import BudgetUsage
from budgauge.accounting.records import Record, Reserve, Reset, Settle, Usage
from budgauge.authority.folded import Verdict, new_id
from budgauge.authority.local import Local
from budgauge.config import BudgetConfig
from budgauge.errors import BudgaugeError, RefusedError, ReservationError

if TYPE_CHECKING:
    from budgauge.config.load import Loaded
    from budgauge.status.snapshot import Snapshot

_Outcome = TypeVar("_Outcome")


class Both:
    """Decides by two budgets, and records in both ledgers under one id, in the user's first.

    What was spent is recorded in the user's even where the project's cannot take it, if a retry is known by an id;
    the error is raised all the same.
    A crash between the two leaves a line in the user's ledger alone; the retry of the same id adds the other. Resets
    and figures are those of the project. Where both budgets count by one ledger, a line is written once.
    """

    def __init__(self, user: Local, project: Local) -> None:
        self.user, self.project = user, project
        self._is_one_ledger = bool(user.name) and os.path.realpath(user.name) == os.path.realpath(project.name)

    @property
    def config(self) -> BudgetConfig:
        """The project's."""
        return self.project.config

    def report(self, usage: Usage, *, spent: bool, is_dated: bool) -> bool:
        """Record a call, as Authority.report."""
        # Both lines have one id, also where the caller named none.
        call = usage if usage.id is not None else replace(usage, id=new_id())
        try:
            return any(self._decided(lambda of: of.judge_report(call, spent=spent, is_dated=is_dated)))
        except BudgaugeError:
            # A retry without an id of the caller's own would count twice.
            if spent and usage.id is not None:
                self.user.report(usage, spent=True, is_dated=is_dated)
            raise

    def reserve(self, reserve: Reserve) -> Reserve:
        """Hold tokens, as Authority.reserve."""
        return self._decided(lambda of: of.judge_reserve(reserve))[-1]

    def settle(self, settle: Settle, *, is_dated: bool) -> bool:
        """End a reservation, as Authority.settle."""

        def judge(of: Local) -> Verdict[bool]:
            # One of the ledgers may not hold the reservation: it was made before the other budget was.
            who = settle.agent_id or self.user.agent_of(settle.reserve) or self.project.agent_of(settle.reserve)
            return of.judge_settle(replace(settle, agent_id=who), is_dated=is_dated)

        try:
            return any(self._decided(judge))
        except BudgaugeError:
            # The first error says more than a reservation that the user's ledger does not hold.
            with suppress(ReservationError):
                self.user.settle(settle, is_dated=is_dated)
            raise

    def release(self, reserve: str, *, again: bool) -> None:
        """Give a reservation back, as Authority.release; one of the ledgers alone may hold the reservation."""
        errors: list[ReservationError] = []

        def judge(of: Local) -> Verdict[None]:
            try:
                return of.judge_release(reserve, again=again)
            except ReservationError as error:
                errors.append(error)
                if len(errors) == 2:
                    raise
                return (), None

        self._decided(judge)

    def reset(self, reset: Reset, expected: str | UnsetType | None) -> str:
        """Start the project's counters afresh, as Authority.reset."""
        return self.project.reset(reset, expected)

    def undo_reset(self) -> str:
        """Take the project's latest reset back, as Authority.undo_reset."""
        return self.project.undo_reset()

    def check(self, agent_id: str, tokens: int) -> RefusedError | None:
        """Ask both without recording, as Authority.check."""
        return self.user.check(agent_id, tokens) or self.project.check(agent_id, tokens)

    def state(self) -> Snapshot:
        """Return everything of the project's budget, as Authority.state."""
        return self.project.state()

    def usages(self, *, refreshed: bool = True) -> tuple[BudgetUsage, ...]:
        """Return the usage by the project's budget, then by the user's, as Authority.usages."""
        return *self.project.usages(refreshed=refreshed), *self.user.usages(refreshed=refreshed)

    def set_config(self, config: BudgetConfig) -> None:
        """Let the project decide by other rules."""
        self.project.set_config(config)

    def set_lock_timeout(self, seconds: float) -> None:
        """Wait so long for each ledger's lock from now on."""
        for authority in (self.user, self.project):
            authority.set_lock_timeout(seconds)

    @property
    def waits_for_disk(self) -> bool:
        """True if a record must be on the disk before the acknowledgement."""
        return self.user.waits_for_disk or self.project.waits_for_disk

    def _decided(self, judge: Callable[[Local], Verdict[_Outcome]]) -> list[_Outcome]:
        """Let both decide, then write in both; the user's outcome and the project's."""
        with ExitStack() as locks:
            # The project's lock first: a stranger who holds that one must not hold up the user's other agents.
            projects = locks.enter_context(self.project.locked())
            users = projects if self._is_one_ledger else locks.enter_context(self.user.locked())
            if self._is_one_ledger:
                self.user.refresh()
            verdicts = [judge(self.user), judge(self.project)]
            written: list[Record] = []
            for ledger, (records, _) in zip((users, projects), verdicts, strict=True):
                for record in records:
                    if not self._is_one_ledger or record not in written:
                        ledger.append(record)
                        written.append(record)
        return [outcome for _, outcome in verdicts]


def authority_of(budgets: Sequence[Loaded]) -> Local | Both:
    """Return the authority of one budget, or of the user's and the project's."""
    authorities = [Local(loaded.config, loaded.ledger.path) for loaded in budgets]
    for authority, loaded in zip(authorities, budgets, strict=True):
        authority.budget_is_default = loaded.budget_is_default
    return authorities[0] if len(authorities) == 1 else Both(*authorities)
