"""Everything that README tells to paste is run, and what it shows is what comes out."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from unittest.mock import Mock

import msgspec
import pytest
from anthropic.types import Message
from textual.binding import Binding

from budgauge.config import BudgetConfig, Notify
from budgauge.config.load import load
from budgauge.monitor.app import MonitorApp
from budgauge.rpc.codes import (
    NO_LEDGER,
    NO_RESERVATION,
    NOT_ALLOWED,
    OTHER_CONTENT,
    OVER_BUDGET,
    OVER_LIMIT,
    RESET_BETWEEN,
    TOO_LONG,
)
from budgauge.server.events import TOPICS
from budgauge.server.methods import TokenMethods
from budgauge.tracker import sdk as recording
from served import Served

README = Path(__file__).parents[1] / "README.md"
TEXT, _, JAPANESE = README.read_text(encoding="utf-8").partition("\n## 日本語\n")


def blocks(language: str, text: str = TEXT) -> list[str]:
    return re.findall(rf"^ *```{language}\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A newcomer's home that has Codex's folder, and nothing else."""
    (tmp_path / ".codex").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("CODEX_HOME", "CODEX_TOKEN_LEDGER", "CODEX_TOKEN_BUDGET", "CODEX_TOKEN_WARNING_THRESHOLD"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(command: str, home: Path) -> str:
    """What a shell shows of a command, with the home folder as README writes it."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", command],
        env={**os.environ, "PATH": path},
        cwd=home,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    code = f"[exit code {done.returncode}]\n" if done.returncode else ""
    return done.stdout.replace(str(home), "/home/you") + code


def test_every_console_block_shows_what_its_commands_print(home: Path) -> None:
    steps = re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", "".join(blocks("console")), re.MULTILINE)
    assert len(steps) >= 4
    for command, shown in steps:
        assert run(command, home) == shown, command


class Calling:
    """Stands in for a client of Anthropic's SDK; each answer is one that took 2,300 tokens."""

    def __init__(self) -> None:
        self.messages = self
        self._number = 0

    def create(self, **_: object) -> Message:
        self._number += 1
        usage = {"input_tokens": 500, "cache_read_input_tokens": 1000, "output_tokens": 800}
        message = {"id": f"msg_{self._number}", "type": "message", "role": "assistant", "content": []}
        return Message.model_validate({**message, "model": "claude-sonnet-4-5", "usage": usage})


def test_the_python_examples_print_what_is_shown(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number, (source, shown) in enumerate(zip(blocks("python"), blocks("text"), strict=True)):
        monkeypatch.setattr(recording, "_own", None)
        ledger = home / f"{number}.jsonl"
        monkeypatch.setenv("CODEX_TOKEN_LEDGER", str(ledger))
        served = Served(ledger) if ".connect" in source else None
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            exec(compile(source, "README.md", "exec"), {"client": Calling()})
        if served is not None:
            served.end()
        assert out.getvalue() == shown


def test_the_typescript_example_runs(home: Path, tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("there is no Node on this machine")
    (source,) = blocks("ts")
    # Older Nodes know no types; those of the example can be left out.
    plain = re.sub(r": (?:string|object|any|Promise<any>)(?=[,)]| \{)", "", source)
    script = tmp_path / "example.mjs"
    script.write_text(plain)
    served = Served(tmp_path / "l.jsonl")
    try:
        done = subprocess.run([node, script, served.path], capture_output=True, text=True, timeout=30, check=False)
    finally:
        served.end()
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert lines[0] == "tokens.updated 0"
    assert "2300 997700" in lines
    assert "1002 Total budget of 1000000 tokens would be exceeded (current: 2300, requested: 2000000)" in lines


def test_the_tables_of_the_server_name_everything(home: Path) -> None:
    section = TEXT.partition("the RPC server\n")[2].partition("## Commands")[0]
    named = set(re.findall(r"`([a-z]+\.?[a-zA-Z]*)`", section))
    assert {*TOPICS, "resync", "auth", "subscribe", "unsubscribe"} <= named
    assert set(re.findall(r"`(tokens\.[a-zA-Z]+)`", section)) == {
        *(name for name in TokenMethods.table(Mock()) if "." in name),
        "tokens.updated",
    }
    codes = (OVER_LIMIT, OVER_BUDGET, RESET_BETWEEN, NO_RESERVATION, OTHER_CONTENT, NO_LEDGER, NOT_ALLOWED, TOO_LONG)
    assert {int(code) for code in re.findall(r"^\| (\d{4}) \|", section, re.MULTILINE)} == set(codes)
    (call,) = blocks("json", section)
    assert msgspec.json.decode(call)["method"] == "tokens.reserve"


def test_the_unit_is_one_that_systemd_takes(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    (unit,) = blocks("ini")
    assert "budgauge serve" in unit
    if analyze is None:
        pytest.skip("there is no systemd on this machine")
    file = tmp_path / "budgauge.service"
    file.write_text(unit.replace("%h/.local/bin/budgauge", "/bin/true"))
    done = subprocess.run([analyze, "verify", file], capture_output=True, text=True, check=False)
    assert str(file) not in done.stderr
    assert "budgauge" not in done.stderr


def test_the_config_examples_are_in_force_without_a_warning(home: Path) -> None:
    (home / ".codex" / "config.toml").write_text("\n".join(blocks("toml")), encoding="utf-8")
    loaded = load()
    assert loaded.warnings == ()
    assert loaded.config.total_budget == 5_000_000
    assert loaded.config.per_agent_limits == {"codex/*": 3_000_000}
    assert loaded.config.notify == Notify(desktop=True, bell=True, title=True)


def test_the_config_examples_in_japanese_say_the_same(home: Path) -> None:
    (home / ".codex" / "config.toml").write_text("\n".join(blocks("toml", JAPANESE)), encoding="utf-8")
    loaded = load()
    assert loaded.warnings == ()
    assert loaded.config.language == "ja"
    assert loaded.config.per_agent_limits == {"codex/*": 3_000_000}
    assert loaded.config.notify == Notify(desktop=True, bell=True, title=True)
    assert blocks("sh", JAPANESE) == blocks("sh")[:1]


def test_every_key_is_told(home: Path) -> None:
    keys = TEXT.partition("## Keys")[2].partition("## Where")[0]
    for binding in MonitorApp.BINDINGS:
        assert isinstance(binding, Binding)
        shown = {"question_mark": "?", "slash": "/", "enter": "Enter"}.get(binding.key, binding.key)
        assert shown == "ctrl+z" or f"`{shown}`" in keys or f"| {shown} |" in keys, shown


def test_the_config_table_states_the_defaults() -> None:
    default = BudgetConfig()
    table = TEXT.partition("## Configuration")[2].partition("## Keys")[0]
    rows = re.findall(r"^\| (`[\w.]+`(?:, `[\w.]+`)*) \| (`\"\w+\"`|\w+) \|", table, re.MULTILINE)
    stated = {key: value for keys, value in rows for key in re.findall(r"[\w.]+", keys)}
    assert stated == {
        "total_budget": str(default.total_budget),
        "warning_threshold": str(default.warning_threshold),
        "count": f'`"{default.count}"`',
        "untracked_buffer": str(default.untracked_buffer),
        "sync": str(default.sync).lower(),
        "on_hook_error": f'`"{default.on_hook_error}"`',
        "language": f'`"{default.language}"`',
        "collect.agent": f'`"{default.collect_agent}"`',
        "cycle.day": "1",
        "cycle.timezone": '`"UTC"`',
        **{f"notify.{key}": str(value).lower() for key, value in msgspec.structs.asdict(default.notify).items()},
    }


def test_every_command_named_exists_with_its_options(home: Path) -> None:
    table = TEXT.partition("## Commands")[2].partition("## Configuration")[0]
    rows = re.findall(r"^\| (`budgauge .*?`) \|", table, re.MULTILINE)
    assert len(rows) >= 8
    for row in rows:
        for usage in re.findall(r"`budgauge ([^`]*)`", row):
            words = [word for word in usage.split() if word in ("install", usage.split()[0]) and word[0] != "["]
            command = " ".join(words)
            shown = run(f"budgauge {command} --help", home)
            for option in re.findall(r"--[a-z-]+", usage):
                assert option in shown, (usage, option)


def test_first_commands_are_one_line_each_and_set_everything_up() -> None:
    first_screen = TEXT.partition("## What you see")[0]
    commands = re.findall(r"^```sh\n(.*)\n```", first_screen, re.MULTILINE)
    assert [command.split()[-1] for command in commands] == ["demo", "-q"]
    for command in commands:
        assert command.startswith("python3 -m venv .venv && .venv/bin/pip install -q ")


def test_every_picture_shown_is_there_and_every_picture_is_shown() -> None:
    shown = set(re.findall(r"\((screenshots/[a-z0-9-]+\.svg)\)", TEXT))
    there = {f"screenshots/{path.name}" for path in (README.parent / "screenshots").glob("*.svg")}
    assert shown == there
