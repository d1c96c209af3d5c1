"""Resets and their undoing: confirmed on the screen, then written by a background job."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from budgauge.errors import BudgaugeError
from budgauge.monitor.background_job import BackgroundJob
from budgauge.monitor.language import tr, trn
from budgauge.status.snapshot import Snapshot, used_by
from budgauge.text import count, safe

if TYPE_CHECKING:
    from budgauge.monitor.app import MonitorApp
    from budgauge.monitor.rows import Row
    from budgauge.monitor.screens.reset_question import ResetQuestion

WAIT_SHOWN_SECONDS = 0.3
"""Seconds after which a change that waits for the ledger's lock is shown as waiting."""


class LedgerChanges:
    """Changes of the ledger, one at a time."""

    def __init__(self, app: MonitorApp) -> None:
        self._app = app
        self._job = BackgroundJob("ledger", app.post_message)
        self._question: ResetQuestion | None = None
        self.is_waiting = False
        """True while a change waits for the ledger's lock."""

    def ask_to_reset(self, agent_id: str | None = None) -> None:
        """Ask, then reset one agent or everyone."""
        snapshot = self._app.view.snapshot if self._app.view else None
        if snapshot is None or used_by(snapshot, agent_id) is None:
            self._app.say(tr("Nothing has been used; there is nothing to reset."))
        elif self._app.in_line:
            self._ask_in_line(snapshot)
        else:
            from budgauge.monitor.screens.reset_question import ResetQuestion

            self._question = ResetQuestion(snapshot, agent_id)
            self._app.push_screen(self._question, partial(self._answered, agent_id))

    def ask_to_reset_row(self, row: Row | None) -> None:
        """Ask, then reset the agent of a row; answer why a family cannot be reset."""
        if row is None:
            self._app.say(tr("There is no agent under the cursor."))
        elif row.is_family:
            self._app.say(tr("A family is reset agent by agent: put the cursor on one, or reset all with r."))
        else:
            self.ask_to_reset(row.key)

    def _ask_in_line(self, snapshot: Snapshot) -> None:
        from budgauge.monitor.screens.inline import InlineScreen

        def answer(yes: bool) -> None:
            self._answered(None, yes)
            self._app.show_items()

        if isinstance(self._app.screen, InlineScreen):
            agents = trn("{n} agent", "{n} agents", len(snapshot.agent_totals))
            used = count(snapshot.total_used)
            self._app.screen.ask(tr("Reset {n} tokens of {agents}?", n=used, agents=agents), answer)
            self._app.show_items()

    def _answered(self, agent_id: str | None, yes: bool | None) -> None:
        self._question = None
        if not yes:
            return
        used = count((used_by(self._app.view.snapshot, agent_id) if self._app.view else None) or 0)
        done = tr("Reset {n} tokens. u undoes it.", n=used)
        if agent_id is not None:
            done = tr("Reset {n} tokens of {agent}. u undoes it.", n=used, agent=safe(agent_id, 40))
        self._change(partial(self._app.observer.reset, agent_id), done)

    def update(self, snapshot: Snapshot) -> None:
        """Bring an open question up to a snapshot."""
        if self._question is not None:
            self._question.show(snapshot)

    def undo(self) -> None:
        """Undo the last reset."""
        self._change(self._app.observer.undo_reset, tr("The last reset is undone."))

    def update_waiting(self) -> None:
        """Note that a change has ended."""
        self.is_waiting = self.is_waiting and self._job.busy

    def _change(self, change: Callable[[], object], done: str) -> None:
        def work() -> None:
            try:
                change()
            except BudgaugeError as error:
                self._app.say(f"{error} {error.hint}".strip(), failed=True)
            except OSError as error:
                self._app.say(tr("The ledger cannot be written: {why}", why=error), failed=True)
            else:
                self._app.say(done)

        if self._job.begin(work):
            self._app.set_timer(WAIT_SHOWN_SECONDS, self._show_waiting)
        else:
            self._app.say(tr("The change before this one is still waiting for the ledger."))

    def _show_waiting(self) -> None:
        self.is_waiting = self._job.busy
        self._app.show_items()
