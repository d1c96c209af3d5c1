"""The monitor itself: it takes views from the feed and puts them on the screen."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual.app import SystemCommand
from textual.binding import Binding, BindingType
from textual.css.query import NoMatches
from textual.message import Message
from textual.screen import Screen
from textual.timer import Timer

from budgauge.errors import BudgaugeError
from budgauge.monitor.chore import Chore, ChoreEnded
from budgauge.monitor.collecting import Collecting
from budgauge.monitor.feed import FeedFailed, ViewTaken, run_feed
from budgauge.monitor.keys import BINDINGS, ROOMY_ACTIONS, TABLE_ACTIONS, footer_keys
from budgauge.monitor.language import mark, tr, trn
from budgauge.monitor.notify.alarm import Alarm
from budgauge.monitor.order import ORDERS, order_words
from budgauge.monitor.port import CollectorPort, FoundLog, ObserverPort
from budgauge.monitor.preferences import Preferences
from budgauge.monitor.rows import Row, row_text
from budgauge.monitor.screens.board import Board, Surroundings
from budgauge.monitor.screens.dashboard import Dashboard, is_new
from budgauge.monitor.screens.page import Page
from budgauge.monitor.terminal_app import TerminalApp
from budgauge.monitor.widgets.agent_table import AgentTable
from budgauge.monitor.widgets.banner import Item
from budgauge.monitor.widgets.guide import GuideFace
from budgauge.status.snapshot import Snapshot, used_by
from budgauge.text import count, safe
from budgauge.views.live import View

if TYPE_CHECKING:
    from budgauge.monitor.screens.reset_question import ResetQuestion

FEED_DELAY_SECONDS = 0.1
TICK_SECONDS = 1.0
"""Between two looks at the clock and the collector."""
SAID_SECONDS = 6.0
"""How long it is told what came of a key."""
WAIT_SHOWN_SECONDS = 0.3
"""From when on it is told that a change waits for the ledger's lock."""


class Said(Message):
    """What came of a key."""

    def __init__(self, item: Item) -> None:
        super().__init__()
        self.item = item


class MonitorApp(TerminalApp):
    """Shows what an observer sees, live."""

    TITLE = "budgauge"
    CSS_PATH = "monitor.tcss"
    BINDINGS: ClassVar[list[BindingType]] = BINDINGS

    def __init__(
        self,
        observer: ObserverPort,
        *,
        first_view: View | None = None,
        collector: CollectorPort | None = None,
        preferences: Preferences,
        found_logs: Callable[[], Sequence[FoundLog]],
        clock: Callable[[], float] = time.time,
        collect: bool = False,
        remark: Callable[[], str] | None = None,
        shown_ledger: str | None = None,
        ledger_option: str = "",
        in_line: bool = False,
    ) -> None:
        """With `first_view` the first paint is complete; with `collect`, collecting is on from the start.

        `remark` makes it a demo, and says what to know of it just now. `shown_ledger` stands in
        the place of the ledger's path; `ledger_option` is that path if commands to paste must
        name it. `in_line` is for a run in five lines of the scrollback.
        """
        super().__init__(preferences, in_line=in_line)
        self._observer = observer
        self._alarm = Alarm(self, self._note_trouble)
        self._alarm_trouble = ""
        self._collecting = None if collector is None else Collecting(collector, self.post_message)
        self._ledger_chore = Chore("ledger", self.post_message)
        self._waits_for_ledger = False
        self._question: ResetQuestion | None = None
        self._loop_now: asyncio.AbstractEventLoop | None = None
        self._leave_code = 0
        self._found_logs = found_logs
        self._clock = clock
        self._remark = remark
        self._shown_ledger = shown_ledger
        self._stop = threading.Event()
        self._wants_collecting = collect or preferences.choices.collecting
        self._home = os.path.expanduser("~")
        self._view = first_view
        self._changed = None if first_view is None else clock()
        self._paused = False
        self._dashboard_ready = False
        self._said: Item | None = None
        self._said_timer: Timer | None = None
        self._feed_failure = ""
        self._ledger_option = ledger_option

    def get_default_screen(self) -> Board:
        """The dashboard."""
        keys = footer_keys(collects=self._collecting is not None, in_line=self._in_line)
        if self._in_line:
            from budgauge.monitor.screens.inline import InlineBoard

            return InlineBoard(keys, self._dashboard_is_ready, self.say)
        return Dashboard(keys, self._dashboard_is_ready)

    def on_mount(self) -> None:
        """Begin to look."""
        self._loop_now = asyncio.get_running_loop()
        # What the feed loads must not hold up a first paint that is complete without it.
        self.set_timer(FEED_DELAY_SECONDS if self._view else 0.001, self._start_feed)
        self.set_interval(TICK_SECONDS, self._second_passed)
        # After a suspension the terminal's other screen is empty.
        self.app_resume_signal.subscribe(self, lambda _: self._resumed())
        # Before it stops, or else only after it goes on.
        self.app_suspend_signal.subscribe(self, lambda _: self._alarm.title.give_back(), immediate=True)
        if self._view is not None:
            self._sound(self._view)
        if self._wants_collecting and self._collecting is not None:
            self._collecting.want(True)

    def _resumed(self) -> None:
        self._alarm.title.take()
        self.refresh()

    def _sound(self, view: View) -> None:
        self._alarm.take(view, covered=len(self.screen_stack) > 1)

    def _note_trouble(self, text: str) -> None:
        self._alarm_trouble = text
        with suppress(RuntimeError):  # the monitor has ended meanwhile
            self.call_later(self._show_items)

    def _start_feed(self) -> None:
        self.run_worker(
            partial(run_feed, self._observer, self._stop, self.post_message),
            name="feed",
            group="feed",
            thread=True,
            exclusive=True,
            exit_on_error=False,
        )

    def _dashboard_is_ready(self) -> None:
        self._dashboard_ready = True
        choices = self._preferences.choices
        if choices.order in ORDERS:
            self._on_table(partial(AgentTable.set_order, order=choices.order, reverse=choices.reverse))
        self._show()
        self._leave_if_asked()

    def on_unmount(self) -> None:
        """End the feed: the program ends only when its thread has."""
        self._stop.set()
        self._alarm.end()

    @property
    def owed(self) -> str:
        """What the terminal must be told beside what it is told at every end."""
        return self._alarm.title.owed

    def leave(self, code: int) -> None:
        """End as `q` does, as soon as it can, with an exit code: from a signal handler, and also before it runs."""
        self._leave_code = code
        if self._loop_now is not None:
            with suppress(RuntimeError):  # it has ended already
                self._loop_now.call_soon_threadsafe(self._leave_if_asked)

    def _leave_if_asked(self) -> None:
        # A screen that is taken away while it is composed fails.
        if self._leave_code and self._dashboard_ready:
            self.exit(return_code=self._leave_code)

    def on_view_taken(self, message: ViewTaken) -> None:
        """A newer view is there."""
        self._view = message.view
        self._changed = self._clock()
        self._feed_failure = ""
        self._sound(message.view)
        self._show()
        if self._question is not None:
            self._question.show(message.view.snapshot)

    def on_feed_failed(self, message: FeedFailed) -> None:
        """Looking failed; the feed goes on trying."""
        self._feed_failure = message.reason
        self._tick()

    @property
    def is_showing(self) -> bool:
        """Has a view been put on the screen?"""
        return self._dashboard_ready and self._view is not None

    @property
    def board(self) -> Board | None:
        """The screen that shows views, once it is there."""
        first = self.screen_stack[0] if self.screen_stack else None
        return first if isinstance(first, Board) and self._dashboard_ready else None

    @property
    def dashboard(self) -> Dashboard | None:
        """The same, if it is the large one."""
        return self.board if isinstance(self.board, Dashboard) else None

    def glyphs_changed(self) -> None:
        """What can be drawn is different now."""
        if self.dashboard is not None:
            self.dashboard.fit(self.size)

    def _show(self) -> None:
        self._bring_up(lambda board, *seen: board.show(*seen))

    def _tick(self) -> None:
        self._bring_up(lambda board, *seen: board.tick(*seen))

    def _bring_up(self, part: Callable[[Board, View, float, Surroundings], None]) -> None:
        """Bring a part of the dashboard up to the latest view and the present moment."""
        dashboard, view = self.board, self._view
        if dashboard is None or view is None:
            return
        page = self.screen_stack[-1]
        if isinstance(page, Page) and not self._paused:
            page.bring(view, self._clock())
        if self._paused:
            # What a person must know now does not wait.
            dashboard.show_items(view, self._surroundings())
            return
        # At the end the screen's widgets go before the last messages have come.
        with suppress(NoMatches), self.batch_update():
            part(dashboard, view, self._clock(), self._surroundings())
            self._guide(dashboard, view)

    def _second_passed(self) -> None:
        if self._collecting is not None:
            self._collecting.keep_up()
        self._tick()

    def _surroundings(self) -> Surroundings:
        collecting = self._collecting
        on = collecting is not None and collecting.running
        return Surroundings(
            items=tuple(self._items()),
            collecting=tr("collecting, {what}", what=safe(collecting.summary, 40))
            if collecting is not None and on
            else "",
            changed=self._changed,
            paused=self._paused,
            demo=self._remark is not None,
            shown_ledger=None if self._shown_ledger is None else tr(self._shown_ledger),
            home=self._home,
        )

    def _items(self) -> Iterable[Item]:
        if self._waits_for_ledger:
            yield Item("answer", tr("Waiting for the ledger's lock, which another program holds."))
        if self._said:
            yield self._said
        if self._feed_failure:
            yield Item("error", tr("Reading failed and is tried again: {why}", why=safe(self._feed_failure)))
        trouble = self._collecting.trouble if self._collecting else None
        if trouble:
            yield Item("warning", tr("Collecting: {why}", why=safe(trouble)))
        if self._alarm_trouble:
            yield Item("info", safe(self._alarm_trouble))
        if self._preferences.notice:
            yield Item("info", safe(self._preferences.notice))
        if self._remark is not None:
            yield Item("info", tr(self._remark()))

    def _guide(self, dashboard: Board, view: View) -> None:
        if not is_new(view):
            return
        dashboard.guide(
            GuideFace(
                logs=self._agents_logs(),
                home=self._home,
                can_collect=self._collecting is not None,
                collecting=self._collecting is not None and self._collecting.running,
                ledger_option=self._ledger_option,
            )
        )

    def _agents_logs(self) -> tuple[FoundLog, ...]:
        try:
            return tuple(self._found_logs())
        except (BudgaugeError, OSError):
            return ()

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """What the command palette offers: Textual's own, our keys, and what has no key."""
        for command in super().get_system_commands(screen):
            yield SystemCommand(tr(command.title), tr(command.help), command.callback, command.discover)
        for binding in self.BINDINGS:
            if isinstance(binding, Binding) and binding.action not in ("quit", "next_theme"):
                yield SystemCommand(
                    tr(binding.description), tr(binding.tooltip), partial(self.run_action, binding.action)
                )
        for order in ORDERS:
            yield SystemCommand(
                tr("Sort by {order}", order=order_words(order)),
                tr("Click a column's head for the same; remembered"),
                partial(self._on_table, partial(AgentTable.sort, order=order)),
            )
        yield SystemCommand(
            tr("ASCII glyphs"), tr("Draw with ASCII alone, or no longer; remembered"), self.switch_glyphs
        )
        yield SystemCommand(
            tr("Animation"), tr("Let things move on the screen, or no longer; remembered"), self.switch_animation
        )
        for name, folded in ((tr("Fold all families"), True), (tr("Unfold all families"), False)):
            yield SystemCommand(
                name,
                tr("Space folds the one under the cursor"),
                partial(self._on_table, partial(AgentTable.fold_all, folded=folded)),
            )

    def action_reset(self) -> None:
        """Ask, then reset everyone."""
        self._ask_to_reset(None)

    def action_reset_agent(self) -> None:
        """Ask, then reset the agent under the cursor."""
        row = self._current_row()
        if row is None:
            self.say(tr("There is no agent under the cursor."))
        elif row.is_family:
            self.say(tr("A family is reset agent by agent: put the cursor on one, or reset all with r."))
        else:
            self._ask_to_reset(row.key)

    def _ask_to_reset(self, agent_id: str | None) -> None:
        snapshot = self._view.snapshot if self._view else None
        if snapshot is None or used_by(snapshot, agent_id) is None:
            self.say(tr("Nothing has been used; there is nothing to reset."))
            return

        def answered(yes: bool | None) -> None:
            self._question = None
            used = (used_by(self._view.snapshot, agent_id) if self._view else None) or 0
            if yes:
                done = tr("Reset {n} tokens. u undoes it.", n=count(used))
                if agent_id is not None:
                    done = tr("Reset {n} tokens of {agent}. u undoes it.", n=count(used), agent=safe(agent_id, 40))
                self._change_ledger(partial(self._observer.reset, agent_id), done)

        if self._in_line:
            self._ask_in_line(snapshot, answered)
            return
        from budgauge.monitor.screens.reset_question import ResetQuestion

        self._question = ResetQuestion(snapshot, agent_id)
        self.push_screen(self._question, answered)

    def _ask_in_line(self, snapshot: Snapshot, answered: Callable[[bool], None]) -> None:
        from budgauge.monitor.screens.inline import InlineBoard

        def answer(yes: bool) -> None:
            answered(yes)
            self._show_items()

        if isinstance(self.screen, InlineBoard):
            agents = trn("{n} agent", "{n} agents", len(snapshot.agent_totals))
            self.screen.ask(tr("Reset {n} tokens of {agents}?", n=count(snapshot.total_used), agents=agents), answer)
            self._show_items()

    def _current_row(self) -> Row | None:
        """The row that keys are about."""
        if isinstance(self.screen, Page):
            return self.screen.row
        return self.dashboard.query_one(AgentTable).current if self.dashboard else None

    def action_undo(self) -> None:
        """Undo the last reset."""
        self._change_ledger(self._observer.undo_reset, tr("The last reset is undone."))

    def _change_ledger(self, change: Callable[[], object], done: str) -> None:
        def work() -> None:
            try:
                change()
            except BudgaugeError as error:
                self.say(f"{error} {error.hint}".strip(), failed=True)
            except OSError as error:
                self.say(tr("The ledger cannot be written: {why}", why=error), failed=True)
            else:
                self.say(done)

        if self._ledger_chore.begin(work):
            self.set_timer(WAIT_SHOWN_SECONDS, self._ledger_waits)
        else:
            self.say(tr("The change before this one is still waiting for the ledger."))

    def _ledger_waits(self) -> None:
        self._waits_for_ledger = self._ledger_chore.busy
        self._show_items()

    def action_collect(self) -> None:
        """Collecting on or off."""
        collecting = self._collecting
        if collecting is None:
            self.say(tr("Nothing is collected here. For your own agents: budgauge --collect"))
        elif collecting.want(not collecting.wanted):
            self._preferences.choose(collecting=collecting.wanted)

    def action_logs(self) -> None:
        """What collecting met in agents' logs."""
        from budgauge.monitor.screens.logs import Logs

        self.push_screen(Logs(self._collecting.details if self._collecting else ()))

    def on_chore_ended(self, message: ChoreEnded) -> None:
        """Show at once what a chore did, and what it failed of."""
        self._waits_for_ledger = self._waits_for_ledger and self._ledger_chore.busy
        if message.failure is not None:
            self.say(tr("{what} failed: {why}", what=message.name, why=message.failure), failed=True)
        self._tick()

    def action_help_quit(self) -> None:
        """Ctrl+C ends it, as everywhere."""
        self.exit()

    def action_pause(self) -> None:
        """Freeze the display, or go on with what is true now."""
        self._paused = not self._paused
        dashboard = self.board
        if dashboard is not None:
            dashboard.pause(paused=self._paused)
        self._show()

    def action_help(self) -> None:
        """Every key."""
        from budgauge.monitor.screens.help import Help, told

        palette = Binding("ctrl+p", "command_palette", mark("Palette"), tooltip=mark("Command palette"))
        self.push_screen(Help([*told(self.BINDINGS), *told([palette]), *told(AgentTable.BINDINGS)]))

    def action_next_order(self) -> None:
        """Sort by the next order."""
        self._on_table(AgentTable.action_next_order)

    def action_reverse(self) -> None:
        """Sort the other way round."""
        self._on_table(AgentTable.action_reverse)

    def action_details(self) -> None:
        """Show the agent under the cursor in detail."""
        self._on_table(AgentTable.action_open)

    def action_filter(self) -> None:
        """Let a text be typed that agents' names must hold."""
        if self.dashboard is not None:
            self.dashboard.ask_for_filter()

    def action_copy(self) -> None:
        """Copy the line under the cursor."""
        row = self._current_row()
        if row is None:
            self.say(tr("There is no agent under the cursor."))
            return
        self.copy_to_clipboard(row_text(row))
        self.say(tr("Copied: {what}", what=row_text(row)))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """What is about the table can be done only where it is seen, and five lines have room for no other screen."""
        if self._in_line:
            return action not in ROOMY_ACTIONS
        return action not in TABLE_ACTIONS or len(self.screen_stack) == 1

    def _on_table(self, act: Callable[[AgentTable], object]) -> None:
        if self.dashboard is not None:
            act(self.dashboard.query_one(AgentTable))

    def on_agent_table_sorted(self, message: AgentTable.Sorted) -> None:
        """Remember it, and say what it is."""
        self._preferences.choose(order=message.order, reverse=message.reverse)
        self.say(tr("Sorted by {order}.", order=order_words(message.order, reverse=message.reverse)))

    def on_agent_table_opened(self, message: AgentTable.Opened) -> None:
        """Show it in detail."""
        if self._view is not None:
            from budgauge.monitor.screens.details import Details

            self.push_screen(Details(self._view, self._clock(), message.row, self._observer))

    def action_over_time(self) -> None:
        """Show tokens and cost over time."""
        if self._view is not None:
            from budgauge.monitor.screens.over_time import OverTime

            self.push_screen(OverTime(self._view, self._clock(), self._observer))

    def say(self, text: str, *, failed: bool = False) -> None:
        """Tell what came of a key, for a while; safe from any thread."""
        self.post_message(Said(Item("error" if failed else "answer", safe(text))))

    def on_said(self, message: Said) -> None:
        """Show it, also while the display is paused."""
        self._said = message.item
        if self._said_timer is not None:
            self._said_timer.stop()
        self._said_timer = self.set_timer(SAID_SECONDS, self._unsay)
        self._show_items()

    def _unsay(self) -> None:
        self._said = None
        self._show_items()

    def _show_items(self) -> None:
        dashboard, view = self.board, self._view
        if dashboard is not None and view is not None:
            dashboard.show_items(view, self._surroundings())
