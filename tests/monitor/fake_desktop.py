"""The extra for desktop notifications, without a desktop behind it."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
from types import ModuleType

import pytest


class FakeDesktop:
    """Stands for the library until the test ends; its fields say what the desktop behind it does."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.made = 0
        self.sent: list[tuple[str, str]] = []
        self.capabilities = frozenset({"title"})
        self.is_allowed = True
        self.connecting: Exception | None = None
        self.sending: Exception | None = None
        """What sending fails of, which the library logs."""
        self.is_silent = False
        """Does it never answer?"""
        self.blocks = threading.Event()
        """Until it is set, asking it blocks its whole thread."""
        self.blocks.set()
        module = ModuleType("desktop_notifier")
        module.DesktopNotifier = self._make  # type: ignore[attr-defined]  # a module of our own
        monkeypatch.setitem(sys.modules, "desktop_notifier", module)

    def _make(self, app_name: str) -> FakeDesktop:
        self.made += 1
        return self

    async def get_capabilities(self) -> frozenset[str]:
        assert self.blocks.wait(10)
        if self.is_silent:
            await asyncio.Event().wait()
        if self.connecting:
            raise self.connecting
        return self.capabilities

    async def request_authorisation(self) -> bool:
        return self.is_allowed

    async def send(self, title: str, message: str) -> str:
        if self.sending:
            logging.getLogger("desktop_notifier.base").warning("Notification failed", exc_info=self.sending)
        else:
            self.sent.append((title, message))
        return "1"
