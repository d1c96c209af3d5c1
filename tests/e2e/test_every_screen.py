"""Every screen on a pseudo-terminal: with hostile text, without colours, in ASCII alone."""

from __future__ import annotations

import json
import re
import sys
import time
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest

from terminal import Terminal

BUDGAUGE = [sys.executable, "-m", "budgauge"]
Step = tuple[str, str]
"""Keys, and what they bring on the screen."""
SCREENS: dict[str, tuple[tuple[Step, ...], str]] = {
    # name: the steps to it, keys back
    "dashboard": ((("", "Quit"),), ""),
    "help": ((("?", "Reset all counters; asks first"),), "\x1b"),
    "reset": ((("r", "Set all counters"),), "n"),
    "logs": ((("l", "Nothing was collected"),), "\x1b"),
    "details": ((("\r", "limits"),), "\x1b"),
    "details, scrolled": ((("\r", "limits"), ("\x1b[F", r"\d{4}-\d\d-\d\d \d\d:")), "\x1b"),
    "reset of an agent": ((("jR", "this agent's counters"),), "n"),
    "filter": ((("/", "Filter by name"), ("x", r"(?m)^[ │|]*x\s*│?")), "\x1b"),
    "sorted": ((("s", "Sorted by"),), ""),
    "copied": ((("y", "Copied"),), ""),
    "over time": ((("o", "a minute, the last"),), "\x1b"),
    "palette": ((("\x10", "Search for commands"),), "\x1b"),
}
HOSTILE = (
    "\x1b]0;pwned\x07\x1b]52;c;cHduZWQ=\x07",
    "\x1b[2J\x1b[31m\x9b31m",
    "[red]x[/red][@click=app.quit]y[/] [/nope]",
    "a\tb\nc\rd\x00e\x7ff",
    "\u202eevil\u2066\u200b\u2028",
    "Z" + "\u0301" * 40,
    "漢字かな" * 8,
    "\ud800",
)


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    return tmp_path / "token_usage.jsonl"


def fill(ledger: Path, texts: Iterator[str] | tuple[str, ...]) -> None:
    """Two calls of each of two agents that are called so."""
    now = int(time.time())
    with ledger.open("wb") as file:
        for text in texts:
            for agent in (text, text + "/below"):
                name = agent.encode("utf-8", "surrogatepass")[:128].decode("utf-8", "replace")
                for second in (0, 60):
                    numbers = {
                        "prompt_tokens": 9,
                        "completion_tokens": 1,
                        "total_tokens": 10,
                        "timestamp": now - second,
                    }
                    names = {"agent_id": name, "model": name, "source": text, "project": text, "session": text}
                    file.write(json.dumps({**names, **numbers}).encode() + b"\n")
            file.write(b"{" + text.encode("utf-8", "surrogatepass") + b"\n")


def walk(terminal: Terminal) -> Iterator[str]:
    """Go to every screen and back; where one is."""
    terminal.wait_for("/ 1,000,000")
    for name, (steps, back) in SCREENS.items():
        for keys, shows in steps:
            terminal.send(keys)
            terminal.wait_for(lambda text, shows=shows: re.search(shows, text) is not None)  # type: ignore[misc]  # a default
        terminal.rest()
        yield name
        if back:
            terminal.send(back)
            # Where it lay over the dashboard, that was seen all the time: a key before it has gone would be its own.
            terminal.wait_for(
                lambda text, shows=shows: "Quit" in text.splitlines()[-1] and re.search(shows, text) is None  # type: ignore[misc]  # a default
            )


@pytest.mark.parametrize(("columns", "lines"), [pytest.param(60, 15, marks=pytest.mark.slow), (120, 40)])
def test_hostile_text_steers_no_terminal(ledger: Path, columns: int, lines: int) -> None:
    fill(ledger, HOSTILE)
    with Terminal([*BUDGAUGE, "--ledger", str(ledger)], columns=columns, lines=lines) as terminal:
        for name in walk(terminal):
            assert not terminal.process.closed, name
            for line in terminal.text.split("\n"):
                assert not [char for char in line if unicodedata.category(char) in ("Cc", "Cf", "Co", "Zl", "Zp")], name
        for payload in (b"\x1b]0;", b"\x1b]52", b"\x1b[31m", b"\xc2\x9b", b"\xe2\x80\xae", b"\x00"):
            # What y copies is a clipboard sequence of our own, of safe text alone.
            raw = re.sub(rb"\x1b\]52;c;[A-Za-z0-9+/=]*\x07", b"", terminal.raw)
            assert payload not in raw, payload
        terminal.send("q")
        assert terminal.wait_for_end() == 0


@pytest.mark.slow
@pytest.mark.parametrize("env", [{"TERM": "linux"}, {"LC_ALL": "ja_JP.eucJP"}], ids=["TERM", "LC_ALL"])
def test_a_poor_terminal_gets_nothing_but_ascii(ledger: Path, env: dict[str, str]) -> None:
    fill(ledger, ("coder", "漢字", "team/ü"))
    with Terminal([*BUDGAUGE, "--ledger", str(ledger)], columns=120, lines=40, env=env) as terminal:
        for name in walk(terminal):
            assert terminal.raw.isascii(), (name, re.findall(rb"[^\x00-\x7f]{1,8}", terminal.raw)[:5])


_COLOUR = re.compile(r"^(3[0-8]|4[0-8]|9[0-7]|10[0-7])$")


@pytest.mark.slow
def test_no_color_means_none(ledger: Path) -> None:
    fill(ledger, ("coder",))
    with Terminal([*BUDGAUGE, "--ledger", str(ledger)], columns=120, lines=40, env={"NO_COLOR": "1"}) as terminal:
        for name in walk(terminal):
            for sequence in re.findall(rb"\x1b\[([0-9;]*)m", terminal.raw):
                assert not any(_COLOUR.match(part) for part in sequence.decode().split(";")), (name, sequence)
        # The row under the cursor is told by being reversed.
        assert any(cell.reverse for row in terminal.screen.buffer.values() for cell in row.values())


def test_an_empty_no_color_is_none_set(ledger: Path) -> None:
    with Terminal([*BUDGAUGE, "--ledger", str(ledger)], env={"NO_COLOR": ""}) as terminal:
        terminal.wait_for("0 / 1,000,000")
        assert b"\x1b[38;2;" in terminal.raw or re.search(rb"[;\[]38;2;", terminal.raw)
