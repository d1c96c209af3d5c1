"""Our entries in an agent's settings: put in, found again, taken out, and nothing else touched."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from budgauge.errors import ConfigError
from budgauge.sources.codex import hooks as codex_settings
from budgauge.sources.hook_settings import installed, settings_file, uninstalled
from budgauge.sources.settings import change
from budgauge.sources.settings.entry import EVENTS, Agent
from hooks.layout import (
    OLDER,
    OURS,
    TOML,
    after_install,
    after_uninstall,
    cases,
    commands,
    decode,
    entries,
    put,
    without_ours,
)

# Where


@pytest.mark.parametrize(
    ("agent", "env", "expected"),
    [
        ("codex", {"HOME": "/h"}, "/h/.codex/config.toml"),
        ("codex", {"HOME": "/h", "CODEX_HOME": "/c"}, "/c/config.toml"),
        ("claude-code", {"HOME": "/h"}, "/h/.claude/settings.json"),
        ("claude-code", {"HOME": "/h", "CLAUDE_CONFIG_DIR": ""}, "/h/.claude/settings.json"),
        ("claude-code", {"HOME": "/h", "CLAUDE_CONFIG_DIR": "/a"}, "/a/settings.json"),
        ("claude-code", {"HOME": "/h", "CLAUDE_CONFIG_DIR": "/a,/b"}, "/a,/b/settings.json"),
    ],
)
def test_the_users_file_is_where_the_agent_looks(agent: Agent, env: dict[str, str], expected: str) -> None:
    assert settings_file(agent, env, None) == Path(expected)


def test_a_projects_file_is_in_the_project_whatever_the_environment_says() -> None:
    env = {"HOME": "/h", "CODEX_HOME": "/c", "CLAUDE_CONFIG_DIR": "/a"}
    assert settings_file("codex", env, Path("/p")) == Path("/p/.codex/config.toml")
    assert settings_file("claude-code", env, Path("/p")) == Path("/p/.claude/settings.json")


# Put in, and taken out


@cases
def test_every_event_gets_ours_once_and_nothing_else_changes(agent: Agent, text: str, path: Path) -> None:
    after = after_install(agent, path, text)
    for event in EVENTS[agent]:
        assert commands(agent, after, event).count(OURS) == 1
        assert {"type": "command", "command": OURS, "timeout": 10} in entries(agent, after, event)
    before, document = decode(agent, text), decode(agent, after)
    assert {**document, "hooks": 0} == {**before, "hooks": 0}
    for event, groups in before.get("hooks", {}).items():
        assert without_ours(document["hooks"][event]) == groups


@cases
def test_ours_that_are_there_are_left(agent: Agent, text: str, path: Path) -> None:
    after = after_install(agent, path, text)
    again = installed(agent, put(path, after), OURS)
    assert again.after == again.before == after
    assert again.diff == ""


@cases
def test_an_older_path_is_replaced_in_place(agent: Agent, text: str, path: Path) -> None:
    older = after_install(agent, path, text, OLDER)
    assert after_install(agent, path, older) == older.replace(OLDER, OURS)


@cases
def test_uninstall_gives_back_the_very_same_bytes(agent: Agent, text: str, path: Path) -> None:
    assert after_uninstall(agent, path, after_install(agent, path, text)) == text


@cases
def test_there_is_nothing_to_take_out_where_nothing_is_ours(agent: Agent, text: str, path: Path) -> None:
    assert after_uninstall(agent, path, text) == text


def test_settings_that_were_missing_are_left_empty(path: Path) -> None:
    assert after_uninstall("codex", path, after_install("codex", path, "")) == ""
    assert after_uninstall("claude-code", path, after_install("claude-code", path, "")) == "{}\n"


# What cannot be edited


@pytest.mark.parametrize("command", ["budgauge hook\0", "budgauge\nhook", "/\udcff/budgauge hook"])
def test_a_command_that_cannot_be_written_is_refused(command: str, path: Path) -> None:
    with pytest.raises(ConfigError, match="hook command"):
        installed("codex", path, command)


@pytest.mark.parametrize(
    ("agent", "content", "message"),
    [
        ("codex", b"a = 1\nb =\n", "not valid TOML.*line 2"),
        ("codex", b"hooks = 1", r"hooks: must"),
        ("codex", b"[hooks.Stop]\n", r"hooks\.Stop: must"),
        ("codex", b"a = '\xff'", "not UTF-8"),
        ("codex", b"#" * (change.MAX_BYTES + 1), "larger than 10 MiB"),
        ("claude-code", b'{\n  // mine\n  "a": 1\n}', "line 2: is not valid JSON"),
        ("claude-code", b'{"a": 1,}', "line 1: is not valid JSON"),
        ("claude-code", b'{"a": {"b": 1, "b": 2}}', 'the key "b" stands twice'),
        ("claude-code", b'{"a": NaN}', "NaN is no number"),
        ("claude-code", b"[" * 100_000, "not valid JSON"),
        ("claude-code", b"[]", "must hold an object"),
        ("claude-code", b'{"hooks": []}', "hooks: must"),
        ("claude-code", b'{"hooks": {"Stop": {}}}', r"hooks\.Stop: must"),
        ("claude-code", b'"\xff"', "not UTF-8"),
    ],
)
def test_an_error_names_the_file_and_what_is_wrong(agent: Agent, content: bytes, message: str, path: Path) -> None:
    path.write_bytes(content)
    for act in (lambda: installed(agent, path, OURS), lambda: uninstalled(agent, path)):
        with pytest.raises(ConfigError, match=message) as caught:
            act()
        assert str(caught.value).startswith(str(path))
        assert caught.value.hint


def test_what_is_no_regular_file_is_refused(path: Path) -> None:
    os.mkfifo(path)
    with pytest.raises(ConfigError, match="regular file"):
        installed("codex", path, OURS)
    with pytest.raises(ConfigError, match="regular file"):
        installed("codex", path.parent, OURS)
    with pytest.raises(ConfigError, match="Not a directory"):
        installed("codex", put(path.parent / "file", "") / "config.toml", OURS)


def test_a_loop_of_links_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "a")
    with pytest.raises(ConfigError, match="cannot be read"):
        installed("codex", tmp_path / "a", OURS)


def test_an_edit_that_would_change_anything_else_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codex_settings, "edited", lambda *_: "model = 'other'\n")
    with pytest.raises(ConfigError, match="nothing was changed"):
        installed("codex", put(path, TOML), OURS)
