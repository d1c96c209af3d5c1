"""Desktop notifications, through the extra `budgauge[notify]`."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Protocol

_MISSING = "Desktop notifications need an extra: pip install 'budgauge[notify]'"
_MARKUP = str.maketrans({"<": "‹", ">": "›", "&": "＆"})
"""Some servers read a notification's text as markup."""


class _Notifier(Protocol):
    def send(self, title: str, message: str) -> object:
        """Show a notification."""


class Desktop:
    """Sends in a thread that ends with the program: a bus that hangs holds up nothing."""

    def __init__(self, trouble: Callable[[str], None]) -> None:
        """`trouble` is told once, from the thread, if they cannot be shown."""
        self._trouble = trouble
        self._told = False
        self._waiting: SimpleQueue[str] = SimpleQueue()
        threading.Thread(target=self._run, name="budgauge-desktop", daemon=True).start()

    def send(self, text: str) -> None:
        """Show a text, as soon as it can be."""
        self._waiting.put(text.translate(_MARKUP))

    def _run(self) -> None:
        try:
            notifier = _notifier()
        except ImportError:
            self._tell(_MISSING)
            return
        faults = _Faults()
        while True:
            text = self._waiting.get()
            try:
                notifier.send(title="budgauge", message=text)
            except Exception as error:  # whatever the bus does: the screen goes on
                self._tell(f"Desktop notifications do not work: {error}")
            else:
                if fault := faults.take():
                    self._tell(f"Desktop notifications do not work: {fault}")

    def _tell(self, text: str) -> None:
        if not self._told:
            self._told = True
            self._trouble(text)


class _Faults(logging.Handler):
    """What the library logs instead of raising it; it must not be drawn across the screen either."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._latest = ""
        logger = logging.getLogger("desktop_notifier")
        logger.addHandler(self)
        logger.propagate = False

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it."""
        cause = record.exc_info[1] if record.exc_info else None
        self._latest = str(cause or record.getMessage())

    def take(self) -> str:
        """The latest one, once."""
        latest, self._latest = self._latest, ""
        return latest


def _notifier() -> _Notifier:
    """Raises ImportError where the extra is not installed."""
    from desktop_notifier.sync import DesktopNotifierSync

    notifier: _Notifier = DesktopNotifierSync(app_name="budgauge")
    return notifier
