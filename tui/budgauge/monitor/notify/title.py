"""The terminal's title while the monitor has it, and the one before, which is given back."""

from __future__ import annotations

from collections.abc import Callable

_WITHOUT_TITLE = ("dumb", "linux", "vt1", "vt2", "vt52")
"""Beginnings of $TERM of terminals that have no title, or show what should set it."""
_KEEP, _BRING_BACK = "\x1b[22;2t", "\x1b[23;2t"
"""XTWINOPS: keep the window's title, and bring it back."""


class TerminalTitle:
    """Keeps the title that was there for as long as another one is set."""

    def __init__(self, write: Callable[[str], object], term: str) -> None:
        """`write` takes what the terminal is told; `term` is $TERM."""
        self._write = write
        self._has_one = bool(term) and not term.startswith(_WITHOUT_TITLE)
        self._text = ""
        self._is_kept = False
        """Has the terminal kept the title that was there before?"""

    def set(self, text: str) -> None:
        """Set it; empty gives back what it was. The text must be safe: what steers a terminal would end it."""
        if not self._has_one or text == self._text:
            return
        self._text = text
        if text:
            self.take()
        else:
            self.give_back()

    def take(self) -> None:
        """Show it, also again after another program had the terminal."""
        if self._text:
            self._write(("" if self._is_kept else _KEEP) + _titled(self._text))
            self._is_kept = True

    def give_back(self) -> None:
        """Bring back the one before, for good or for as long as another program has the terminal."""
        if owed := self.owed:
            self._is_kept = False
            self._write(owed)

    @property
    def owed(self) -> str:
        """What brings back the title from before; empty if it stands."""
        # Where the terminal keeps no titles, none is better than one that is no longer true.
        return _titled("") + _BRING_BACK if self._is_kept else ""


def _titled(text: str) -> str:
    return f"\x1b]2;{text}\x07"
