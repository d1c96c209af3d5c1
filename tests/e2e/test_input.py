"""Bytes that are not UTF-8, an input thread that dies, and an exported size."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from terminal import Terminal

DEMO = [sys.executable, "-m", "budgauge", "demo"]
DYING = """
import sys, textual.drivers.linux_driver as driver
from budgauge.__main__ import main
def dies(*_): raise RuntimeError("the input thread died")
driver.LinuxDriver.process_message = dies
sys.argv = ["budgauge", "demo"]
main()
"""
BAD = {
    "a mouse report in the oldest format": b"\x1b[M \xa1\xb0",
    "a Latin-1 key": b"\xe9 ",
    "GBK text": "预算".encode("gbk"),
    "a byte that is never UTF-8": b"\xff",
}


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    return {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path)}


@pytest.mark.parametrize("more", [[], ["--inline"]])
@pytest.mark.parametrize("data", BAD.values(), ids=BAD)
def test_a_byte_that_is_not_utf8_is_replaced(env: dict[str, str], data: bytes, more: list[str]) -> None:
    with Terminal([*DEMO, *more], env=env) as terminal:
        terminal.wait_for(lambda _: b"\x1b[?1006h" in terminal.raw, seconds=60)
        asked = terminal.raw.count(b"\x1b[?1006h")
        terminal.process.send(data)
        terminal.wait_for(lambda _: terminal.raw.count(b"\x1b[?1006h") > asked, seconds=60)
        terminal.send("q")
        assert terminal.wait_for_end(seconds=60) == 0
    assert b"Traceback" not in terminal.raw


def test_an_input_thread_that_dies_is_exit_code_1(env: dict[str, str]) -> None:
    with Terminal([sys.executable, "-c", DYING], env=env) as terminal:
        terminal.wait_for(lambda _: b"\x1b[?1049h" in terminal.raw, seconds=60)
        terminal.send("x")
        assert terminal.wait_for_end(seconds=60) == 1


def test_an_exported_size_does_not_freeze_the_screen(env: dict[str, str]) -> None:
    with Terminal(DEMO, columns=100, lines=30, env={**env, "COLUMNS": "61", "LINES": "16"}) as terminal:
        terminal.wait_for(lambda text: "Quit" in text.split("\n")[29], seconds=60)
        terminal.resize(120, 40)
        terminal.wait_for(lambda text: "Quit" in text.split("\n")[39], seconds=60)
        terminal.send("q")
        assert terminal.wait_for_end(seconds=60) == 0
