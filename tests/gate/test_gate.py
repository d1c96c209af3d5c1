"""What an agent is answered at its hooks, and that the ledger is right afterwards."""

from __future__ import annotations

import calendar
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from asking import Stage, refusal, reset_line
from budgauge.gate import Answer
from sources.rollouts import CHILD, PARENT, START, Log
from sources.sessions import OTHER, Session, tokens
from usage import line

ALLOWED = Answer()
DECIDING = ("UserPromptSubmit", "PreToolUse")
EXCEEDED = "Total budget of 100 tokens would be exceeded (current: 100, requested: 1)"
UPDATING = ("PostToolUse", "Stop", "SubagentStop", "SessionStart", "SessionEnd", "PreCompact", "Whatever")


@pytest.fixture(params=["codex", "claude-code"])
def stage(request: pytest.FixtureRequest, own_place: Path, ledger: Path) -> Stage:
    return Stage(request.param, own_place, ledger)


@pytest.fixture
def codex(own_place: Path, ledger: Path) -> Stage:
    return Stage("codex", own_place, ledger)


@pytest.fixture
def claude(own_place: Path, ledger: Path) -> Stage:
    return Stage("claude-code", own_place, ledger)


def limited(agent: str) -> str:
    """Why it is refused where an agent used all of its limit of 100."""
    return f"Agent {agent} would exceed limit of 100 tokens (current: 100, requested: 1)"


@pytest.mark.parametrize("event", DECIDING)
def test_it_is_allowed_until_nothing_is_left(stage: Stage, event: str) -> None:
    stage.config("total_budget = 100\nwarning_threshold = 100")
    stage.spend(80, 19)
    assert stage.ask(event) == ALLOWED
    stage.spend(0, 1)
    assert refusal(stage.ask(event)) == "Total budget of 100 tokens would be exceeded (current: 100, requested: 1)"
    assert stage.used == {stage.agent: 100}


@pytest.mark.parametrize("event", DECIDING)
@pytest.mark.parametrize("family", [False, True])
def test_its_own_limit_and_its_familys_refuse(stage: Stage, event: str, family: bool) -> None:
    who = f"{stage.agent}/*" if family else stage.agent
    stage.config(f'total_budget = 0\nper_agent_limits = {{"{who}" = 100}}')
    stage.spend(90, 9)
    assert stage.ask(event) == ALLOWED
    stage.spend(1, 0)
    assert refusal(stage.ask(event)) == f"Agent {who} would exceed limit of 100 tokens (current: 100, requested: 1)"


def test_a_sub_agent_has_its_own_limit(stage: Stage) -> None:
    stage.config(f'total_budget = 0\nper_agent_limits = {{"{stage.agent}/Explore" = 10}}')
    stage.spend(1, 0)
    stage.spend_below(1, 9, 1)
    assert stage.ask("PreToolUse") == ALLOWED
    assert stage.ask("PreToolUse", agent_id="a2", agent_type="Plan") == ALLOWED
    assert refusal(stage.ask("PreToolUse", agent_id="a1", agent_type="Explore")) == (
        f"Agent {stage.agent}/Explore would exceed limit of 10 tokens (current: 10, requested: 1)"
    )


def test_a_sub_agent_without_a_type_goes_by_its_id(stage: Stage) -> None:
    stage.config(f'total_budget = 0\nper_agent_limits = {{"{stage.agent}/a7" = 0}}')
    assert refusal(stage.ask("PreToolUse", agent_id="a7")) == (
        f"Agent {stage.agent}/a7 would exceed limit of 0 tokens (current: 0, requested: 1)"
    )


def test_a_sub_agent_of_codex_goes_by_the_role_in_its_own_log(codex: Stage) -> None:
    codex.config('total_budget = 0\nper_agent_limits = {"codex/worker" = 10}')
    child = Log(CHILD).meta(agent_role="worker", session_id=PARENT).turn().call(9, 0, 1, 0).write(codex.codex)
    own = codex.ask("PreToolUse", transcript_path=str(child), session_id=CHILD)
    assert refusal(own) == "Agent codex/worker would exceed limit of 10 tokens (current: 10, requested: 1)"


def test_projects_can_be_the_agents_names(stage: Stage) -> None:
    stage.config('total_budget = 0\nper_agent_limits = {"app" = 5}\n[token_budget.collect]\nagent = "project"')
    stage.spend(5, 0)
    assert refusal(stage.ask()) == "Agent app would exceed limit of 5 tokens (current: 5, requested: 1)"


def test_a_budget_that_nobody_set_never_refuses_but_limits_do(stage: Stage) -> None:
    stage.spend(3_000_000, 1)
    assert stage.ask() == ALLOWED
    assert stage.ask("PostToolUse") == ALLOWED, "nor does it warn"
    assert stage.used == {stage.agent: 3_000_001}
    stage.config(f'per_agent_limits = {{"{stage.agent}" = 5}}')
    assert stage.ask().code == 2


@pytest.mark.parametrize("event", UPDATING)
def test_other_events_bring_the_ledger_up_to_date_and_never_refuse(stage: Stage, event: str) -> None:
    stage.config(f'total_budget = 1\nwarning_threshold = 100\nper_agent_limits = {{"{stage.agent}" = 0}}')
    stage.spend(70, 7)
    stage.spend_below(1, 5, 0)
    assert stage.ask(event).code == 0
    assert stage.used == {stage.agent: 77, f"{stage.agent}/Explore": 5}


def test_calls_since_the_last_answer_are_booked_once(stage: Stage) -> None:
    stage.config("total_budget = 10_000")
    for number in range(1, 6):
        stage.spend(number, 1)
        stage.spend_below(number, 10 * number, 0)
        for event in (*DECIDING, "Stop"):
            assert stage.ask(event) == ALLOWED
    assert stage.used == {stage.agent: 20, f"{stage.agent}/Explore": 150}


def test_an_answer_without_news_reads_no_log_again(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    stage.config("total_budget = 10_000")
    stage.spend(7, 1)
    assert stage.ask() == ALLOWED
    opened: list[str] = []
    real = os.open

    def note(path: Any, *args: Any, **options: Any) -> int:
        opened.append(str(path))
        return real(path, *args, **options)

    monkeypatch.setattr(os, "open", note)
    assert stage.ask("Stop") == ALLOWED
    assert str(stage.ledger) in opened
    assert opened.count(str(stage.transcript)) == 1, "its first line names the session's folder"


def test_sub_agents_at_any_depth_below_the_session(claude: Stage) -> None:
    claude.config("total_budget = 10_000")
    for number, folder in enumerate(("", "workflows/w1", "workflows/w1/deep")):
        below = Session(agent=f"a{number}").said(f"m{number}", tokens(10**number, 0))
        below.write(claude.claude, kind="Plan", folder=folder)
    Session(OTHER).said("other", tokens(5000, 0)).write(claude.claude)
    assert claude.ask() == ALLOWED
    assert claude.used == {"claude-code/Plan": 111}


def test_rollouts_of_the_same_session_and_of_no_other(codex: Stage) -> None:
    codex.config("total_budget = 10_000_000")
    strangers: tuple[dict[str, str], ...] = ({}, {"session_id": CHILD}, {"parent_thread_id": CHILD})
    kin = ({"session_id": PARENT}, {"parent_thread_id": PARENT.upper()}, {"session_id": PARENT.upper()})
    today = time.strftime("sessions/%Y/%m/%d")
    for number, meta in enumerate((*strangers, *kin)):
        child = Log(f"{PARENT[:-2]}{number:02x}").meta(**meta, agent_role="w").turn().call(10**number, 0, 0, 0)
        child.write(codex.codex, folder=today if number % 2 else "sessions/2026/11/24")
    assert codex.ask() == ALLOWED
    assert codex.ask("Stop") == ALLOWED
    assert codex.used == {"codex/w": 111_000}


def test_a_sub_agents_sub_agent_that_names_its_parent_alone(codex: Stage) -> None:
    codex.config("total_budget = 10_000")
    Log(CHILD).meta(parent_thread_id=PARENT, agent_role="w").turn().call(1, 0, 0, 0).write(codex.codex)
    below = Log(f"{CHILD[:-2]}ff").meta(parent_thread_id=CHILD, agent_role="w").turn().call(10, 0, 0, 0)
    below.write(codex.codex)
    assert codex.ask() == ALLOWED
    assert codex.used == {"codex/w": 11}


def test_a_rollout_whose_first_line_comes_later_is_found_then(codex: Stage) -> None:
    codex.config("total_budget = 10_000")
    child = Log(CHILD).meta(session_id=PARENT, agent_role="w").turn().call(9, 0, 1, 0)
    path = child.write(codex.codex)
    path.write_bytes(child.data[:50])
    assert codex.ask() == ALLOWED
    child.write(codex.codex)
    assert codex.ask() == ALLOWED
    assert codex.used == {"codex/w": 10}


def test_what_a_fork_copied_is_not_counted(codex: Stage) -> None:
    codex.config("total_budget = 10_000")
    for number in (100, 200, 300):
        codex.spend(number, 1)
    assert isinstance(codex.log, Log)
    child = Log(CHILD, start=START + 900).meta(session_id=PARENT, forked_from_id=PARENT).copy_of(codex.log)
    child.call(7, 0, 1, 0).write(codex.codex)
    assert codex.ask() == ALLOWED
    assert codex.used == {"codex": 603 + 8}


def test_what_a_fork_copied_from_another_session_is_not_counted(codex: Stage) -> None:
    codex.config("total_budget = 10_000")
    parent = Log().meta().turn().call(100, 0, 1, 0).call(200, 0, 1, 0)
    parent.write(codex.codex, folder="sessions/2026/01/01")
    codex.transcript.unlink()
    child = Log(CHILD, start=START + 900).meta(forked_from_id=PARENT).copy_of(parent).call(7, 0, 1, 0)
    path = child.write(codex.codex)
    for _ in range(2):
        assert codex.ask(session_id=CHILD, transcript_path=str(path)) == ALLOWED
        assert codex.used == {"codex": 8}


def test_a_rollout_named_beside_the_transcript_is_read_too(codex: Stage) -> None:
    codex.config("total_budget = 10_000")
    path = Log(CHILD).meta(agent_role="w").turn().call(9, 0, 1, 0).write(codex.codex, folder="sessions/2020/01/01")
    assert codex.ask("SubagentStop", agent_transcript_path=str(path)) == ALLOWED
    assert codex.used == {"codex/w": 10}


def test_a_sub_agents_log_named_beside_the_transcript_is_read_too(claude: Stage) -> None:
    """Where older versions put it: beside the session's own."""
    claude.config("total_budget = 10_000")
    path = claude.transcript.with_name("agent-b1.jsonl")
    path.write_bytes(Session(agent="b1").said("b1", tokens(9, 1), attributionAgent="w").data)
    assert claude.ask("SubagentStop", agent_transcript_path=str(path)) == ALLOWED
    assert claude.used == {"claude-code/w": 10}


@pytest.mark.parametrize("event", ["UserPromptSubmit", "PostToolUse"])
def test_the_agent_is_warned_once_a_session(stage: Stage, event: str) -> None:
    stage.config("total_budget = 100")
    stage.spend(70, 9)
    assert stage.ask(event) == ALLOWED
    stage.spend(2, 0)
    assert stage.ask("Stop") == ALLOWED
    reply = stage.ask(event)
    text = "Token budget warning: 81.0% used (81 / 100)"
    assert (reply.code, reply.error) == (0, "")
    specific = {"hookEventName": event, "additionalContext": text}
    assert json.loads(reply.output) == {"systemMessage": text, "hookSpecificOutput": specific}
    for again in ("UserPromptSubmit", "PostToolUse", "PreToolUse"):
        assert stage.ask(again) == ALLOWED
    assert json.loads(stage.ask(event, session_id="another").output)["systemMessage"] == text


def test_a_refusal_carries_no_warning_and_uses_none_up(stage: Stage) -> None:
    stage.config("total_budget = 100")
    stage.spend(100, 0)
    assert refusal(stage.ask()) == EXCEEDED
    assert "100.0% used" in stage.ask("PostToolUse").output


def test_after_a_reset_it_is_allowed_again(stage: Stage) -> None:
    stage.config("total_budget = 100")
    stage.spend(100, 0)
    assert stage.ask().code == 2
    with stage.ledger.open("ab") as file:
        file.write(reset_line(START + 400))
    assert stage.ask() == ALLOWED
    assert stage.used == {}


def test_from_the_last_reset_on(stage: Stage) -> None:
    stage.config("total_budget = 10_000")
    stage.spend(1, 0)
    before = stage.log.time
    stage.spend(10, 0)
    stage.ledger.write_bytes(reset_line(START - 5) + reset_line(before))
    assert stage.ask() == ALLOWED
    assert stage.used == {stage.agent: 10}


def test_without_a_reset_from_the_first_collected_call_on(stage: Stage) -> None:
    stage.config("total_budget = 10_000")
    stage.spend(1, 0)
    before = stage.log.time
    stage.spend(10, 0)
    stage.ledger.write_bytes(line("x", 5, 0, timestamp=START - 9) + line("x", 7, 0, id="x", timestamp=START - 9))
    assert stage.ask() == ALLOWED
    assert stage.used == {"x": 12}, "calls that nobody collected do not tell"
    stage.ledger.write_bytes(line("x", 7, 0, id="x", source="codex", timestamp=before))
    assert stage.ask().code == 0
    assert stage.used == {"x": 7, stage.agent: 10}


def test_with_a_cycle_from_its_beginning_on(own_place: Path, ledger: Path) -> None:
    stage = Stage("claude-code", own_place, ledger)
    stage.config('total_budget = 10_000\n[token_budget.cycle]\nperiod = "monthly"')
    ledger.unlink()
    assert isinstance(stage.log, Session)
    now = time.gmtime()
    begin = calendar.timegm((now.tm_year, now.tm_mon, 1, 0, 0, 0))
    for seconds, spent in ((begin - 1, 1), (begin, 10), (begin + 1, 100)):
        stage.log.time = seconds
        stage.spend(spent, 0)
    assert stage.ask() == ALLOWED
    assert stage.used == {"claude-code": 110}


def test_without_either_from_midnight_on(own_place: Path, ledger: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    stage = Stage("claude-code", own_place, ledger)
    stage.config("total_budget = 10_000")
    ledger.unlink()
    assert isinstance(stage.log, Session)
    midnight = int(time.mktime((*time.localtime()[:3], 0, 0, 0, 0, 0, -1)))
    for seconds, spent in ((midnight - 1, 1), (midnight, 10), (midnight + 1, 100)):
        stage.log.time = seconds
        stage.spend(spent, 0)
    assert stage.ask() == ALLOWED
    assert stage.used == {"claude-code": 110}


def test_a_projects_budget_is_found_from_where_the_session_works(stage: Stage, tmp_path: Path) -> None:
    project = tmp_path / "project"
    (project / ".codex").mkdir(parents=True)
    (project / ".codex" / "token_budget.toml").write_text("[token_budget]\ntotal_budget = 5\n", encoding="utf-8")
    stage.spend(5, 0)
    assert stage.ask() == ALLOWED
    assert stage.ask(cwd=str(project)).code == 2


def hook(stage: Stage, data: bytes, *options: str) -> subprocess.Popen[bytes]:
    environment = os.environ if options else {**os.environ, "CODEX_TOKEN_LEDGER": str(stage.ledger)}
    command, pipe = [sys.executable, "-m", "budgauge", "hook", *options], subprocess.PIPE
    process = subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, stderr=pipe)
    assert process.stdin is not None
    process.stdin.write(data)
    process.stdin.close()
    process.stdin = None
    return process


@pytest.mark.parametrize("named", [False, True])
def test_the_command_answers_by_exit_code_and_both_outputs(stage: Stage, named: bool) -> None:
    options = ["--ledger", str(stage.ledger)] if named else []
    stage.config("total_budget = 100")
    stage.spend(85, 0)
    told = hook(stage, stage.call(), *options)
    out, err = told.communicate()
    assert (told.returncode, err) == (0, b"")
    assert json.loads(out)["hookSpecificOutput"]["hookEventName"] == "UserPromptSubmit"
    stage.spend(15, 0)
    process = hook(stage, stage.call("PreToolUse"), *options)
    out, err = process.communicate()
    assert (out, refusal(Answer(process.returncode, error=err.decode()))) == (b"", EXCEEDED)


def test_many_at_once_count_everything_once(stage: Stage) -> None:
    stage.config("total_budget = 100_000")
    for number in range(1, 4):
        for step in range(20):
            stage.spend(number, step)
        stage.spend_below(number, 1000 * number, 0)
        asked = [hook(stage, stage.call(event)) for event in (*DECIDING, "PostToolUse", "Stop")]
        for process in asked:
            assert (*process.communicate(), process.returncode) == (b"", b"", 0)
        own = sum(20 * step + 190 for step in range(1, number + 1))
        below = sum(1000 * step for step in range(1, number + 1))
        assert stage.used == {stage.agent: own, f"{stage.agent}/Explore": below}


@pytest.mark.parametrize(
    "odd",
    [
        b'"tool_input": {"a": "cut emoji \\ud83d"}',
        b'"tool_input": {"a": "\\ude00 \\\\ud83d"}',
        b'"tool_input": ' + b"[" * 3000 + b"]" * 3000,
        b'"tool_input": NaN',
        b'"prompt": "hi \\ud83d", "agent_type": 5',
        b'"tool_use_id": 5',
    ],
)
@pytest.mark.parametrize("event", ["UserPromptSubmit", "PreToolUse"])
def test_nothing_that_a_model_writes_opens_the_gate(stage: Stage, event: str, odd: bytes) -> None:
    stage.config("total_budget = 100")
    stage.spend(100, 0)
    assert refusal(stage.answer(stage.call(event)[:-1] + b", " + odd + b"}")) == EXCEEDED


def test_a_text_cut_within_a_character_hides_no_call(stage: Stage) -> None:
    stage.config("total_budget = 100")
    stage.spend(60, 0)
    stage.log.data = stage.log.data.replace(b'"text":"x"', b'"text":"x \\ud83d"')
    if isinstance(stage.log, Log):
        stage.log.line("session_meta", {"id": "p"}).call(40, 0, 0, 0)
        stage.log.data = stage.log.data.replace(b'"rate_limits":null', b'"rate_limits":{"name":"\\ud83d"}')
    else:
        stage.log.said("msg_cut", tokens(40, 0))
    stage.transcript.write_bytes(stage.log.data)
    assert stage.ask().code == 2
    assert sum(stage.used.values()) == 100


def test_what_a_call_grew_by_after_a_reset_counts(claude: Stage) -> None:
    claude.config("total_budget = 1000")
    assert isinstance(claude.log, Session)
    claude.log.said("msg_1", tokens(100, 1), stop=None).write(claude.claude)
    assert claude.ask() == ALLOWED
    with claude.ledger.open("ab") as file:
        file.write(reset_line(START + 50))
    claude.log.said("msg_1", tokens(100, 5000)).write(claude.claude)
    assert claude.ask().code == 2
    assert claude.used == {"claude-code": 4999}


def test_a_project_stays_the_project_when_the_agent_goes_elsewhere(
    claude: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tmp_path / "proj"
    (project / ".codex").mkdir(parents=True)
    (project / ".codex" / "config.toml").write_text("[token_budget]\ntotal_budget = 5\n", encoding="utf-8")
    claude.spend(5, 0)
    assert claude.ask(cwd=str(tmp_path)).code == 0
    monkeypatch.setenv("CLAUDE_PROJECT_DIR", str(project))
    assert claude.ask(cwd=str(tmp_path)).code == 2


def test_a_sub_agent_begun_on_a_day_between_is_found(codex: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    codex.config("total_budget = 10_000")
    monkeypatch.setattr(time, "time", lambda: START + 3 * 86_400)
    meta = {"session_id": PARENT, "agent_role": "w", "base_instructions": "x" * 300_000}
    Log(CHILD).meta(**meta).turn().call(9, 0, 1, 0).write(codex.codex, folder="sessions/2025/11/25")
    for path in codex.codex.rglob("*/24/*.jsonl"):
        (codex.codex / "sessions/2025/11/24").mkdir(parents=True, exist_ok=True)
        codex.transcript = path.rename(codex.codex / "sessions/2025/11/24" / path.name)
    assert codex.ask() == ALLOWED
    assert codex.used == {"codex/w": 10}


def test_a_session_begun_as_some_agent_is_still_the_sessions_own(claude: Stage) -> None:
    """`claude --agent x` tells a type and no id; its calls are booked on `claude-code`."""
    claude.config('[token_budget.per_agent_limits]\n"claude-code" = 100')
    claude.spend(100, 0)
    for event in DECIDING:
        assert refusal(claude.ask(event, agent_type="reviewer")) == limited("claude-code")


@pytest.mark.parametrize("named", [{"agent_id": "a1"}, {"agent_type": "free"}, {"turn_id": "t"}, {"cwd": "/"}])
def test_a_model_cannot_say_who_asks(stage: Stage, named: dict[str, str]) -> None:
    stage.config(f'[token_budget.per_agent_limits]\n"{stage.agent}" = 100')
    stage.spend(100, 0)
    deep = b'"deep": ' + b"[" * 3000 + b"]" * 3000
    for field in (b"tool_input", b"prompt"):
        free = b', "%s": {%s, %s}}' % (field, json.dumps(named)[1:-1].encode(), deep)
        assert refusal(stage.answer(stage.call("PreToolUse")[:-1] + free)) == limited(stage.agent)


def test_a_codex_thread_is_named_by_the_project_it_was_begun_in(codex: Stage, tmp_path: Path) -> None:
    codex.config('[token_budget.collect]\nagent = "project"\n[token_budget.per_agent_limits]\n"app" = 100')
    codex.spend(100, 0)
    assert refusal(codex.ask(cwd=str(tmp_path))) == limited("app")
    assert codex.used == {"app": 100}


def test_sub_agents_logs_that_cannot_be_listed_are_told_of(claude: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    claude.config("total_budget = 100")
    claude.spend_below(1, 5, 0)
    shut = claude.transcript.with_suffix("") / "subagents"
    listed = os.scandir

    def scandir(folder: str) -> object:
        if Path(folder) == shut:
            raise PermissionError(13, "Permission denied", folder)
        return listed(folder)

    monkeypatch.setattr(os, "scandir", scandir)
    assert f"cannot read {shut}: Permission denied" in claude.ask().error


def test_what_is_kept_of_a_session_goes_when_it_is_old(stage: Stage, own_place: Path) -> None:
    stage.config("total_budget = 100")
    assert stage.ask() == ALLOWED
    kept = list((own_place / ".cache" / "budgauge").glob("hook-*"))
    for path in kept:
        os.utime(path, (1, 1))
    assert {path.suffix for path in kept} == {".pos", ".notes", ".turn", ".asked"}
    assert stage.ask(session_id=OTHER) == ALLOWED
    assert [path for path in kept if path.exists()] == []
