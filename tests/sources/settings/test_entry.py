"""Which entries are ours, in whichever file they stand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from budgauge.errors import ConfigError
from budgauge.sources.hook_settings import installed
from budgauge.sources.settings.command import is_our_command, is_understood
from budgauge.sources.settings.entry import Agent
from sources.settings.layout import BOTH, OURS, after_install, after_uninstall, commands


@pytest.mark.parametrize(
    "command",
    [
        "budgauge hook",
        "'/a b/budgauge' hook",
        "/x/python3.12 -m budgauge hook",
        "/x/python3.12 -P -m budgauge hook codex",
        "/x/python3.10 -I -m budgauge hook claude-code",
        "budgauge --ledger x hook",
        "budgauge hook codex --config '/a;b/c.toml' --ledger /x/install",
        "budgauge hook claude-code --ledger '/a&b/hook (1)'",
        "'/a&b/budgauge' hook",
    ],
)
@pytest.mark.parametrize("agent", BOTH)
def test_our_command_is_known_in_each_of_its_forms(agent: Agent, command: str, path: Path) -> None:
    text = after_install(agent, path, "", command)
    assert commands(agent, text, "Stop") == [command]
    assert commands(agent, after_install(agent, path, text), "Stop") == [OURS]


@pytest.mark.parametrize(
    "command",
    [
        "mybudgauge hook",
        "budgauge status",
        "budgauge hook && other.sh",
        "budgauge hook;other.sh",
        "budgauge hook codex|other.sh",
        "budgauge status --ledger hook",
        "python -m -P budgauge hook",
        "echo budgauge hook",
        "budgauge 'hook",
        "python -m other hook",
        "budgauge hook install codex",
        "python3 -m budgauge hook install codex",
        "",
    ],
)
@pytest.mark.parametrize("agent", BOTH)
def test_other_commands_are_not_ours(agent: Agent, command: str, path: Path) -> None:
    groups = {"hooks": {"Stop": [{"hooks": [{"type": "command", "command": command}]}]}}
    toml = f"[[hooks.Stop]]\n[[hooks.Stop.hooks]]\ntype='command'\ncommand={json.dumps(command)}\n"
    text = toml if agent == "codex" else json.dumps(groups)
    assert commands(agent, after_install(agent, path, text), "Stop") == [command, OURS]
    assert after_uninstall(agent, path, text) == text
    with pytest.raises(ConfigError, match="uninstall would find"):
        installed(agent, path, command)


@pytest.mark.parametrize(
    "words",
    [
        "/x/budgauge hook",
        "/x/budgauge hook codex",
        "/x/budgauge hook codex --ledger /hook --config=/c",
        "/x/budgauge --ledger /l hook codex",
        "/x/python -I -m budgauge --config /c hook codex",
    ],
)
def test_a_command_is_understood(words: str) -> None:
    assert is_our_command(words)
    assert is_understood(words, "codex")


@pytest.mark.parametrize(
    "words",
    [
        "/x/budgauge hook claude-code",
        "/x/budgauge hook codxe",
        "/x/budgauge hook codex codex",
        "/x/budgauge hook codex --typo",
        "/x/budgauge hook codex --ledger",
        "/x/budgauge hook codex --ledger=",
        "/x/budgauge --typo hook codex",
        "/x/python -m budgauge --typo hook",
        "/x/budgauge hook 'codex",
        "/x/budgauge status",
    ],
)
def test_a_command_with_a_mistake_is_not_understood(words: str) -> None:
    assert not is_understood(words, "codex")
