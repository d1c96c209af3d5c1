"""Every test has its own home, environment, working directory and time zone: the real ones are never touched."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from clock import Clock

settings.register_profile("small", max_examples=100, derandomize=True, deadline=None, database=None)
settings.register_profile("full", max_examples=5000, deadline=None)
settings.load_profile("small")  # `pytest --hypothesis-profile full` takes the other

_FOREIGN = ("CODEX_", "CLAUDE_", "XDG_", "TEXTUAL")
_FOREIGN_NAMES = ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES")


@pytest.fixture(autouse=True)
def own_place(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty home with an empty working directory in it, and nothing of ours in the environment; the home."""
    home = tmp_path_factory.mktemp("home")
    for name in list(os.environ):
        if name.startswith(_FOREIGN) or name in _FOREIGN_NAMES:
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(home / "run"))
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    (home / "work").mkdir()
    monkeypatch.chdir(home / "work")
    yield home
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def clock() -> Clock:
    """A clock that stands at 1 January 2026, 00:00 UTC."""
    return Clock(1_767_225_600)


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    """A path where no ledger is yet."""
    return tmp_path / "token_usage.jsonl"
