"""The monitor as it is used: on a terminal, while other processes write the ledger."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from terminal import Terminal

BUDGAUGE = [sys.executable, "-m", "budgauge"]


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    return tmp_path / "token_usage.jsonl"


def record(ledger: Path, agent: str, prompt: int) -> None:
    """Another process records a call."""
    call = ["--agent", agent, "--model", "gpt-4", "--prompt", str(prompt), "--completion", "0"]
    subprocess.run([*BUDGAUGE, "record", "--ledger", ledger, *call], check=True, stdout=subprocess.DEVNULL)


def append(ledger: Path, agent: str, prompt: int) -> None:
    """A program that knows nothing of budgauge appends a line, as README tells."""
    line = (
        f'\n{{"agent_id":"{agent}","model":"gpt-4","prompt_tokens":{prompt},"completion_tokens":0,'
        f'"total_tokens":{prompt},"timestamp":{int(time.time())}}}\n'
    )
    with ledger.open("ab", buffering=0) as file:
        file.write(line.encode())


def test_what_other_processes_write_is_on_the_screen(ledger: Path) -> None:
    with Terminal([*BUDGAUGE, "--ledger", str(ledger)]) as terminal:
        terminal.wait_for("0 / 1,000,000")
        record(ledger, "planner", 12_345)
        terminal.wait_for("12,345 / 1,000,000")
        terminal.wait_for("planner")
        append(ledger, "coder", 800_000)
        terminal.wait_for("812,345 / 1,000,000")
        terminal.wait_for("81.2%")
        terminal.wait_for("Token budget warning: 81.2% used (812345 / 1000000)")
        terminal.send("q")
        assert terminal.wait_for_end() == 0


def test_reset_asks_and_undo_brings_back(ledger: Path) -> None:
    append(ledger, "coder", 5_000)
    with Terminal([*BUDGAUGE, "--ledger", str(ledger)]) as terminal:
        terminal.wait_for("5,000 / 1,000,000")
        terminal.send("r")
        terminal.wait_for("Reset")
        terminal.send("n")
        terminal.wait_for(lambda text: "5,000 / 1,000,000" in text)
        terminal.send("r")
        terminal.wait_for("Reset")
        terminal.send("y")
        terminal.wait_for(lambda text: "0 / 1,000,000" in text and "5,000 / 1,000,000" not in text)
        terminal.send("u")
        terminal.wait_for("5,000 / 1,000,000")


def test_config_changes_are_taken_over_and_a_bad_one_keeps_the_last(ledger: Path, tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text("[token_budget]\ntotal_budget = 500\n", encoding="utf-8")
    with Terminal([*BUDGAUGE, "--ledger", str(ledger), "--config", str(config)]) as terminal:
        terminal.wait_for("0 / 500")
        config.write_text("[token_budget]\ntotal_budget = 7000\n", encoding="utf-8")
        assert terminal.wait_for("0 / 7,000") < 2.5
        config.write_text("[token_budget]\ntotal_budget = 'lots'\n", encoding="utf-8")
        terminal.wait_for("config.toml")
        terminal.wait_for("0 / 7,000")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_signals_leave_the_terminal_as_it_was(ledger: Path, number: signal.Signals) -> None:
    with Terminal([*BUDGAUGE, "--ledger", str(ledger)]) as terminal:
        terminal.wait_for("0 / 1,000,000")
        os.kill(terminal.process.pid, number)
        terminal.wait_for_end()
        left_alternate_screen = terminal.raw.rfind(b"\x1b[?1049l")
        assert left_alternate_screen > terminal.raw.rfind(b"\x1b[?1049h")
        assert terminal.raw.rfind(b"\x1b[?25h") > terminal.raw.rfind(b"\x1b[?25l")
        assert terminal.raw.rfind(b"\x1b[?1003l") > terminal.raw.rfind(b"\x1b[?1003h")


def test_the_demo_moves_and_touches_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    home.mkdir()
    with Terminal([*BUDGAUGE, "demo"], env={"HOME": str(home), "TMPDIR": str(tmp_path)}, cwd=str(home)) as terminal:
        terminal.wait_for("/ 2,000,000")
        seen = terminal.text
        terminal.wait_for(lambda text: "codex" in text and text != seen)
        terminal.send("q")
        assert terminal.wait_for_end() == 0
    assert list(home.iterdir()) == []
    assert not list(tmp_path.glob("budgauge-demo-*"))
