"""The end that always comes, however stuck the program is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from budgauge.cli.ending import Ending
from terminal import Terminal

STUCK = """
import os, pathlib, sys, threading
from budgauge.cli.ending import Ending
with Ending(0.1) as ending:
    ending.leave = lambda code: None
    ending.last = lambda: pathlib.Path(sys.argv[1]).touch()
    os.write(1, b"\\x1b[?1049h\\x1b[?25lstuck")
    threading.Event().wait()
"""
NUMBERS = [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGABRT]


@pytest.mark.parametrize("number", NUMBERS)
def test_what_is_stuck_is_ended_and_the_terminal_restored(tmp_path: Path, number: signal.Signals) -> None:
    with Terminal([sys.executable, "-c", STUCK, str(tmp_path / "last")]) as terminal:
        terminal.wait_for("stuck")
        os.kill(terminal.process.pid, number)
        assert terminal.wait_for_end() == 128 + number
        assert terminal.raw.rfind(b"\x1b[?1049l") > terminal.raw.rfind(b"\x1b[?1049h")
        assert terminal.raw.rfind(b"\x1b[?25h") > terminal.raw.rfind(b"\x1b[?25l")
    assert (tmp_path / "last").exists()


def test_it_ends_though_its_terminal_reads_no_more(tmp_path: Path) -> None:
    full = STUCK.replace("threading.Event().wait()", "[os.write(1, bytes(4096)) for _ in iter(int, 1)]")
    with Terminal([sys.executable, "-c", full, str(tmp_path / "last")]) as terminal:
        terminal.wait_for("stuck")
        os.kill(terminal.process.pid, signal.SIGTERM)
        terminal.process.wait()
        assert terminal.process.exitstatus == 128 + signal.SIGTERM


@pytest.mark.parametrize("number", NUMBERS)
def test_without_anyone_to_ask_it_ends_where_it_is(tmp_path: Path, number: signal.Signals) -> None:
    before = [signal.getsignal(each) for each in NUMBERS]
    with Ending():
        pass
    assert [signal.getsignal(each) for each in NUMBERS] == before
    code = (
        "import os, sys\nfrom budgauge.cli.ending import Ending\n"
        f"with Ending():\n    try: os.kill(os.getpid(), {int(number)})\n    finally: print('cleaned up')\n"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (shown.returncode, shown.stdout, shown.stderr) == (128 + number, "cleaned up\n", "")
