"""How warnings reach a person who does not look at the screen, and those that no banner shows."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from budgauge.config.model import Notify
from budgauge.crossing import Crossing, Crossings
from budgauge.snapshot import Snapshot
from budgauge.text import count, percent, safe

if TYPE_CHECKING:
    from textual.app import App

    from budgauge.monitor.desktop import Desktop

_WITHOUT_TITLE = ("dumb", "linux", "vt")
"""Beginnings of $TERM of terminals that have no title, or show what should set it."""
_PUSH, _POP = "\x1b[22;2t", "\x1b[23;2t"
"""XTWINOPS: keep the window's title, and bring it back."""
TOAST_SECONDS = 10.0


class Alarm:
    """Tells each crossing once, in the ways that the config wants; and nothing of what stood at the start."""

    def __init__(self, app: App[None], trouble: Callable[[str], None]) -> None:
        """`trouble` is told once why a wanted way does not work; it must be safe from any thread."""
        self._app = app
        self._trouble = trouble
        self._crossings = Crossings()
        self._title = ""
        self._desktop: Desktop | None = None

    def take(self, snapshot: Snapshot, notify: Notify, *, covered: bool) -> None:
        """Tell what was crossed since the snapshot before; `covered`: the banner cannot be seen."""
        crossed = self._crossings.of(snapshot)
        self.set_title(_title(snapshot) if notify.title else "")
        if not crossed:
            return
        if notify.bell:
            self._app.bell()
        for crossing in crossed:
            if covered or not _on_banner(crossing):
                self._app.notify(
                    safe(crossing.message, 200),
                    severity="warning" if crossing.state == "warning" else "error",
                    timeout=TOAST_SECONDS,
                    markup=False,
                )
            if notify.desktop:
                self._send(crossing)

    def _send(self, crossing: Crossing) -> None:
        if self._desktop is None:
            from budgauge.monitor.desktop import Desktop

            self._desktop = Desktop(self._trouble)
        self._desktop.send(safe(crossing.message, 200))

    def set_title(self, title: str) -> None:
        """Set the terminal's title; empty brings back what it was."""
        if title == self._title or not self._has_title():
            return
        # The text was made safe: nothing in it can end the sequence.
        self._write((_PUSH if not self._title else "") + (f"\x1b]2;{title}\x07" if title else _POP))
        self._title = title

    def suspend(self) -> None:
        """Give the terminal's title back for as long as another program has the terminal."""
        if self._title:
            self._write(_POP)

    def resume(self) -> None:
        """Take it again."""
        if self._title:
            self._write(f"{_PUSH}\x1b]2;{self._title}\x07")

    def _has_title(self) -> bool:
        return not self._app.is_headless and not os.environ.get("TERM", "dumb").startswith(_WITHOUT_TITLE)

    def _write(self, sequence: str) -> None:
        driver = self._app._driver
        if driver is not None:
            driver.write(sequence)
            driver.flush()


def _on_banner(crossing: Crossing) -> bool:
    """Does the banner say it? It has a line for the total, and one for limits that are exceeded."""
    return crossing.scope == "total" or crossing.state == "exceeded"


def _title(snapshot: Snapshot) -> str:
    if snapshot.usage_percentage is None:
        return f"budgauge: {count(snapshot.total_used)} tokens used"
    return f"budgauge: {percent(snapshot.usage_percentage)} used, {snapshot.state}"
