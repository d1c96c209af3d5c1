"""The terminal's title, restored at the end."""

from __future__ import annotations

from collections.abc import Callable

_WITHOUT_TITLE = ("dumb", "linux", "vt1", "vt2", "vt52")
"""Beginnings of $TERM of terminals without a title."""
_KEEP, _BRING_BACK = "\x1b[22;2t", "\x1b[23;2t"
"""XTWINOPS: save and restore the window's title."""


class TerminalTitle:
    """A title set for a while, with the title before kept by the terminal."""

    def __init__(self, write: Callable[[str], object], term: str) -> None:
        """`write` sends a control sequence to the terminal; `term` is $TERM."""
        self._write = write
        self._has_one = bool(term) and not term.startswith(_WITHOUT_TITLE)
        self._text = ""
        self._is_kept = False
        """Has the terminal saved the title before?"""

    def set(self, text: str) -> None:
        """Set a title, safe to show; an empty one restores the title before."""
        if not self._has_one or text == self._text:
            return
        self._text = text
        if text:
            self.take()
        else:
            self.give_back()

    def take(self) -> None:
        """Show the title, also again after another program had the terminal."""
        if self._text:
            self._write(("" if self._is_kept else _KEEP) + _titled(self._text))
            self._is_kept = True

    def give_back(self) -> None:
        """Restore the title before, for good or while another program has the terminal."""
        if owed := self.owed:
            self._is_kept = False
            self._write(owed)

    @property
    def owed(self) -> str:
        """The control sequence to restore the title before; empty where none was changed."""
        # Some terminals save no title: there an empty one replaces ours, which is no longer true.
        return _titled("") + _BRING_BACK if self._is_kept else ""


def _titled(text: str) -> str:
    return f"\x1b]2;{text}\x07"
