"""Sessions that spent without asking the gate, as the commands tell of them."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from budgauge.cli import cli
from budgauge.files.cache import cache_folder
from budgauge.sources.unasked.asked import Hook, add_hook, read_hooks
from clock import Clock
from unasking import AGENTS, Sessions, session_id


@pytest.fixture
def place(own_place: Path, monkeypatch: pytest.MonkeyPatch) -> Sessions:
    """It is noon, and the hooks of both agents have called for an hour."""
    now = int(time.time())
    ahead = 12 * 3600 - now % 86_400
    monkeypatch.setenv("TZ", f"NOON{'-' if ahead > 0 else '+'}{abs(ahead) // 3600}:{abs(ahead) // 60 % 60:02}")
    time.tzset()
    place = Sessions(own_place, Clock(now - 60))
    for agent in AGENTS:
        add_hook(cache_folder(), Hook(agent, str(place.folder(agent)), "", now - 3600))
    return place


def run(*arguments: str) -> Result:
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 0, result.output
    return result


def spend(place: Sessions) -> None:
    """One session asks, and one of each agent does not."""
    for number, agent in enumerate(("codex", "codex", "claude-code"), 1):
        place.begin(agent, number)
        if number == 1:
            place.ask(agent, number)
        place.spend(number, 20_000 + number)
    run("collect", "--since", "all")


TEXT = "2 sessions today spent 40,005 tokens without asking the gate"


def test_status_tells_of_them(place: Sessions) -> None:
    assert json.loads(run("status", "--json").stdout)["unasked"] == []
    assert "asking the gate" not in run("status").stdout
    spend(place)
    assert json.loads(run("status", "--json").stdout)["unasked"] == [
        {"session": session_id(3), "agent_id": "claude-code", "used": 20_003},
        {"session": session_id(2), "agent_id": "codex", "used": 20_002},
    ]
    assert TEXT in run("status").stdout


def test_the_doctor_tells_of_each(place: Sessions) -> None:
    spend(place)
    checks = json.loads(run("doctor", "--json").stdout)["checks"]
    (finding,) = [check for check in checks if check["name"] == "sessions"]
    assert (finding["state"], finding["message"]) == ("warning", TEXT)
    assert "budgauge hook install AGENT --uninstall" in finding["mend"]
    assert finding["details"] == [
        f"claude-code {session_id(3)}: 20,003 tokens, begun in {place.home / 'work'}",
        f"codex {session_id(2)}: 20,002 tokens, begun in {place.home / 'work'}",
    ]


def test_a_dry_run_remembers_nothing(place: Sessions) -> None:
    place.begin("codex", 1)
    place.spend(1)
    run("collect", "--since", "all", "--dry-run")
    assert json.loads(run("status", "--json").stdout)["unasked"] == []


@pytest.mark.parametrize("agent", AGENTS)
@pytest.mark.parametrize("project", [False, True])
def test_installing_a_hook_begins_it_and_uninstalling_ends_it(own_place: Path, agent: str, project: bool) -> None:
    options = [agent, *(["--project"] if project else [])]
    before = time.time()
    run("hook", "install", *options)
    (hook,) = read_hooks(cache_folder())
    home = own_place / (".codex" if agent == "codex" else ".claude")
    assert hook.place == ((agent, "", str(own_place / "work")) if project else (agent, str(home), ""))
    assert hook.since >= before
    run("hook", "install", *options)
    assert read_hooks(cache_folder()) == [hook], "nothing was to change"
    run("hook", "install", *options, "--uninstall")
    assert read_hooks(cache_folder()) == []
    add_hook(cache_folder(), hook)
    run("hook", "install", *options, "--uninstall")
    assert read_hooks(cache_folder()) == [], "hooks that were taken out by hand"


def test_hooks_that_were_gone_call_from_their_new_installation_on(own_place: Path) -> None:
    run("hook", "install", "claude-code")
    (first,) = read_hooks(cache_folder())
    settings = own_place / ".claude" / "settings.json"
    settings.write_text("{}", encoding="utf-8")
    run("hook", "install", "claude-code")
    (second,) = read_hooks(cache_folder())
    assert second.since > first.since
