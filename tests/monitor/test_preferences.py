"""What a person chose: whatever stands in the file's place, reading it ends."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from budgauge.monitor.preferences import Choices, Preferences


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no FIFOs")
def test_a_fifo_is_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "preferences.json"
    os.mkfifo(path)
    preferences = Preferences(path)
    assert preferences.choices == Choices()
    assert "not a regular file" in (preferences.notice or "")


def test_a_folder_is_told(tmp_path: Path) -> None:
    assert "cannot be read" in (Preferences(tmp_path).notice or "")
