"""`budgauge reset` on a terminal: what each answer does."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from budgauge.ledger.reader import LedgerReader
from terminal import Terminal
from usage import line


def answered(ledger: Path, keys: str, *more: str) -> tuple[int, str]:
    """Exit code and screen after answering the question."""
    command = [sys.executable, "-m", "budgauge", "reset", "--ledger", str(ledger), *more]
    with Terminal(command) as terminal:
        terminal.wait_for("[y/N]:")
        # A signal between the question and the reading of its answer is only seen at the next key.
        terminal.pump(0.2)
        terminal.send(keys)
        return terminal.wait_for_end(), terminal.text


@pytest.mark.parametrize("keys", ["n\r", "\r", "\x03", "\x04"], ids=["n", "Enter", "Ctrl-C", "end"])
def test_anything_but_yes_resets_nothing(ledger: Path, keys: str) -> None:
    ledger.write_bytes(line())
    code, screen = answered(ledger, keys)
    assert code == 1
    assert "nothing was reset" in screen
    assert ledger.read_bytes() == line()


def test_yes_resets_and_says_how_to_take_it_back(ledger: Path) -> None:
    ledger.write_bytes(line("a") + line("b"))
    code, screen = answered(ledger, "y\r", "--agent", "a")
    assert code == 0
    assert "reset agent a" in screen
    assert "--ledger" in screen
    assert "reset --undo" in screen
    reader = LedgerReader(ledger)
    reader.refresh()
    assert set(reader.totals.at(0).spent) == {"b"}
