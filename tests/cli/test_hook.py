"""`budgauge hook install`: what is written, and by whom the agent is told to be answered."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from budgauge.cli import own_command as module
from budgauge.config.load import Options
from budgauge.errors import ConfigError
from budgauge.files.cache import cache_folder
from budgauge.sources.hook_settings import commands_at, installed, settings_files
from budgauge.sources.settings.change import write
from budgauge.sources.settings.entry import Agent
from budgauge.sources.unasked.asked import has_asked
from usage import line


@pytest.mark.parametrize("agent", ["codex", "claude-code"])
def test_the_change_is_shown_made_and_taken_back(own_place: Path, agent: str) -> None:
    path = own_place / (".codex/config.toml" if agent == "codex" else ".claude/settings.json")
    path.parent.mkdir()
    before = "# mine\n" if agent == "codex" else '{\n  "model": "opus"\n}\n'
    path.write_text(before, encoding="utf-8")
    shown = run(agent)
    assert f"+++ {path}" in shown
    assert "PreToolUse" in path.read_text(encoding="utf-8")
    assert "nothing to change" in run(agent)
    run(agent, "--uninstall")
    assert path.read_text(encoding="utf-8") == before


def test_the_command_is_of_this_installation_whatever_stands_on_the_path(own_place: Path) -> None:
    other = own_place / "bin" / "budgauge"
    other.parent.mkdir()
    other.write_text("#!/bin/sh\n")
    other.chmod(0o755)
    run("claude-code", path=f"{other.parent}{os.pathsep}{os.environ['PATH']}")
    settings = json.loads((own_place / ".claude" / "settings.json").read_text(encoding="utf-8"))
    command = settings["hooks"]["Stop"][0]["hooks"][0]["command"]
    assert str(Path(sys.executable).parent) in command
    done = subprocess.run(command, shell=True, input=b'{"hook_event_name": "Stop"}', capture_output=True, check=True)
    assert (done.stdout, done.stderr) == (b"", b"")


def test_it_says_where_no_budget_is_set(own_place: Path) -> None:
    said = "no budget is set, so nothing will be refused"
    assert said in completed("claude-code").stderr
    assert said in (again := completed("claude-code").stderr), "also where nothing is to change"
    assert again.endswith("\n  more: budgauge help gate\n")
    assert said not in completed("claude-code", "--uninstall").stderr
    (own_place / ".codex").mkdir()
    (own_place / ".codex" / "config.toml").write_text("[token_budget.per_agent_limits]\na = 5\n", encoding="utf-8")
    assert completed("claude-code").stderr == ""


@pytest.mark.parametrize("agent", ["codex", "claude-code"])
def test_the_agents_name_stands_in_the_command_and_replaces_an_older_one(own_place: Path, agent: Agent) -> None:
    path = settings_files(agent, os.environ, None)[0]
    path.parent.mkdir()
    write(installed(agent, path, "/old/bin/budgauge hook"))
    run(agent)
    (command,) = set(commands_at(agent, path).values())
    assert shlex.split(command)[1:] == ["hook", agent, "--home", str(own_place)]
    assert "/old/bin" not in path.read_text(encoding="utf-8")
    assert "nothing to change" in run(agent)


def test_files_that_are_not_the_default_stand_in_the_command(own_place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (own_place / "work" / "my config.toml").write_text("[token_budget]\ntotal_budget = 5\n", encoding="utf-8")
    completed("claude-code", "--config", "my config.toml", "--ledger", "~/l.jsonl")
    here, path = own_place / "work", own_place / ".claude" / "settings.json"
    (command,) = set(commands_at("claude-code", path).values())
    assert shlex.split(command)[5:] == ["--config", f"{here}/my config.toml", "--ledger", f"{own_place}/l.jsonl"]
    refused = own_place / "l.jsonl"
    refused.write_bytes(line(prompt=5))
    refused.chmod(0o600)
    prompt = json.dumps({"hook_event_name": "UserPromptSubmit", "session_id": "s", "cwd": str(here)}).encode()
    done = subprocess.run(command, shell=True, input=prompt, capture_output=True, check=False, cwd="/")
    assert (done.returncode, b"Total budget of 5 tokens" in done.stderr) == (2, True)
    monkeypatch.setenv("CODEX_TOKEN_LEDGER", "here.jsonl")
    completed("claude-code")
    (command,) = set(commands_at("claude-code", path).values())
    assert shlex.split(command)[3:] == ["--home", str(own_place), "--ledger", f"{here}/here.jsonl"]


@pytest.mark.parametrize("moved", ["", "CODEX_HOME", "XDG_DATA_HOME"])
def test_nothing_in_the_environment_takes_the_budget_away_from_the_installed_command(
    own_place: Path, monkeypatch: pytest.MonkeyPatch, moved: str
) -> None:
    folder = own_place / (".codex" if moved != "CODEX_HOME" else "moved")
    data = own_place / ("data" if moved == "XDG_DATA_HOME" else ".local/share") / "budgauge"
    data.mkdir(parents=True)
    if moved:
        monkeypatch.setenv(moved, str(folder if moved == "CODEX_HOME" else data.parent))
    if moved == "CODEX_HOME":
        folder.mkdir()
        (folder / "config.toml").write_text("[token_budget]\ntotal_budget = 5\n", encoding="utf-8")
    ledger = (folder if moved == "CODEX_HOME" else data) / "token_usage.jsonl"
    ledger.write_bytes(line(prompt=5))
    completed("claude-code")
    (command,) = set(commands_at("claude-code", own_place / ".claude" / "settings.json").values())
    if moved != "CODEX_HOME":
        command += f" --config {own_place / 'five.toml'}"
        (own_place / "five.toml").write_text("[token_budget]\ntotal_budget = 5\n", encoding="utf-8")
    evil = own_place / "evil"
    (evil / ".codex").mkdir(parents=True)
    (evil / ".codex" / "config.toml").write_text("[token_budget]\ntotal_budget = 0\n", encoding="utf-8")
    prompt = json.dumps({"hook_event_name": "UserPromptSubmit", "session_id": "s", "cwd": str(own_place)}).encode()
    for variables in (
        {"CODEX_HOME": str(evil)},
        {"HOME": str(evil)},
        {"XDG_DATA_HOME": str(evil)},
        {"CODEX_TOKEN_LEDGER": str(evil / "l.jsonl"), "CODEX_TOKEN_BUDGET": "0"},
    ):
        env = {**os.environ, **variables}
        done = subprocess.run(command, shell=True, input=prompt, capture_output=True, check=False, cwd="/", env=env)
        assert (done.returncode, b"Total budget of 5 tokens" in done.stderr) == (2, True), variables


@pytest.mark.parametrize("moved", [False, True])
def test_nothing_in_the_environment_hides_that_a_session_asked(
    own_place: Path, monkeypatch: pytest.MonkeyPatch, moved: bool
) -> None:
    if moved:
        monkeypatch.setenv("XDG_CACHE_HOME", str(own_place / "cache"))
    completed("claude-code")
    (command,) = set(commands_at("claude-code", own_place / ".claude" / "settings.json").values())
    call = json.dumps({"hook_event_name": "Stop", "session_id": "s", "cwd": str(own_place)}).encode()
    env = {**os.environ, "XDG_CACHE_HOME": str(own_place / "evil")}
    subprocess.run(command, shell=True, input=call, capture_output=True, check=True, cwd="/", env=env)
    assert has_asked(cache_folder(), "s")
    assert not (own_place / "evil").exists()


def test_a_config_that_cannot_be_used_is_never_installed(own_place: Path) -> None:
    done = completed("claude-code", "--config", "missing.toml", check=False)
    assert (done.returncode, "missing.toml: no such file" in done.stderr) == (2, True)
    assert not (own_place / ".claude").exists()


def test_it_warns_of_what_switches_the_gate_off(own_place: Path) -> None:
    settings = own_place / "work" / ".claude" / "settings.json"
    settings.parent.mkdir()
    settings.write_text('{"disableAllHooks": true, "env": {"CODEX_TOKEN_LEDGER": "/l"}}', encoding="utf-8")
    for said in (completed("claude-code").stderr, completed("claude-code").stderr):
        assert f"budgauge: the gate does not work: {settings}: disableAllHooks is set: no hook is called\n" in said
        assert f"budgauge: the gate does not work: {settings}: env sets CODEX_TOKEN_LEDGER" in said
    untrusted = f"the gate does not work: {own_place}/.codex/config.toml: Codex skips these hooks until you trust them"
    assert untrusted in completed("codex").stderr
    assert "does not work" not in completed("codex", "--uninstall").stderr


def test_a_project_has_a_hook_of_its_own_that_is_not_shared(own_place: Path) -> None:
    path = own_place / "work" / ".claude" / "settings.local.json"
    assert run("claude-code", "--project").endswith(f"{path}: written\n")
    assert os.listdir(path.parent) == [path.name]
    run("claude-code", "--project", "--uninstall")
    assert path.read_text(encoding="utf-8") == "{}\n"


def test_in_a_repository_it_is_said_to_be_no_part_of_it(own_place: Path) -> None:
    path, said = own_place / "work" / ".claude" / "settings.local.json", "keep out of commits"
    assert said not in completed("claude-code", "--project").stderr
    run("claude-code", "--project", "--uninstall")
    (own_place / "work" / ".git").mkdir()
    assert (
        f"budgauge: {said}, because of this machine's paths: {path}\n" in completed("claude-code", "--project").stderr
    )
    assert said not in completed("claude-code", "--project").stderr


def test_a_link_is_shown_with_its_target_and_never_followed_out_of_a_project(own_place: Path) -> None:
    target = own_place / "dotfiles"
    target.mkdir()
    (own_place / ".claude").symlink_to(target)
    (own_place / "work" / ".claude").symlink_to(target)
    refused = completed("claude-code", "--project", check=False)
    assert (refused.returncode, os.listdir(target)) == (2, [])
    assert f"leads to {target}/settings.local.json, outside the project" in refused.stderr
    assert f"{own_place}/.claude/settings.json is a link to {target}/settings.json\n" in run("claude-code")


FLAGS = ["-I", *(["-P"] if sys.version_info >= (3, 11) else [])]


@pytest.mark.parametrize("flag", FLAGS)
def test_without_a_script_nothing_is_imported_from_the_working_folder(
    own_place: Path, monkeypatch: pytest.MonkeyPatch, flag: str
) -> None:
    monkeypatch.setattr(module, "_scripts", lambda: iter(()))
    monkeypatch.setattr(module, "apart", lambda: flag)
    command = module.own_command("claude-code", Options(), os.environ)
    assert shlex.split(command) == [
        sys.executable,
        flag,
        "-m",
        "budgauge",
        "hook",
        "claude-code",
        "--home",
        str(own_place),
    ]
    for name in ("budgauge", "re", "msgspec"):
        (own_place / "work" / f"{name}.py").write_text("raise SystemExit('imported')", encoding="utf-8")
    done = subprocess.run(command, shell=True, input=b'{"hook_event_name": "Stop"}', capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_where_python_looks_elsewhere_for_modules_it_is_told_not_to(
    own_place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", f":{own_place}")
    command = module.own_command("codex", Options(), os.environ)
    assert shlex.split(command) == [sys.executable, "-I", "-m", "budgauge", "hook", "codex", "--home", str(own_place)]
    (own_place / "work" / "msgspec.py").write_text("raise SystemExit('imported')", encoding="utf-8")
    done = subprocess.run(command, shell=True, input=b'{"hook_event_name": "Stop"}', capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    monkeypatch.setattr(module, "_failure", lambda _words: "No module named budgauge")
    assert module.own_command("codex", Options(), os.environ).endswith(f"/budgauge hook codex --home {own_place}")


def test_the_flag_is_one_that_python_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [module.apart(version) for version in ((3, 10), (3, 11), (3, 14))] == ["-I", "-P", "-P"]
    monkeypatch.setattr(module, "_scripts", lambda: iter(()))
    monkeypatch.setattr(module, "apart", lambda: "-X-no-such-flag")
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(ConfigError, match="agents could not start budgauge"):
        module.own_command("codex", Options(), os.environ)


def run(agent: str, *more: str, path: str | None = None) -> str:
    """What the command says on standard output."""
    return completed(agent, *more, path=path).stdout


def completed(agent: str, *more: str, path: str | None = None, check: bool = True) -> subprocess.CompletedProcess[str]:
    """The command, run to its end."""
    env = {**os.environ, "PATH": path or os.environ["PATH"]}
    command = [sys.executable, "-m", "budgauge", "hook", "install", agent, *more]
    return subprocess.run(command, check=check, capture_output=True, text=True, env=env)
