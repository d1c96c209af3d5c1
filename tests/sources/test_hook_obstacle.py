"""Settings that keep an agent from asking the gate, or weaken it: each is named with its file."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from budgauge.sources.claude_code import switches as claude_switches
from budgauge.sources.codex import switches as codex_switches
from budgauge.sources.hook_obstacle import obstacles
from budgauge.sources.hook_settings import installed
from budgauge.sources.settings.change import write
from sources.settings.layout import OURS

OFF, ON = {"disableAllHooks": True}, {"disableAllHooks": False}


class Place:
    """A home, an administrator's folders and a project; all settings are written here."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.home, self.project, self.etc = folder / "home", folder / "project", folder / "etc"
        self.env = {"HOME": str(self.home)}
        for made in (self.home, self.project, self.etc):
            made.mkdir()
        monkeypatch.setattr(claude_switches, "MANAGED", (self.etc,))
        monkeypatch.setattr(codex_switches, "SYSTEM", self.etc)

    def file(self, name: str) -> Path:
        return {
            "user": self.home / ".claude" / "settings.json",
            "project": self.project / ".claude" / "settings.json",
            "local": self.project / ".claude" / "settings.local.json",
            "managed": self.etc / "managed-settings.json",
            "managed.d": self.etc / "managed-settings.d" / "10.json",
            "remote": self.home / ".claude" / "remote-settings.json",
            "codex": self.home / ".codex" / "config.toml",
            "codex json": self.home / ".codex" / "hooks.json",
            "codex project": self.project / ".codex" / "config.toml",
            "codex managed": self.etc / "managed_config.toml",
            "codex required": self.etc / "requirements.toml",
            "codex system": self.etc / "config.toml",
        }[name]

    def put(self, name: str, content: object) -> None:
        path = self.file(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")

    def claude(self, folder: str = ".") -> list[str]:
        return list(obstacles("claude-code", self.env, self.project / folder))

    def codex(self, folder: str = ".") -> list[str]:
        return list(obstacles("codex", self.env, self.project / folder))


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    return Place(tmp_path, monkeypatch)


# Claude Code


@pytest.mark.parametrize("name", ["user", "project", "local", "managed", "managed.d", "remote"])
def test_hooks_that_are_disabled_are_named(place: Place, name: str) -> None:
    assert place.claude() == []
    place.put(name, OFF)
    assert place.claude() == [f"{place.file(name)}: disableAllHooks is set: no hook is called"]
    place.put(name, ON)
    assert place.claude() == []


@pytest.mark.parametrize(
    ("settings", "decides"),
    [
        ({"user": ON, "project": OFF}, "project"),
        ({"user": OFF, "project": ON}, None),
        ({"project": OFF, "local": ON}, None),
        ({"project": ON, "local": OFF}, "local"),
        ({"local": ON, "managed": OFF}, "managed"),
        ({"local": OFF, "managed": ON}, None),
    ],
)
def test_the_strongest_file_decides(place: Place, settings: dict[str, Any], decides: str | None) -> None:
    for name, content in settings.items():
        place.put(name, content)
    named = [] if decides is None else [f"{place.file(decides)}: disableAllHooks is set: no hook is called"]
    assert place.claude() == named


@pytest.mark.parametrize(
    "content",
    [
        {"allowManagedHooksOnly": True},
        {"strictPluginOnlyCustomization": True},
        {"strictPluginOnlyCustomization": ["skills", "hooks"]},
    ],
)
def test_an_administrator_may_allow_other_hooks_alone(place: Place, content: dict[str, Any]) -> None:
    place.put("managed", content)
    (named,) = place.claude()
    assert named.startswith(f"{place.file('managed')}: {next(iter(content))} is set: only ")
    place.put("managed", {})
    place.put("project", content)  # where it has no effect
    assert place.claude() == []


@pytest.mark.parametrize("name", ["project", "local"])
@pytest.mark.parametrize(
    "variable",
    ["CODEX_TOKEN_BUDGET", "CODEX_TOKEN_LEDGER", "CODEX_HOME", "HOME", "XDG_DATA_HOME", "PYTHONPATH", "LD_PRELOAD"],
)
def test_a_projects_variables_are_named(place: Place, name: str, variable: str) -> None:
    place.put(name, {"env": {variable: "x", "EDITOR": "vi", "JAVA_HOME": "/j"}})
    (named,) = place.claude()
    assert named.startswith(f"{place.file(name)}: env sets {variable} for the hook")
    place.put(name, {})
    place.put("user", {"env": {variable: "x"}})  # which is the user's own choice
    assert place.claude() == []


@pytest.mark.parametrize("variable", ["CLAUDE_CODE_SIMPLE", "CLAUDE_CODE_SAFE_MODE"])
def test_a_mode_without_hooks_is_named(place: Place, variable: str) -> None:
    place.put("project", {"env": {variable: "1"}})  # where it has no effect
    place.put("user", {"env": {variable: "0"}})
    assert place.claude() == []
    place.put("user", {"env": {variable: "1"}})
    assert place.claude() == [f"{place.file('user')}: env sets {variable}: no hook is called"]
    place.put("user", {})
    place.env[variable] = "true"
    assert place.claude() == [f"${variable} is set: no hook is called"]


def test_settings_above_count_up_to_the_repository_and_no_further(place: Place) -> None:
    (place.project / "a" / "b").mkdir(parents=True)
    place.put("local", OFF)
    assert (len(place.claude()), place.claude("a/b")) == (1, [])
    (place.project / ".git").mkdir()
    assert len(place.claude("a/b")) == 1
    (place.project / "a" / ".git").mkdir()
    assert place.claude("a/b") == []


def test_a_file_that_cannot_be_read_is_named_and_hides_no_other(place: Place) -> None:
    place.put("managed", "{")
    place.put("project", OFF)
    broken, off = place.claude()
    assert broken.startswith(f"{place.file('managed')}, line 1: is not valid JSON")
    assert off.startswith(str(place.file("project")))


# Codex


@pytest.mark.parametrize("key", ["hooks", "codex_hooks"])
@pytest.mark.parametrize("name", ["codex", "codex managed", "codex required", "codex system"])
def test_a_feature_that_is_off_is_named(place: Place, name: str, key: str) -> None:
    assert place.codex() == []
    place.put(name, f"[features]\n{key} = false\n")
    assert place.codex() == [f"{place.file(name)}: features.{key} is off: no hook is called"]
    place.put(name, f"[features]\n{key} = true\n")
    assert place.codex() == []


def test_a_project_decides_over_the_user_once_it_is_trusted(place: Place) -> None:
    trust = f'[projects."{place.project}"]\ntrust_level = "trusted"\n'
    place.put("codex project", "[features]\nhooks = false\n")
    place.put("codex", "[features]\nhooks = true\n")
    assert place.codex() == []
    place.put("codex", f"[features]\nhooks = true\n{trust}")
    assert place.codex() == [f"{place.file('codex project')}: features.hooks is off: no hook is called"]
    place.put("codex project", "[features]\nhooks = true\n")
    place.put("codex", f"[features]\nhooks = false\n{trust}")
    assert place.codex() == []


def test_an_administrator_may_allow_codex_other_hooks_alone(place: Place) -> None:
    place.put("codex required", "allow_managed_hooks_only = true\n")
    (named,) = place.codex()
    assert named.startswith(f"{place.file('codex required')}: allow_managed_hooks_only is set")


TRUSTED = {
    "UserPromptSubmit": "sha256:9210a21f808a10c56c48fc6ae9a8bb71258002364bad5cd04e86f60e62f3eb84",
    "PreToolUse": "sha256:d31ad204e04b847469b562c94a67e9d00dfc5593e446ba8c24a6803d312da55c",
    "PostToolUse": "sha256:d1d546d02932d75f369544dfd699652b70a3d15bcbd02775ac744dd4fc903a6d",
    "PostModelRequest": "sha256:2421d5d6a43bdce879f045a5f692abc0e47cdcea07966b7f40bb899ba348a430",
    "SubagentStop": "sha256:5d0e6f943bbdd17028ed397e16148ff60f23396b61b05072863179a60ccb293a",
    "Stop": "sha256:481f4b0f9c4ad534c7141a59f302648be7565ed9866016d604604af541a64470",
}
"""event → the hash that Codex 0.171 itself gives to our entry there, the command being OURS."""


def trust(place: Place, name: str, **changes: dict[str, Any]) -> None:
    """The user trusts each of our hooks in the file, but for what is changed by event."""
    path = place.file(name)
    lines = []
    for event, hash_ in TRUSTED.items():
        state = {"trusted_hash": hash_, **changes.get(event, {})}
        lines.append(f'[hooks.state."{os.path.realpath(path)}:{label(event)}:0:0"]')
        lines += [f"{key} = {json.dumps(value)}" for key, value in state.items() if value is not None]
    config = place.file("codex")
    before = config.read_text(encoding="utf-8") if config.exists() else ""
    config.write_text("\n".join([before, *lines, ""]), encoding="utf-8")


def label(event: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in event).lstrip("_")


@pytest.mark.parametrize("name", ["codex", "codex json"])
def test_hooks_that_codex_does_not_trust_are_named(place: Place, name: str) -> None:
    place.put(name, "{}" if name.endswith("json") else "")
    write(installed("codex", place.file(name), OURS))
    events = "UserPromptSubmit, PreToolUse, PostToolUse, PostModelRequest, SubagentStop, Stop"
    assert place.codex() == [f"{place.file(name)}: Codex skips these hooks until you trust them (/hooks): {events}"]
    trust(place, name)
    assert place.codex() == []


def test_each_reason_why_codex_skips_a_hook_is_told(place: Place) -> None:
    write(installed("codex", place.file("codex"), OURS))
    changed, off = {"trusted_hash": "sha256:0"}, {"enabled": False}
    trust(place, "codex", Stop=changed, PreToolUse=off, PostToolUse={"trusted_hash": None, "enabled": True})
    path = place.file("codex")
    assert place.codex() == [
        f"{path}: Codex has these hooks switched off (/hooks): PreToolUse",
        f"{path}: Codex skips these hooks until you trust them (/hooks): PostToolUse",
        f"{path}: Codex skips these hooks, which were changed, until you trust them again (/hooks): Stop",
    ]


def test_a_hook_with_a_key_that_is_not_known_may_be_trusted(place: Place) -> None:
    write(installed("codex", place.file("codex"), OURS))
    text = place.file("codex").read_text(encoding="utf-8")
    place.put("codex", text.replace("timeout = 10", "timeout = 10\nadditionalContextLimit = 5"))
    trust(place, "codex")
    assert place.codex() == []


def test_a_projects_hooks_need_a_trusted_folder(place: Place) -> None:
    write(installed("codex", place.file("codex project"), OURS))
    said = f"{place.file('codex project')}: Codex reads no hooks here until you trust this folder"
    assert place.codex() == [said]
    place.put("codex", f'[projects."{place.project}"]\ntrust_level = "trusted"\n')
    assert "until you trust them" in place.codex()[0]
    trust(place, "codex project")
    assert place.codex() == []


@pytest.mark.parametrize("name", ["codex", "codex json", "codex project"])
def test_a_codex_file_that_cannot_be_read_is_named_once_and_hides_no_other(place: Place, name: str) -> None:
    place.put("codex required", "allow_managed_hooks_only = true\n")
    place.put(name, "{")
    named, *_ = [said for said in place.codex() if said.startswith(str(place.file(name)))]
    assert "is not valid" in named
    assert place.codex().count(named) == 1
    assert any("allow_managed_hooks_only" in said for said in place.codex())


def test_a_worktree_is_trusted_with_its_repository(place: Place) -> None:
    write(installed("codex", place.file("codex project"), OURS))
    main = place.project.parent / "main"
    (place.project / ".git").write_text(f"gitdir: {main}/.git/worktrees/project\n", encoding="utf-8")
    assert "until you trust this folder" in place.codex()[0]
    place.put("codex", f'[projects."{main}"]\ntrust_level = "trusted"\n')
    assert "until you trust them" in place.codex()[0]
    (place.project / ".git").write_bytes(b"\xff")
    assert "until you trust this folder" in place.codex()[0]


def test_hooks_of_others_need_no_trust_of_ours(place: Place) -> None:
    write(installed("codex", place.file("codex"), OURS))
    text = place.file("codex").read_text(encoding="utf-8")
    place.put("codex", text.replace(OURS, "lint.sh"))
    assert place.codex() == []
