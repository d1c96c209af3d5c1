"""The monitor as it is used: on a terminal, while other processes write the ledger."""

from __future__ import annotations

import fcntl
import os
import random
import re
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
    """A program that knows nothing of budgauge appends a line, as the documentation says."""
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
        terminal.wait_for("Set all counters")
        terminal.send("n")
        terminal.wait_for(lambda text: "Set all counters" not in text and "5,000 / 1,000,000" in text)
        terminal.send("r")
        terminal.wait_for("Set all counters")
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
        terminal.wait_for("0 / 7,000")
        config.write_text("[token_budget]\ntotal_budget = 'lots'\n", encoding="utf-8")
        terminal.wait_for("config.toml")
        terminal.wait_for("0 / 7,000")


def assert_restored(terminal: Terminal) -> None:
    """The last word on each mode is the one that the terminal began with."""
    for off, on in ((b"?1049l", b"?1049h"), (b"?25h", b"?25l"), (b"?1003l", b"?1003h")):
        assert terminal.raw.rfind(b"\x1b[" + off) >= terminal.raw.rfind(b"\x1b[" + on)
    assert b"Traceback" not in terminal.raw


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_signals_leave_the_terminal_as_it_was(ledger: Path, number: signal.Signals) -> None:
    with Terminal([*BUDGAUGE, "--ledger", str(ledger)]) as terminal:
        terminal.wait_for("0 / 1,000,000")
        os.kill(terminal.process.pid, number)
        assert terminal.wait_for_end() == 128 + number
        assert_restored(terminal)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("more", [(), ("demo",)], ids=["monitor", "demo"])
def test_a_signal_at_the_first_byte_leaves_everything_as_it_was(
    tmp_path: Path, more: tuple[str, ...], number: signal.Signals
) -> None:
    with Terminal([*BUDGAUGE, *more], env={"TMPDIR": str(tmp_path)}) as terminal:
        while b"\x1b[?1049h" not in terminal.raw:
            assert terminal.pump(1)
        os.kill(terminal.process.pid, number)
        assert terminal.wait_for_end() == 128 + number
        assert_restored(terminal)
    assert not list(tmp_path.glob("budgauge-demo-*"))


def test_suspended_and_resumed_it_is_all_there_again(ledger: Path) -> None:
    with Terminal([*BUDGAUGE, "--ledger", str(ledger)]) as terminal:
        terminal.wait_for("0 / 1,000,000")
        terminal.send("\x1a")
        while os.waitid(os.P_PID, terminal.process.pid, os.WSTOPPED | os.WNOHANG) is None:
            assert terminal.pump(0.05)
        while b"\x1b[?1049l" not in terminal.raw:
            assert terminal.pump(1)
        assert_restored(terminal)
        terminal.screen.reset()
        os.kill(terminal.process.pid, signal.SIGCONT)
        terminal.wait_for("0 / 1,000,000")
        terminal.wait_for("Quit")
        terminal.send("q")
        assert terminal.wait_for_end() == 0


TITLE = b"\x1b]2;budgauge: 1.2% used, ok\x07"
KEPT, BROUGHT_BACK = b"\x1b[22;2t", b"\x1b]2;\x07\x1b[23;2t"


@pytest.fixture
def titled(tmp_path: Path, ledger: Path) -> list[str]:
    """The monitor with a title, on a ledger that holds a call."""
    config = tmp_path / "config.toml"
    config.write_text("[token_budget.notify]\ntitle = true\n", encoding="utf-8")
    append(ledger, "coder", 12_000)
    return [*BUDGAUGE, "--ledger", str(ledger), "--config", str(config)]


def wait_for_title(terminal: Terminal) -> None:
    terminal.wait_for("12,000 / 1,000,000")
    while TITLE not in terminal.raw:
        assert terminal.pump(1)


def assert_title_given_back(terminal: Terminal) -> None:
    assert terminal.raw.rfind(BROUGHT_BACK) > terminal.raw.rfind(TITLE)
    assert terminal.raw.count(BROUGHT_BACK) == terminal.raw.count(KEPT)


@pytest.mark.parametrize("end", ["q", "\x03", "SIGTERM"])
def test_the_title_is_given_back_however_it_ends(titled: list[str], end: str) -> None:
    with Terminal(titled) as terminal:
        wait_for_title(terminal)
        if end == "SIGTERM":
            os.kill(terminal.process.pid, signal.SIGTERM)
        else:
            terminal.send(end)
        terminal.wait_for_end()
        assert_title_given_back(terminal)
        assert_restored(terminal)


CRASHING = """
import sys
from budgauge.monitor.app import MonitorApp
{how}
from budgauge.__main__ import main
main()
"""
CRASHES = {
    "a failure that no one foresaw": "MonitorApp.action_help = lambda self: 1 / 0",
    "stuck for good": "MonitorApp.action_help = lambda self: [0 for _ in iter(int, 1)]",
}


@pytest.mark.parametrize("how", CRASHES.values(), ids=CRASHES)
def test_the_title_is_given_back_though_it_fails(titled: list[str], how: str) -> None:
    with Terminal([sys.executable, "-c", CRASHING.format(how=how), *titled[len(BUDGAUGE) :]]) as terminal:
        wait_for_title(terminal)
        terminal.send("?")
        if "iter" in how:
            os.kill(terminal.process.pid, signal.SIGTERM)
        assert terminal.wait_for_end() != 0
        assert_title_given_back(terminal)


def test_other_programs_see_their_own_title_while_it_is_suspended(titled: list[str]) -> None:
    with Terminal(titled) as terminal:
        wait_for_title(terminal)
        terminal.send("\x1a")
        while os.waitid(os.P_PID, terminal.process.pid, os.WSTOPPED | os.WNOHANG) is None:
            assert terminal.pump(0.05)
        while b"\x1b[?1049l" not in terminal.raw:
            assert terminal.pump(1)
        assert_title_given_back(terminal)
        os.kill(terminal.process.pid, signal.SIGCONT)
        while terminal.raw.count(TITLE) < 2:
            assert terminal.pump(1)
        terminal.send("q")
        assert terminal.wait_for_end() == 0
        assert_title_given_back(terminal)


def bells(terminal: Terminal) -> int:
    """How often it rang; a bell also ends a command to the terminal."""
    return re.sub(rb"\x1b\][^\x07]*\x07", b"", terminal.raw).count(b"\x07")


def test_the_bell_rings_on_the_terminal_once_for_a_crossing(ledger: Path, tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text("[token_budget.notify]\nbell = true\n", encoding="utf-8")
    append(ledger, "coder", 12_000)
    with Terminal([*BUDGAUGE, "--ledger", str(ledger), "--config", str(config)]) as terminal:
        terminal.wait_for("12,000 / 1,000,000")
        assert bells(terminal) == 0
        append(ledger, "coder", 800_000)
        terminal.wait_for("Token budget warning: 81.2% used (812000 / 1000000)")
        append(ledger, "coder", 1_000)
        terminal.wait_for("813,000 / 1,000,000")
        terminal.send("q")
        assert terminal.wait_for_end() == 0
        assert bells(terminal) == 1
        assert b"\x1b]2;" not in terminal.raw


@pytest.mark.slow
def test_it_outlives_a_storm_of_sizes(ledger: Path) -> None:
    append(ledger, "coder", 12_000)
    chance = random.Random(5)
    with Terminal([*BUDGAUGE, "--ledger", str(ledger)]) as terminal:
        terminal.wait_for("12,000 / 1,000,000")
        for number in range(150):
            sizes = [(1, 1), (0, 0), (500, 200), (2, 40), (40, 10), (39, 9)]
            columns, lines = chance.choice([*sizes, (chance.randint(1, 300), chance.randint(1, 100))])
            terminal.process.setwinsize(lines, columns)
            if number % 10 == 0:
                append(ledger, "coder", 1)
                terminal.send(chance.choice(["s", "\r", "\x1b", "?", "\x1b", "t"]))
            assert terminal.pump(0.005)
        terminal.resize(80, 24)
        for _ in range(3):
            # Two at once, or one with a key right behind it, are other keys.
            terminal.send("\x1b")
            terminal.settle(0.3)
        terminal.wait_for("12,015 / 1,000,000")
        terminal.wait_for("Quit")
        terminal.send("q")
        assert terminal.wait_for_end() == 0
        assert_restored(terminal)


def test_it_ends_when_its_terminal_is_closed(ledger: Path) -> None:
    with Terminal([*BUDGAUGE, "--ledger", str(ledger)]) as terminal:
        terminal.wait_for("0 / 1,000,000")
        with open(os.devnull, "rb") as nothing:
            os.dup2(nothing.fileno(), terminal.process.child_fd)
        terminal.process.wait()
        assert terminal.process.exitstatus == 128 + signal.SIGHUP


PATIENT = """
from budgauge.ledger.ledger import Ledger
Ledger.__init__.__kwdefaults__["timeout"] = 3600.0
from budgauge.__main__ import main
main()
"""
"""The monitor, but a lock is waited for longer than any test."""


def test_q_ends_it_though_a_reset_waits_for_the_lock(ledger: Path) -> None:
    append(ledger, "coder", 5_000)
    command = [sys.executable, "-c", PATIENT, "--ledger", str(ledger)]
    with ledger.open("r+b") as file, Terminal(command) as terminal:
        fcntl.flock(file, fcntl.LOCK_EX)
        terminal.wait_for("5,000 / 1,000,000")
        terminal.send("r")
        terminal.wait_for("Set all counters")
        terminal.send("y")
        terminal.wait_for("Waiting for the ledger's lock")
        terminal.send("q")
        assert terminal.wait_for_end(seconds=60) == 0


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
