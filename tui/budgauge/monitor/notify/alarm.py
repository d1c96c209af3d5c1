"""Alerts for a person away from the screen, and alerts without a banner."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from budgauge.config.model import Notify
from budgauge.monitor.drawing.sign import state_word
from budgauge.monitor.language import tr, trn
from budgauge.monitor.notify.title import TerminalTitle
from budgauge.monitor.textual_internals import write
from budgauge.monitor.widgets.banner import NAMED, exceeded_words
from budgauge.status.alerts import ThresholdAlert, ThresholdAlerts
from budgauge.status.snapshot import Snapshot
from budgauge.text import count, percent, safe
from budgauge.views.live import View

if TYPE_CHECKING:
    from textual.app import App
    from textual.notifications import SeverityLevel

    from budgauge.monitor.notify.desktop import Desktop

TOAST_SECONDS = 10.0
MOST_WORDED = 4
"""Alerts of one moment that are worded; of the others, the number is shown."""
_CELLS = 200


class Alarm:
    """A reporter of alerts, each once, by the config's ways; alerts from before the start are not reported."""

    def __init__(self, app: App[None], trouble_changed: Callable[[], object]) -> None:
        """`trouble_changed` is called in the app's thread."""
        self._app = app
        self.trouble = ""
        """Why desktop notifications do not work; empty while they do."""
        self._trouble_changed = trouble_changed
        self._alerts = ThresholdAlerts()
        self.title = TerminalTitle(partial(write, app), os.environ.get("TERM", ""))
        self._desktop: Desktop | None = None

    def take(self, view: View, *, covered: bool) -> None:
        """Report the alerts since the view before; `covered` means an invisible banner."""
        notify, snapshot = view.config.notify, view.snapshot
        self.title.set(title_of(snapshot) if notify.title else "")
        self._want_desktop(notify)
        # An unreadable ledger is not an empty one.
        crossed = () if view.ledger_trouble else self._alerts.of(snapshot)
        if not crossed:
            return
        if notify.bell:
            self._app.bell()
        if self._desktop is not None:
            self._desktop.send("\n".join(_words(crossed)))
        self._toast([each for each in crossed if covered or not _on_banner(each, snapshot)])

    def end(self) -> None:
        """Restore the title and end the desktop's thread, without waiting."""
        self.title.set("")
        if self._desktop is not None:
            self._desktop.end()

    def _want_desktop(self, notify: Notify) -> None:
        if notify.desktop and self._desktop is None:
            from budgauge.monitor.notify.desktop import Desktop

            self._desktop = Desktop(self._set_trouble)
        elif self._desktop is not None and not notify.desktop:
            self._desktop.end()
            self._desktop = None
            self._set_trouble("")

    def _set_trouble(self, text: str) -> None:
        self.trouble = text
        with suppress(RuntimeError):  # the app has ended meanwhile
            self._app.call_later(self._trouble_changed)

    def _toast(self, crossed: Sequence[ThresholdAlert]) -> None:
        states = [alert.state for alert in crossed[:MOST_WORDED]]
        for state, text in zip([*states, "exceeded"], _words(crossed), strict=False):
            severity: SeverityLevel = "warning" if state == "warning" else "error"
            self._app.notify(text, severity=severity, timeout=TOAST_SECONDS, markup=False)


def _words(crossed: Sequence[ThresholdAlert]) -> list[str]:
    """Return a line for each alert, and one for the number of the others."""
    lines = [safe(alert.message, _CELLS) for alert in crossed[:MOST_WORDED]]
    more = len(crossed) - len(lines)
    return [*lines, trn("and {n} more limit", "and {n} more limits", more)] if more else lines


def _on_banner(alert: ThresholdAlert, snapshot: Snapshot) -> bool:
    """Return True if the banner shows an alert: the total's, or one of the first exceeded limits."""
    return alert.scope == "total" or alert.name in snapshot.exceeded[:NAMED]


def title_of(snapshot: Snapshot) -> str:
    """Return the terminal's title: the total, and the first exceeded limit."""
    if snapshot.usage_percentage is None:
        total = "budgauge: " + tr("{n} tokens used", n=count(snapshot.total_used))
    else:
        used = tr("{percent} used", percent=percent(snapshot.usage_percentage))
        total = f"budgauge: {used}, {state_word(snapshot.state)}"
    if not snapshot.exceeded:
        return total
    return f"{total}; {exceeded_words(snapshot.exceeded, 1)}"
