"""Attacks on the gate that need a test of their own size; small here, as large as they were with `--full`."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from asking import Stage, refusal
from budgauge import gate
from budgauge.gate import Answer
from budgauge.sources.claude_code.transcript import Session as Reader
from sources.sessions import Session, tokens

OVER = "Total budget of 100 tokens would be exceeded (current: 100, requested: 1)"
WAIT_SECONDS = 60
Sized = Callable[[int, int], int]


@pytest.fixture(params=["codex", "claude-code"])
def stage(request: pytest.FixtureRequest, own_place: Path, ledger: Path) -> Stage:
    return Stage(request.param, own_place, ledger)


def headers(folder: Path) -> None:
    # 151 KB: the parser needs the square of the number of parts.
    (folder / "config.toml").write_text("[token_budget]\n" + f"[{'.'.join('a' * 75_000)}]\n", encoding="utf-8")


def raised(folder: Path) -> None:
    limits = "per_agent_limits = { codex = 10_000, claude-code = 10_000 }\n"
    (folder / "config.toml").write_text(f"[token_budget]\ntotal_budget = 10_000\n{limits}", encoding="utf-8")


def link_to_nothing(folder: Path) -> None:
    (folder / "config.toml").symlink_to("/nowhere/config.toml")


def link_to_no_text(folder: Path) -> None:
    (folder / "config.toml").symlink_to("/dev/zero")


def fifo(folder: Path) -> None:
    os.mkfifo(folder / "config.toml")


@pytest.mark.parametrize("attack", [headers, raised, link_to_nothing, link_to_no_text, fifo])
def test_what_stands_in_a_projects_place_takes_no_budget_away(
    stage: Stage, tmp_path: Path, attack: Callable[[Path], None]
) -> None:
    stage.config("total_budget = 100")
    project = tmp_path / "app" / ".codex"
    project.mkdir(parents=True)
    attack(project)
    stage.spend(100, 0)
    for event in ("UserPromptSubmit", "PreToolUse"):
        assert refusal(stage.ask(event, cwd=str(project.parent))) == OVER


@pytest.mark.parametrize("policy", ["allow", "deny"])
def test_a_sparse_transcript_is_not_decided_on(stage: Stage, policy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    stage.config(f'total_budget = 100\non_hook_error = "{policy}"')
    os.truncate(stage.transcript, 0)
    os.truncate(stage.transcript, 10 << 30)
    reads: list[int] = []
    pread = os.pread
    monkeypatch.setattr(os, "pread", lambda *arguments: reads.append(1) or pread(*arguments))
    reply = stage.ask("PreToolUse")
    assert (reply.code, "no log that can be read" in reply.error) == (2 if policy == "deny" else 0, True)
    assert len(reads) < 100


@pytest.mark.parametrize("cwd", [None, "", "/", "relative", "sub"])
def test_wherever_the_agent_says_that_it_is_its_calls_are_its_own(
    stage: Stage, tmp_path: Path, cwd: str | None
) -> None:
    stage.config("total_budget = 100")
    (tmp_path / "sub").mkdir()
    stage.spend(100, 0)
    assert refusal(stage.ask("PreToolUse", cwd=str(tmp_path / "sub") if cwd == "sub" else cwd)) == OVER
    assert stage.used == {stage.agent: 100}


def test_many_hooks_at_once_read_a_fresh_session_once(
    own_place: Path, ledger: Path, sized: Sized, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = Stage("claude-code", own_place, ledger)
    stage.config("total_budget = 1_000_000_000")
    messages, log = sized(300, 30_000), list[bytes]()
    for number in range(messages):
        one = Session()
        one.time += number
        log.append(one.said(f"m{number}", tokens(1, 0)).data)
    stage.transcript.write_bytes(b"".join(log))
    fed: list[int] = []
    real, replies = Reader.feed, list[Answer]()

    def feed(self: Any, data: bytes) -> None:
        fed.append(len(data))
        real(self, data)

    monkeypatch.setattr(Reader, "feed", feed)
    monkeypatch.setattr(gate.turn, "TURN_SECONDS", float(WAIT_SECONDS))
    hooks = [threading.Thread(target=lambda: replies.append(stage.ask())) for _ in range(12)]
    for hook in hooks:
        hook.start()
    for hook in hooks:
        hook.join(WAIT_SECONDS)
    assert replies == [Answer()] * 12
    assert sum(fed) == stage.transcript.stat().st_size
    assert stage.used == {"claude-code": messages}
