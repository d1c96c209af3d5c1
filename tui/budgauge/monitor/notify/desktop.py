"""Desktop notifications, through the extra `budgauge[notify]`."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from budgauge.text import safe

ANSWER_SECONDS = 5.0
"""Seconds to wait for the desktop's answer."""
MISSING = (
    "Desktop notifications need desktop-notifier: pipx inject budgauge desktop-notifier "
    "(in a venv: pip install desktop-notifier)"
)
_MARKUP = str.maketrans({"<": "‹", ">": "›", "&": "＆"})
"""Some servers read a notification's text as markup."""


class Desktop:
    """A sender in a daemon thread: a hanging bus delays nothing.

    A failure is reported at the first connection, before any alert is lost; each text tries again.
    """

    def __init__(self, trouble: Callable[[str], None], *, answer_seconds: float = ANSWER_SECONDS) -> None:
        """`trouble` is called from the thread with the reason of a failure, and with an empty text on success."""
        self._trouble = trouble
        self._reported = ""
        self._answer_seconds = answer_seconds
        self._waiting: deque[str] = deque()
        self._ended = False
        self._woken = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._notifier: Any = None
        """The library's notifier; its types come with the extra."""
        threading.Thread(target=lambda: asyncio.run(self._serve()), name="budgauge-desktop", daemon=True).start()

    def send(self, text: str) -> None:
        """Show a safe text as soon as possible."""
        self._waiting.append(text.translate(_MARKUP))
        self._wake()

    def end(self) -> None:
        """End the thread as soon as possible, without waiting."""
        self._ended = True
        self._wake()

    def _wake(self) -> None:
        # The thread sets its loop before it first checks the queue.
        if self._loop is not None:
            with suppress(RuntimeError):  # it has ended
                self._loop.call_soon_threadsafe(self._woken.set)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        faults = _Faults()
        try:
            await self._try("", faults)
            while not self._ended:
                while self._waiting and not self._ended:
                    await self._try(self._waiting.popleft(), faults)
                await self._woken.wait()
                self._woken.clear()
        finally:
            faults.end()

    async def _try(self, text: str, faults: _Faults) -> None:
        """Show a text; an empty one only tests the connection."""
        try:
            await asyncio.wait_for(self._show(text, faults), self._answer_seconds)
        except ImportError:
            self._tell(MISSING)
        except asyncio.TimeoutError:
            self._fail(f"no answer within {self._answer_seconds:g} seconds")
        except Exception as error:  # whatever the bus does: the screen goes on
            self._fail(str(error) or type(error).__name__)
        else:
            self._tell("")

    async def _show(self, text: str, faults: _Faults) -> None:
        if self._notifier is None:
            from desktop_notifier import DesktopNotifier

            notifier = DesktopNotifier(app_name="budgauge")
            if not await notifier.get_capabilities():
                raise OSError("this system shows none to this program")
            if not await notifier.request_authorisation():
                raise OSError("this system does not allow them to this program")
            self._notifier = notifier
        if text:
            faults.take()
            await self._notifier.send(title="budgauge", message=text)
            if fault := faults.take():
                raise OSError(fault)

    def _fail(self, why: str) -> None:
        # A restarted desktop does not know the old connection.
        self._notifier = None
        self._tell(f"Desktop notifications do not work: {safe(why)}")

    def _tell(self, text: str) -> None:
        if text != self._reported and not self._ended:
            self._reported = text
            self._trouble(text)


class _Faults(logging.Handler):
    """A log handler for the library's failures: logged and not raised, and not to be drawn across the screen."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._latest = ""
        logging.getLogger("desktop_notifier").addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a failure."""
        cause = record.exc_info[1] if record.exc_info else None
        self._latest = str(cause or record.getMessage())

    def take(self) -> str:
        """Return the latest failure, once."""
        latest, self._latest = self._latest, ""
        return latest

    def end(self) -> None:
        """Remove the handler."""
        logging.getLogger("desktop_notifier").removeHandler(self)
