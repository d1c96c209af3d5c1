"""The monitor in five lines, in a shell on a pseudo-terminal."""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from terminal import Terminal
from usage import line

BUDGAUGE = f"{sys.executable} -m budgauge"


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    return tmp_path / "token_usage.jsonl"


def append(ledger: Path, agent: str, prompt: int) -> None:
    with ledger.open("ab") as file:
        file.write(line(agent, prompt, 0, timestamp=int(time.time())))


@pytest.fixture
def shell() -> Iterator[Terminal]:
    with Terminal(["bash", "--norc", "--noprofile", "-i"], columns=100, lines=30, env={"PS1": "$ "}) as terminal:
        terminal.wait_for("$")
        terminal.send("printf 'before-%s\\n' 1 2 3; clear -x 2>/dev/null; true\r")
        terminal.send("echo before-4\r")
        terminal.wait_for("\nbefore-4")
        yield terminal


def start(shell: Terminal, ledger: Path, shown: str = "q Quit", *, more: str = "") -> None:
    shell.send(f"{BUDGAUGE} --inline --ledger {ledger}{more}\r")
    shell.wait_for("/ 1,000,000")
    shell.wait_for(shown)


def own_lines(shell: Terminal) -> list[str]:
    """The five lines."""
    lines = shell.text.splitlines()
    first = next(place for place, text in enumerate(lines) if "/ 1,000,000" in text)
    return lines[first : first + 5]


def test_five_lines_below_what_was_there(shell: Terminal, ledger: Path) -> None:
    append(ledger, "coder", 600_000)
    append(ledger, "docs", 12_000)
    start(shell, ledger)
    total, bar, agents, cost, keys = own_lines(shell)
    assert total.startswith("612,000 / 1,000,000  ● 61.2%")
    assert re.fullmatch(r"[█▏▎▍▌▋▊▉]+ +│ *", bar + " ")
    assert "coder 600,000" in agents
    assert "docs 12,000" in agents
    assert "/ min" in cost
    assert keys.startswith(" q Quit")
    assert "before-4" in shell.text
    for number in range(30):
        append(ledger, "coder", 1 + number)
    shell.wait_for("612,465 / 1,000,000")
    assert shell.text.count("/ 1,000,000") == 1
    assert "before-4" in shell.text
    assert b"\x1b[?1049h" not in shell.raw
    assert b"\x1b[2J" not in shell.raw.split(b"budgauge --inline")[-1]


def test_a_warning_takes_the_place_of_the_keys(shell: Terminal, ledger: Path) -> None:
    append(ledger, "coder", 600_000)
    start(shell, ledger)
    append(ledger, "coder", 212_000)
    shell.wait_for("Token budget warning: 81.2% used (812000 / 1000000)")
    assert "Quit" not in own_lines(shell)[4]


@pytest.mark.parametrize(("answer", "left"), [("n", "600,000 /"), ("\x1b", "600,000 /"), ("y", "0 / 1,000,000")])
def test_a_reset_is_asked_in_one_line(shell: Terminal, ledger: Path, answer: str, left: str) -> None:
    append(ledger, "coder", 600_000)
    start(shell, ledger)
    shell.send("r")
    shell.wait_for("Reset 600,000 tokens of 1 agent?  y yes, n no")
    shell.send(answer)
    shell.wait_for(lambda text: "y yes" not in text)
    shell.wait_for(left)
    if answer == "y":
        shell.wait_for("Reset 600,000 tokens. u undoes it.")
        shell.send("u")
        shell.wait_for("600,000 / 1,000,000")


@pytest.mark.parametrize("end", ["q", "\x03", "SIGTERM", "SIGHUP"])
def test_its_last_state_stays_and_the_terminal_is_as_before(shell: Terminal, ledger: Path, end: str) -> None:
    append(ledger, "coder", 612_000)
    start(shell, ledger, more=" & echo $!; fg" if end.startswith("SIG") else "")
    if end.startswith("SIG"):
        (pid,) = re.findall(r"(?m)^(?:\[1\] )?(\d{2,})\s*$", shell.text)[-1:]
        os.kill(int(pid), signal.Signals[end])
    else:
        shell.send(end)
    shell.wait_for(lambda text: text.rstrip().splitlines()[-1].startswith("$"))
    shell.send("echo after-$((1+1))\r")
    shell.wait_for("\nafter-2")
    text = shell.text
    assert text.index("before-4") < text.index("612,000 / 1,000,000") < text.index("\nafter-2")
    assert text.count("612,000 / 1,000,000") == 1
    for off, on in ((b"?25h", b"?25l"), (b"?1003l", b"?1003h"), (b"?2004l", b"?2004h")):
        mine = shell.raw[: shell.raw.rfind(b"after-2")]
        assert mine.rfind(b"\x1b[" + off) >= mine.rfind(b"\x1b[" + on) or off == b"?2004l"
    assert b"Traceback" not in shell.raw


def test_other_sizes(shell: Terminal, ledger: Path) -> None:
    append(ledger, "coder", 612_000)
    start(shell, ledger)
    for columns, lines in ((60, 24), (20, 10), (100, 3), (1, 1), (120, 30), (100, 24)):
        shell.process.setwinsize(lines, columns)
        for _ in range(3):
            assert shell.pump(0.1)
    shell.screen.reset()
    append(ledger, "coder", 1)
    shell.send("p")
    shell.send("p")
    shell.process.setwinsize(24, 99)
    shell.wait_for("612,001 / 1,000,000")
    shell.send("q")
    shell.wait_for(lambda text: text.rstrip().splitlines()[-1].startswith("$"))
    assert b"Traceback" not in shell.raw


@pytest.mark.parametrize("key", ["?", "\r", "o", "/", "s", "l", "\x10", "R", "y"])
def test_a_key_that_needs_a_screen_says_so(shell: Terminal, ledger: Path, key: str) -> None:
    append(ledger, "coder", 612_000)
    start(shell, ledger)
    shell.send(key)
    shell.wait_for("That takes the whole screen: start budgauge without --inline.")
    assert own_lines(shell)[4].startswith(" ›")
    append(ledger, "coder", 1)
    shell.wait_for("612,001 / 1,000,000")


def test_hostile_names_are_shown_safely(shell: Terminal, ledger: Path) -> None:
    append(ledger, "\x1b]0;pwned\x07[red]x[/] \u202e", 612_000)
    # That a name holds what nobody sees takes the place of the keys.
    start(shell, ledger, "invisible characters")
    assert b"\x1b]0;pwned" not in shell.raw
    assert "[red]x[/]" in own_lines(shell)[2]


def test_it_belongs_to_the_monitor(ledger: Path) -> None:
    with Terminal([sys.executable, "-m", "budgauge", "--inline", "status"]) as terminal:
        assert terminal.wait_for_end() == 2
        assert "--inline belongs to the monitor" in terminal.text


def test_the_demo_has_it_too() -> None:
    with Terminal([sys.executable, "-m", "budgauge", "demo", "--inline"], columns=100) as terminal:
        terminal.wait_for("/ 2,000,000")
        terminal.send("q")
        assert terminal.wait_for_end() == 0
        assert "That was a simulation" in terminal.text


@pytest.mark.parametrize("stop", [None, signal.SIGTSTP], ids=["ctrl+z", "SIGTSTP"])
def test_suspended_it_stays_and_resumed_it_goes_on_below(
    shell: Terminal, ledger: Path, stop: signal.Signals | None
) -> None:
    append(ledger, "coder", 612_000)
    start(shell, ledger, more=" & echo $!; fg" if stop else "")
    if stop:
        (pid,) = re.findall(r"(?m)^(?:\[1\] )?(\d{2,})\s*$", shell.text)[-1:]
        os.kill(int(pid), stop)
    else:
        shell.send("\x1a")
    shell.wait_for("Stopped")
    begin = shell.raw.find(b"budgauge --inline")
    for off, on in ((b"?25h", b"?25l"), (b"?1003l", b"?1003h"), (b"?1004l", b"?1004h")):
        assert shell.raw.rfind(b"\x1b[" + off, begin) > shell.raw.rfind(b"\x1b[" + on, begin)
    shell.send("echo between-$((1+1))\r")
    shell.wait_for("\nbetween-2")
    append(ledger, "coder", 1)
    shell.send("fg\r")
    shell.wait_for("612,001 / 1,000,000")
    text = shell.text
    places = [text.index(part) for part in ("before-4", "612,000 /", "Stopped", "\nbetween-2", "612,001 /")]
    assert places == sorted(places)
    shell.send("q")
    shell.wait_for(lambda text: text.rstrip().splitlines()[-1].startswith("$"))
    assert shell.text.count("612,001 / 1,000,000") == 1
    assert b"\x1b[?1049h" not in shell.raw
    assert b"Traceback" not in shell.raw


def test_in_the_background_it_leaves_the_terminal_alone(shell: Terminal, ledger: Path) -> None:
    append(ledger, "coder", 612_000)
    start(shell, ledger)
    shell.send("\x1a")
    shell.wait_for("Stopped")
    shell.settle(0.3)
    before = len(shell.raw)
    shell.send("bg\r")
    shell.wait_for(lambda _: b"&" in shell.raw[before:])
    shell.settle(0.5)
    assert b"\x1b[?1003h" not in shell.raw[before:]
    assert b"\x1b[?25l" not in shell.raw[before:]
    shell.send("fg\r")
    shell.wait_for(lambda _: b"\x1b[?25l" in shell.raw[before:])
    shell.wait_for(lambda text: text.rstrip().splitlines()[-1].startswith(" q Quit"))
    shell.send("q")
    shell.wait_for(lambda text: text.rstrip().splitlines()[-1].startswith("$"))
