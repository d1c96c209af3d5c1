"""The installed command: which agent it names, and what a mistake in it comes to."""

from __future__ import annotations

import subprocess
import sys

import pytest

from budgauge.config.load import Options
from budgauge.gate.command import CALLERS, plain_call

PROMPT = b'{"hook_event_name": "Stop"}'


@pytest.mark.parametrize(
    ("words", "caller", "options"),
    [
        ("hook", "", Options()),
        ("hook codex", "codex", Options()),
        ("hook claude-code --ledger /l", "claude-code", Options(ledger="/l")),
        ("hook qwen --ledger /l --config /c", "qwen", Options(config="/c", ledger="/l")),
        ("hook --config /c", "", Options(config="/c")),
    ],
)
def test_it_is_read_without_the_command_line(words: str, caller: str, options: Options) -> None:
    env = {"HOME": "/h"}
    assert plain_call(words.split(), env) == (caller, options)
    assert env == {"HOME": "/h"}


def test_the_folders_in_it_are_stronger_than_the_environment() -> None:
    env = dict.fromkeys(("HOME", "CODEX_HOME", "CODEX_TOKEN_LEDGER", "XDG_DATA_HOME", "XDG_CACHE_HOME"), "/evil")
    assert plain_call(["hook", "codex", "--home", "/h"], env) == ("codex", Options())
    assert env == {"HOME": "/h"}
    words = ["hook", "codex", "--home", "/h", "--codex-home", "/c", "--cache-home", "/k"]
    assert plain_call(words, env) == ("codex", Options())
    assert env == {"HOME": "/h", "CODEX_HOME": "/c", "XDG_CACHE_HOME": "/k"}


@pytest.mark.parametrize(
    "words",
    ["", "status", "hook install codex", "hook codxe", "hook codex --ledgr /l", "hook codex --ledger", "hook codex x"],
)
def test_all_else_is_for_the_command_line(words: str) -> None:
    assert plain_call(words.split(), {}) is None
    assert plain_call(["hook", "codex", "--ledger", ""], {}) is None
    assert plain_call(["hook", "codex", "--ledger", "a", "--ledger", "b"], {}) is None


@pytest.mark.parametrize("caller", CALLERS)
def test_every_agent_may_be_named(caller: str) -> None:
    done = run("hook", "--ledger", "l.jsonl", caller)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


@pytest.mark.parametrize(
    "words",
    [
        "hook --typo",
        "hook codex --typo",
        "hook codxe",
        "hook codex more",
        "hook codex --ledger",
        "hook codex --ledger=",
        "--typo hook codex",
        "--ledgr x hook codex",
        "--ledger= hook codex",
    ],
)
def test_a_mistake_in_the_command_is_no_refusal(words: str) -> None:
    done = run(*words.split())
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr


@pytest.mark.parametrize("words", ["hook install codex --typo", "hook install", "record --agent hook --typo", "hok"])
def test_elsewhere_wrong_usage_is_wrong_usage(words: str) -> None:
    assert run(*words.split()).returncode == 2


def run(*words: str) -> subprocess.CompletedProcess[bytes]:
    """The command with a hook call on standard input, run to its end."""
    command = [sys.executable, "-m", "budgauge", *words]
    return subprocess.run(command, input=PROMPT, capture_output=True, check=False)
