"""Everything that the README and the pages of `budgauge help` tell to paste is run, and prints what they show."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import subprocess
import sys
import time
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import Mock

import msgspec
import pytest
from anthropic.types import Message
from textual.binding import Binding

import budgauge
from budgauge.cli import cli
from budgauge.config import BudgetConfig, Notify
from budgauge.config.load import load
from budgauge.monitor.app import MonitorApp
from budgauge.rpc.protocol import (
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
from sources.rollouts import Log
from sources.sessions import Session, tokens

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
DOCS = Path(budgauge.__file__).parent / "docs"
FILES = [README, *sorted(DOCS.glob("*.md"))]
TEXT = {file.stem: file.read_text(encoding="utf-8") for file in FILES}
PAGES = [file.stem for file in FILES[1:]]


def blocks(language: str, text: str) -> list[str]:
    return re.findall(rf"^ *```{language}\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL)


def having(language: str) -> list[str]:
    """The files that hold a block of this language."""
    return [name for name, text in TEXT.items() if blocks(language, text)]


@pytest.fixture
def home(own_place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home in which Codex and Claude Code were used two days ago."""
    start = int(time.time()) - 2 * 86_400
    codex, claude = Log(start=start).meta().turn("gpt-5.5"), Session(start=start)
    for number in range(1, 31):
        codex.call(30_000 + 1500 * number, 28_000 + 1500 * number, 900, 300)
    for number in range(1, 26):
        usage = tokens(12, 1100, read=24_000 + 2000 * number, write_5m=2000)
        claude.said(f"msg_{number}", usage, model="claude-opus-4-8")
    codex.write(own_place / ".codex")
    claude.write(own_place / ".claude")
    monkeypatch.chdir(own_place)
    return own_place


def run(command: str, home: Path) -> str:
    """What a shell shows of a command, with the home folder as the documentation writes it."""
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


@pytest.mark.parametrize("name", having("console"))
def test_every_console_block_shows_what_its_commands_print(name: str, home: Path) -> None:
    """Read from top to bottom, as a newcomer does; the config that stands before a command is in force."""
    for language, block in re.findall(r"^```(toml|console)\n(.*?)^```", TEXT[name], re.MULTILINE | re.DOTALL):
        if language == "toml":
            (home / ".codex" / "config.toml").write_text(block, encoding="utf-8")
            continue
        steps = re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE)
        assert steps
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


@pytest.mark.parametrize("name", having("python"))
def test_the_python_examples_print_what_is_shown(name: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number, (source, shown) in enumerate(
        re.findall(r"^```python\n(.*?)^```\n(?:```text\n(.*?)^```)?", TEXT[name], re.MULTILINE | re.DOTALL)
    ):
        monkeypatch.setattr(recording, "_own", None)
        ledger = home / f"{number}.jsonl"
        monkeypatch.setenv("CODEX_TOKEN_LEDGER", str(ledger))
        served = Served(ledger) if ".connect" in source else None
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            exec(compile(source, name, "exec"), {"client": Calling()})
        if served is not None:
            served.end()
        assert out.getvalue() == shown


def test_the_typescript_example_runs(home: Path, tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("there is no Node on this machine")
    (source,) = blocks("ts", TEXT["rpc"])
    # Older Nodes know no types; those of the example can be left out.
    plain = re.sub(r": (?:string|object|any|Promise<any>)(?=[,)]| \{)", "", source)
    script = tmp_path / "example.mjs"
    script.write_text(plain)
    served = Served(tmp_path / "l.jsonl")
    try:
        done = subprocess.run([node, script, served.path], capture_output=True, text=True, timeout=120, check=False)
    finally:
        served.end()
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert lines[0] == "tokens.updated 0"
    assert "2300 997700" in lines
    assert "1002 Total budget of 1000000 tokens would be exceeded (current: 2300, requested: 2000000)" in lines


def test_the_page_of_the_server_names_everything() -> None:
    page = TEXT["rpc"]
    named = set(re.findall(r"`([a-z]+\.?[a-zA-Z]*)`", page))
    assert {*TOPICS, "resync", "auth", "subscribe", "unsubscribe"} <= named
    assert set(re.findall(r"`(tokens\.[a-zA-Z]+)`", page)) == {
        *(name for name in TokenMethods.table(Mock()) if "." in name),
        "tokens.updated",
    }
    codes = (OVER_LIMIT, OVER_BUDGET, RESET_BETWEEN, NO_RESERVATION, OTHER_CONTENT, NO_LEDGER, NOT_ALLOWED, TOO_LONG)
    assert {int(code) for code in re.findall(r"^\| (\d{4}) \|", page, re.MULTILINE)} == set(codes)
    (call,) = blocks("json", page)
    assert msgspec.json.decode(call)["method"] == "tokens.reserve"


def test_the_unit_is_one_that_systemd_takes(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    (unit,) = blocks("ini", TEXT["rpc"])
    assert "budgauge serve" in unit
    if analyze is None:
        pytest.skip("there is no systemd on this machine")
    file = tmp_path / "budgauge.service"
    file.write_text(unit.replace("%h/.local/bin/budgauge", "/bin/true"))
    done = subprocess.run([analyze, "verify", file], capture_output=True, text=True, check=False)
    assert str(file) not in done.stderr
    assert "budgauge" not in done.stderr


def in_force(name: str, home: Path) -> Iterator[BudgetConfig]:
    """The config that each TOML block makes; nothing is warned of."""
    for block in blocks("toml", TEXT[name]):
        (home / ".codex" / "config.toml").write_text(block, encoding="utf-8")
        loaded = load()
        assert loaded.warnings == ()
        yield loaded.config


@pytest.mark.parametrize("name", having("toml"))
def test_every_config_example_is_in_force_without_a_warning(name: str, home: Path) -> None:
    for config in in_force(name, home):
        assert config != BudgetConfig()


def test_the_config_examples_say_what_their_words_promise(home: Path) -> None:
    (budget,) = in_force("README", home)
    assert (budget.total_budget, budget.per_agent_limits) == (5_000_000, {"codex/*": 3_000_000})
    (warned,) = in_force("warnings", home)
    assert warned.notify == Notify(desktop=True, bell=True, title=True)


def test_the_japanese_page_says_the_same(home: Path) -> None:
    budget, warned = in_force("japanese", home)
    assert budget.language == "ja"
    assert budget.per_agent_limits == {"codex/*": 3_000_000}
    assert warned.notify == Notify(desktop=True, bell=True, title=True)
    assert set(blocks("sh", TEXT["japanese"])[0].splitlines()) <= set(blocks("sh", TEXT["README"])[0].splitlines())


def test_troubleshooting_quotes_messages_that_exist() -> None:
    code = "\n".join(path.read_text(encoding="utf-8") for path in DOCS.parent.rglob("*.py"))
    code = re.sub(r'"\s*\n\s*f?"', "", code)
    quoted = re.findall(r"^- ((?:`[^`]+`(?:,\s+)?)+)", TEXT["troubleshooting"], re.MULTILINE)
    pieces = [piece.split() for piece in re.split(r"`|\.\.\.|[NX(]|[0-9][0-9,.%]*", "`".join(quoted))]
    assert sum(len(words) > 2 for words in pieces) >= 20
    for words in pieces:
        length = 2 if len(words) < 4 else 3
        runs = [" ".join(words[at : at + length]) for at in range(len(words) - length + 1)]
        assert not runs or any(run in code for run in runs), words


def test_every_key_is_told() -> None:
    for binding in MonitorApp.BINDINGS:
        assert isinstance(binding, Binding)
        shown = {"question_mark": "?", "slash": "/", "enter": "Enter"}.get(binding.key, binding.key)
        assert shown == "ctrl+z" or f"`{shown}`" in TEXT["keys"] or f"| {shown} |" in TEXT["keys"], shown


def test_the_config_page_states_the_defaults() -> None:
    default = BudgetConfig()
    stated = dict(re.findall(r"^- `([\w.]+)` \(default (`\"\w+\"`|\w+)\):", TEXT["config"], re.MULTILINE))
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


def test_the_page_of_commands_names_each_with_options_that_exist(home: Path) -> None:
    usages = [" ".join(usage.split()) for usage in re.findall(r"`budgauge ([^`]*)`", TEXT["commands"])]
    assert {usage.split()[0] for usage in usages} >= {*cli.list_commands(Mock())}
    for usage in usages:
        if usage == "COMMAND --help":
            continue
        words = [word for word in usage.split() if word in ("install", usage.split()[0]) and word[0] != "["]
        shown = run(f"budgauge {' '.join(words)} --help", home)
        for option in re.findall(r"--[a-z-]+", usage):
            assert option in shown, (usage, option)


def test_readme_is_short_and_its_lines_are() -> None:
    lines = TEXT["README"].splitlines()
    assert len(lines) <= 150
    assert max(map(len, lines)) <= 200


def test_readme_installs_and_tests_in_one_line_each() -> None:
    demo, tests = re.findall(r"^python3 -m venv .*", TEXT["README"], re.MULTILINE)
    assert demo.endswith(" demo")
    assert " -m pytest " in tests
    for command in (demo, tests):
        assert command.startswith("python3 -m venv .venv && .venv/bin/pip install -q ")


def test_every_picture_is_shown() -> None:
    shown = set(re.findall(r"\((screenshots/[a-z0-9-]+\.svg)\)", TEXT["README"]))
    assert shown == {f"screenshots/{path.name}" for path in (ROOT / "screenshots").glob("*.svg")}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_link_leads_somewhere(file: Path) -> None:
    for link in re.findall(r"\]\(([^)]+)\)", re.sub(r"```.*?```", "", TEXT[file.stem], flags=re.DOTALL)):
        assert link.startswith("https://") or (file.parent / link).is_file(), link


def test_readme_leads_to_every_page() -> None:
    assert {*re.findall(r"\(tui/budgauge/docs/([\w-]+)\.md\)", TEXT["README"])} == set(PAGES)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_fits_a_terminal_of_80_columns(name: str) -> None:
    prose = re.sub(r"^```.*?^```", "", TEXT[name], flags=re.DOTALL | re.MULTILINE)
    for line in prose.splitlines():
        cells = sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in line)
        assert cells <= 80 or line.startswith("    "), line
