"""A safe end of the monitor at a signal, even when the program is stuck."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from types import FrameType

GRACE_SECONDS = 2.0
"""Seconds from a signal until the program is ended by force."""
_SIGNALS = ("SIGTERM", "SIGHUP", "SIGINT", "SIGQUIT", "SIGABRT")
_RESTORE = (
    b"\x1b[?1000l\x1b[?1003l\x1b[?1015l\x1b[?1006l\x1b[?1016l"  # mouse
    b"\x1b[?1004l\x1b[?2004l\x1b[?2048l\x1b[?2026l\x1b[?7h\x1b[<u"  # focus, paste, sizes, updates, wrapping, keys
    b"\x1b[?1049l\x1b[?25h\x1b[m"
)


class Ending:
    """A context in which a signal asks the program to leave, and ends the program after GRACE_SECONDS."""

    def __init__(self, grace_seconds: float = GRACE_SECONDS) -> None:
        self.leave: Callable[[int], object] | None = None
        """Asks for the end with an exit code; without this function, SystemExit is raised where the program is."""
        self.last: Callable[[], object] | None = None
        """Called before the program is ended by force."""
        self.owed: Callable[[], str] | None = None
        """Returns further control sequences to restore the terminal with, at an end by force."""
        self.code = 0
        """The exit code for the signal that came; 0 before."""
        self._grace_seconds = grace_seconds
        self._before: list[tuple[signal.Signals, object]] = []
        self._terminal = _Terminal()

    def __enter__(self) -> Ending:
        if threading.current_thread() is not threading.main_thread():
            return self
        # A pipe, not an event: a signal handler may write to a pipe at any point.
        self._out, self._in = os.pipe()
        threading.Thread(target=self._watch, name="budgauge-ending", daemon=True).start()
        for name in _SIGNALS:
            number = getattr(signal, name, None)
            if number is not None:
                self._before.append((number, signal.signal(number, self._on_signal)))
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before:
            # After a signal the handlers stay: a second signal must not cut the end short.
            if not self.code:
                signal.signal(number, handler)  # type: ignore[arg-type]  # as signal.signal gave it
        if self._before and not self.code:
            os.close(self._in)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if self.code:
            return
        self.code = 128 + number
        os.write(self._in, b"x")
        if self.leave is None:
            raise SystemExit(self.code)
        self.leave(self.code)

    def _watch(self) -> None:
        """Wait for a signal, then for the end, and enforce that end."""
        asked = os.read(self._out, 1)
        os.close(self._out)
        if not asked:
            return
        # A daemon thread: gone as soon as the program ends by itself.
        threading.Event().wait(self._grace_seconds)
        with suppress(Exception):
            if self.last is not None:
                self.last()
        self._terminal.restore(self.owed() if self.owed is not None else "")
        os._exit(self.code)


class _Terminal:
    """The terminal's first state, restored without ever waiting."""

    def __init__(self) -> None:
        self._name, self._modes = "", list[object]()
        if sys.platform == "win32":
            return
        import termios

        with suppress(OSError, ValueError, AttributeError, termios.error):
            self._name = os.ttyname(sys.__stdin__.fileno())  # type: ignore[union-attr]  # None is among the above
            self._modes = termios.tcgetattr(sys.__stdin__.fileno())  # type: ignore[union-attr]  # as above

    def restore(self, owed: str) -> None:
        """Restore as far as the terminal accepts; `owed` are further control sequences."""
        if sys.platform == "win32" or not self._name:
            return
        import termios

        with suppress(OSError, termios.error):
            descriptor = os.open(self._name, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
            with suppress(termios.error):
                # Discard unread output: the sequences below need the room.
                termios.tcflush(descriptor, termios.TCOFLUSH)
                termios.tcsetattr(descriptor, termios.TCSANOW, self._modes)  # type: ignore[arg-type]  # as it gave them
            os.write(descriptor, _RESTORE + owed.encode())
