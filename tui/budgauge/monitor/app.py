"""The monitor's app: views come from the feed and go to the screen."""

from __future__ import annotations

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
from textual.screen import Screen
from textual.timer import Timer

from budgauge.errors import BudgaugeError
from budgauge.monitor.background_collector import BackgroundCollector
from budgauge.monitor.background_job import JobEnded
from budgauge.monitor.collection import CollectionSwitch
from budgauge.monitor.commands import commands
from budgauge.monitor.drawing.time_text import clock
from budgauge.monitor.feed import FeedFailed, ViewTaken, run_feed
from budgauge.monitor.keys import BINDINGS, ROOMY_ACTIONS, TABLE_ACTIONS, footer_keys
from budgauge.monitor.language import mark, tr
from budgauge.monitor.ledger_changes import LedgerChanges
from budgauge.monitor.notify.alarm import Alarm
from budgauge.monitor.order import ORDERS, order_words
from budgauge.monitor.preferences import Preferences
from budgauge.monitor.rows import Row, row_text
from budgauge.monitor.screens.dashboard import Dashboard, is_new
from budgauge.monitor.screens.main_screen import AppState, MainScreen
from budgauge.monitor.screens.page import Page
from budgauge.monitor.terminal_app import TerminalApp
from budgauge.monitor.widgets.agent_table import AgentTable
from budgauge.monitor.widgets.banner import Item
from budgauge.monitor.widgets.onboarding import OnboardingViewModel
from budgauge.monitor.widgets.top_line import TopViewModel, budget_words, short_path
from budgauge.text import safe
from budgauge.views.live import Observer, View

if TYPE_CHECKING:
    from budgauge.sources.found import FoundLog

FEED_DELAY_SECONDS = 0.1
TICK_SECONDS = 1.0
"""Seconds between two updates by the clock alone."""
ANSWER_SECONDS = 6.0
"""Seconds for which the answer to a key is shown."""


class MonitorApp(TerminalApp):
    """The app that shows an observer's views, live."""

    TITLE = "budgauge"
    CSS_PATH = "monitor.tcss"
    BINDINGS: ClassVar[list[BindingType]] = list[BindingType](BINDINGS)

    def __init__(
        self,
        observer: Observer,
        *,
        first_view: View | None = None,
        collector: BackgroundCollector | None = None,
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

        `remark` makes it a demo and returns the demo's present remark. `shown_ledger` is shown instead
        of the ledger's path; `ledger_option` is that path if commands to paste must name it. `in_line`
        is for a run in five lines of the scrollback.
        """
        super().__init__(preferences, in_line=in_line)
        self.observer = observer
        self.alarm = Alarm(self, self.show_items)
        self._collection = None if collector is None else CollectionSwitch(collector, self.post_message)
        self._changes = LedgerChanges(self)
        self._found_logs = found_logs
        self._clock = clock
        self._remark = remark
        self._shown_ledger = shown_ledger
        self._stop = threading.Event()
        self._wants_collecting = collect or preferences.choices.collecting
        self._home = os.path.expanduser("~")
        self.view = first_view
        """The latest view; None until the first one."""
        self._changed = None if first_view is None else clock()
        self._paused = False
        self._screen_ready = False
        self._answer: Item | None = None
        self._answer_timer: Timer | None = None
        self._feed_failure = ""
        self._ledger_option = ledger_option

    def get_default_screen(self) -> MainScreen:
        """Return the dashboard, or five lines."""
        keys = footer_keys(collects=self._collection is not None, in_line=self.in_line)
        if self.in_line:
            from budgauge.monitor.screens.inline import InlineScreen

            return InlineScreen(keys, self._screen_is_ready)
        return Dashboard(keys, self._screen_is_ready)

    def on_mount(self) -> None:
        """Start the feed and the clock."""
        # Loading the feed's modules must not delay a first paint that is complete without it.
        self.set_timer(FEED_DELAY_SECONDS if self.view else 0.001, self._start_feed)
        self.set_interval(TICK_SECONDS, self._second_passed)
        # After a suspension the terminal's alternate screen is empty.
        self.app_resume_signal.subscribe(self, lambda _: self._resumed())
        # Immediately: a later message would be handled only after the program goes on.
        self.app_suspend_signal.subscribe(self, lambda _: self.alarm.title.give_back(), immediate=True)
        if self.view is not None:
            self._sound(self.view)
        if self._wants_collecting and self._collection is not None:
            self._collection.want(True)

    def _resumed(self) -> None:
        self.alarm.title.take()
        self.refresh()

    def _sound(self, view: View) -> None:
        self.alarm.take(view, covered=len(self.screen_stack) > 1)

    def _start_feed(self) -> None:
        feed = partial(run_feed, self.observer, self._stop, self.post_message)
        self.run_worker(feed, name="feed", group="feed", thread=True, exclusive=True, exit_on_error=False)

    def _screen_is_ready(self) -> None:
        self._screen_ready = True
        choices = self._preferences.choices
        if choices.order in ORDERS:
            self.on_table(partial(AgentTable.set_order, order=choices.order, reverse=choices.reverse))
        self._update()
        self.leave_if_asked()

    def on_unmount(self) -> None:
        """Stop the feed: the program ends only when the feed's thread has."""
        self._stop.set()
        self.alarm.end()

    def on_view_taken(self, message: ViewTaken) -> None:
        """Show a newer view."""
        self.view = message.view
        self._changed = self._clock()
        self._feed_failure = ""
        self._sound(message.view)
        self._update()
        self._changes.update(message.view.snapshot)

    def on_feed_failed(self, message: FeedFailed) -> None:
        """Show why reading failed; the feed retries."""
        self._feed_failure = message.reason
        self._update(only_time=True)

    @property
    def can_leave(self) -> bool:
        """False while the screen is composed: removing it then fails."""
        return self._screen_ready

    @property
    def is_showing(self) -> bool:
        """True once a view is on the screen."""
        return self._screen_ready and self.view is not None

    @property
    def main_screen(self) -> MainScreen | None:
        """The screen below all others; None until it is composed."""
        first = self.screen_stack[0] if self.screen_stack else None
        return first if isinstance(first, MainScreen) and self._screen_ready else None

    @property
    def dashboard(self) -> Dashboard | None:
        """The main screen, unless it is the one of five lines."""
        return self.main_screen if isinstance(self.main_screen, Dashboard) else None

    def glyphs_changed(self) -> None:
        """Fit the dashboard to the glyphs that can be drawn now."""
        if self.dashboard is not None:
            self.dashboard.fit(self.size)

    def _update(self, *, only_time: bool = False) -> None:
        """Bring the screens up to the latest view; with `only_time`, that view was shown already."""
        screen, view = self.main_screen, self.view
        if screen is None or view is None:
            return
        if self._paused:
            self.show_items()  # even a paused screen shows warnings and errors
            return
        page = self.screen_stack[-1]
        if isinstance(page, Page):
            page.update_view(view, self._clock())
        # At the end widgets are removed before the last messages have come.
        with suppress(NoMatches), self.batch_update():
            screen.show(self._state(view), only_time=only_time)

    def _second_passed(self) -> None:
        if self._collection is not None:
            self._collection.keep_up()
        self._update(only_time=True)

    def _state(self, view: View) -> AppState:
        return AppState(
            view=view,
            now=self._clock(),
            items=tuple(self._items()),
            top=self._top(view),
            onboarding=self._onboarding() if is_new(view) else None,
        )

    def _top(self, view: View) -> TopViewModel:
        ledger = view.snapshot.ledger if self._shown_ledger is None else tr(self._shown_ledger)
        return TopViewModel(
            budget=budget_words(view.budget_of),
            ledger=short_path(ledger, self._home),
            collecting=self._collecting(),
            changed="" if self._changed is None else clock(self._changed, seconds=True),
            paused=self._paused,
            demo=self._remark is not None,
        )

    def _collecting(self) -> str:
        if self._collection is None or not self._collection.collector.running:
            return ""
        return tr("collecting, {what}", what=safe(self._collection.collector.summary, 40))

    def _items(self) -> Iterable[Item]:
        if self._changes.is_waiting:
            yield Item("answer", tr("Waiting for the ledger's lock, which another program holds."))
        if self._answer:
            yield self._answer
        if self._feed_failure:
            yield Item("error", tr("Reading failed; retrying: {why}", why=safe(self._feed_failure)))
        trouble = self._collection.trouble if self._collection else None
        if trouble:
            yield Item("warning", tr("Collecting: {why}", why=safe(trouble)))
        if self.alarm.trouble:
            yield Item("info", safe(self.alarm.trouble))
        if self._preferences.notice:
            yield Item("info", safe(self._preferences.notice))
        if self._remark is not None:
            yield Item("info", tr(self._remark()))

    def _onboarding(self) -> OnboardingViewModel:
        logs: Sequence[FoundLog] = ()
        with suppress(BudgaugeError, OSError):
            logs = self._found_logs()
        return OnboardingViewModel(
            logs=tuple(logs),
            home=self._home,
            can_collect=self._collection is not None,
            collecting=bool(self._collecting()),
            ledger_option=self._ledger_option,
        )

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """Yield the command palette's entries."""
        return commands(self, super().get_system_commands(screen))

    def action_reset(self) -> None:
        """Ask, then reset every agent."""
        self._changes.ask_to_reset()

    def action_reset_agent(self) -> None:
        """Ask, then reset the agent under the cursor."""
        self._changes.ask_to_reset_row(self._current_row())

    def action_undo(self) -> None:
        """Undo the last reset."""
        self._changes.undo()

    def _current_row(self) -> Row | None:
        """Return the row that keys are about."""
        if isinstance(self.screen, Page):
            return self.screen.row
        return self.dashboard.query_one(AgentTable).current if self.dashboard else None

    def action_collect(self) -> None:
        """Turn collecting on or off."""
        collection = self._collection
        if collection is None:
            self.say(tr("Nothing is collected here. For your own agents: budgauge --collect"))
        elif collection.want(not collection.wanted):
            self._preferences.choose(collecting=collection.wanted)

    def action_logs(self) -> None:
        """Show the collector's details of each agent's logs."""
        from budgauge.monitor.screens.logs import Logs

        self.push_screen(Logs(self._collection.collector.details if self._collection else ()))

    def on_job_ended(self, message: JobEnded) -> None:
        """Show a background job's result or failure at once."""
        self._changes.update_waiting()
        if message.failure is not None:
            self.say(tr("{what} failed: {why}", what=message.name, why=message.failure), failed=True)
        self._update(only_time=True)

    def action_pause(self) -> None:
        """Freeze the display, or resume with the latest view."""
        self._paused = not self._paused
        if self.main_screen is not None:
            self.main_screen.pause(paused=self._paused)
        self._update()

    def action_help(self) -> None:
        """Show every key."""
        from budgauge.monitor.screens.help import Help, key_help

        palette = Binding("ctrl+p", "command_palette", mark("Palette"), tooltip=mark("Command palette"))
        self.push_screen(Help(key_help([*self.BINDINGS, palette, *AgentTable.BINDINGS])))

    def action_next_order(self) -> None:
        """Sort by the next order."""
        self.on_table(AgentTable.action_next_order)

    def action_reverse(self) -> None:
        """Reverse the sort order."""
        self.on_table(AgentTable.action_reverse)

    def action_details(self) -> None:
        """Show the agent under the cursor in detail."""
        self.on_table(AgentTable.action_open)

    def action_filter(self) -> None:
        """Open the filter line."""
        if self.dashboard is not None:
            self.dashboard.open_filter()

    def action_copy(self) -> None:
        """Copy the line under the cursor."""
        row = self._current_row()
        if row is None:
            self.say(tr("There is no agent under the cursor."))
            return
        self.copy_to_clipboard(row_text(row))
        self.say(tr("Copied: {what}", what=row_text(row)))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Allow the table's actions only while the table is seen, and none that five lines have no room for."""
        if self.in_line:
            return action not in ROOMY_ACTIONS
        return action not in TABLE_ACTIONS or len(self.screen_stack) == 1

    def on_table(self, act: Callable[[AgentTable], object]) -> None:
        """Call a function with the table of agents, if there is one."""
        if self.dashboard is not None:
            act(self.dashboard.query_one(AgentTable))

    def on_agent_table_sorted(self, message: AgentTable.Sorted) -> None:
        """Remember the order and say its name."""
        self._preferences.choose(order=message.order, reverse=message.reverse)
        self.say(tr("Sorted by {order}.", order=order_words(message.order, reverse=message.reverse)))

    def on_agent_table_opened(self, message: AgentTable.Opened) -> None:
        """Show a row in detail."""
        if self.view is not None:
            from budgauge.monitor.screens.details import Details

            self.push_screen(Details(self.view, self._clock(), message.row, self.observer))

    def action_over_time(self) -> None:
        """Show tokens and cost over time."""
        if self.view is not None:
            from budgauge.monitor.screens.over_time import OverTime

            self.push_screen(OverTime(self.view, self._clock(), self.observer))

    def say(self, text: str, *, failed: bool = False) -> None:
        """Show the answer to a key for a while; safe from any thread."""
        self.call_later(self._show_answer, Item("error" if failed else "answer", safe(text)))

    def _show_answer(self, answer: Item) -> None:
        self._answer = answer
        if self._answer_timer is not None:
            self._answer_timer.stop()
        self._answer_timer = self.set_timer(ANSWER_SECONDS, self._remove_answer)
        self.show_items()

    def _remove_answer(self) -> None:
        self._answer = None
        self.show_items()

    def show_items(self) -> None:
        """Bring the banner up to date."""
        if self.main_screen is not None and self.view is not None:
            with suppress(NoMatches):  # at the end widgets are removed before the last timers
                self.main_screen.show_items(self._state(self.view))
