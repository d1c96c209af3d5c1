"""Our entries in an agent's settings: put in, found again, taken out, and nothing else touched."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from budgauge.errors import ConfigError
from budgauge.sources.codex import hooks as codex_settings
from budgauge.sources.hook_settings import (
    commands_at,
    installation,
    installed,
    removal,
    settings_files,
    uninstalled,
)
from budgauge.sources.settings import change
from budgauge.sources.settings.change import Change, write
from budgauge.sources.settings.entry import EVENTS, Agent
from sources.settings.layout import (
    BOTH,
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
    assert settings_files(agent, env, None)[0] == Path(expected)


def test_a_projects_files_are_in_the_project_whatever_the_environment_says() -> None:
    env = {"HOME": "/h", "CODEX_HOME": "/c", "CLAUDE_CONFIG_DIR": "/a"}
    codex, claude = Path("/p/.codex"), Path("/p/.claude")
    assert settings_files("codex", env, Path("/p")) == (codex / "config.toml", codex / "hooks.json")
    assert settings_files("claude-code", env, Path("/p")) == (claude / "settings.local.json", claude / "settings.json")


# Several files


def other_json(command: str) -> str:
    """A JSON file in which somebody's command, or ours, is called at one event."""
    return json.dumps({"hooks": {"Stop": [{"hooks": [{"type": "command", "command": command}]}]}}) + "\n"


def made(changes: Sequence[Change]) -> list[str]:
    """The names of the files that were changed."""
    for one in changes:
        write(one)
    return [one.path.name for one in changes if one.diff]


def test_codex_hooks_go_where_its_hooks_are(tmp_path: Path) -> None:
    env = {"CODEX_HOME": str(tmp_path)}
    toml = put(tmp_path / "config.toml", TOML)
    write(installed("codex", toml, OLDER))
    path = put(tmp_path / "hooks.json", other_json("x"))
    files = settings_files("codex", env, None)
    assert made(installation("codex", files, OURS)) == ["hooks.json", "config.toml"]
    assert (toml.read_text(), sorted(commands_at("codex", path))) == (TOML, sorted(EVENTS["codex"]))
    assert made(installation("codex", files, OURS)) == []
    assert made(removal("codex", files)) == ["hooks.json"]
    assert path.read_text() == other_json("x")


def test_codex_gets_no_second_file(tmp_path: Path) -> None:
    files = settings_files("codex", {"CODEX_HOME": str(tmp_path)}, None)
    assert made(installation("codex", files, OURS)) == ["config.toml"]
    assert os.listdir(tmp_path) == ["config.toml"]


@pytest.mark.parametrize("holding", ["settings.json", "settings.local.json"])
def test_a_hook_in_either_of_a_projects_files_counts(holding: str, tmp_path: Path) -> None:
    path = tmp_path / ".claude" / holding
    path.parent.mkdir()
    files = settings_files("claude-code", {}, tmp_path)
    write(installed("claude-code", path, OLDER))
    assert made(installation("claude-code", files, OURS)) == [holding]
    assert set(commands_at("claude-code", path).values()) == {OURS}
    assert made(installation("claude-code", files, OURS)) == []


def test_a_new_hook_of_a_project_is_not_shared_and_both_files_lose_theirs(tmp_path: Path) -> None:
    shared, local = tmp_path / ".claude" / "settings.json", tmp_path / ".claude" / "settings.local.json"
    files = settings_files("claude-code", {}, tmp_path)
    assert made(installation("claude-code", files, OURS)) == ["settings.local.json"]
    assert not shared.exists()
    write(installed("claude-code", shared, OLDER))
    assert made(installation("claude-code", files, OURS)) == ["settings.json"]
    assert (commands_at("claude-code", shared), len(commands_at("claude-code", local))) == ({}, 6)
    write(installed("claude-code", shared, OLDER))
    assert made(removal("claude-code", files)) == ["settings.local.json", "settings.json"]
    assert (commands_at("claude-code", shared), commands_at("claude-code", local)) == ({}, {})


@pytest.mark.parametrize("agent", BOTH)
@pytest.mark.parametrize("place", ["folder", "file", "broken"])
def test_no_link_is_followed_out_of_the_project(agent: Agent, place: str, tmp_path: Path) -> None:
    project, outside = tmp_path / "project", tmp_path / "outside"
    project.mkdir()
    outside.mkdir()
    path = settings_files(agent, {}, project)[0]
    if place == "folder":
        path.parent.symlink_to(outside)
    else:
        path.parent.mkdir()
        path.symlink_to(outside / "settings" if place == "broken" else put(outside / "settings", ""))
    before = {name: (outside / name).read_text() for name in os.listdir(outside)}
    for act in (lambda *of, **by: installation(*of, OURS, **by), removal):
        with pytest.raises(ConfigError, match=f"{path}: leads to {outside}") as caught:
            act(agent, settings_files(agent, {}, project), within=project)
        assert caught.value.hint
    assert {name: (outside / name).read_text() for name in os.listdir(outside)} == before


def test_a_link_that_appears_before_the_write_is_not_followed(tmp_path: Path) -> None:
    project, outside = tmp_path / "project", put(tmp_path / "outside", "")
    project.mkdir()
    (change, _) = installation("codex", settings_files("codex", {}, project), OURS, within=project)
    change.path.parent.mkdir()
    change.path.symlink_to(outside)
    with pytest.raises(ConfigError, match="outside the project"):
        write(change)
    assert outside.read_text() == ""


def test_a_link_within_the_project_is_followed(tmp_path: Path) -> None:
    (tmp_path / "agent").mkdir()
    (tmp_path / ".claude").symlink_to("agent")
    files = settings_files("claude-code", {}, tmp_path)
    change = installation("claude-code", files, OURS, within=tmp_path)[0]
    assert (change.is_linked, change.target) == (True, tmp_path.resolve() / "agent" / "settings.local.json")
    write(change)
    assert commands_at("claude-code", change.target)


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
