"""What an agent is answered when nothing can be decided: always something, as the config says, and never silently."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asking import Stage, refusal, reset_line
from budgauge import gate
from budgauge.config.load import Options
from budgauge.gate import Answer
from budgauge.ledger.ledger import LOCK_TIMEOUT_SECONDS
from budgauge.ledger.transaction import Transaction
from sources.rollouts import PARENT, START
from usage import line, locked, waiting_threads

DECIDING = ("UserPromptSubmit", "PreToolUse")
UPDATING = ("PostToolUse", "Stop", "SubagentStop", "Whatever")
UNREADABLE = {
    "empty": b"",
    "blank": b" \n",
    "text": b"garbage",
    "array": b"[]",
    "null": b"null",
    "number": b"5",
    "nested": b"[" * 100_000,
    "no-event": b"{}",
    "wrong-event": b'{"hook_event_name": 1}',
    "null-event": b'{"hook_event_name": null}',
    "cut": b'{"hook_event_name": "Stop"',
    "two": b'{"hook_event_name": "Stop"} {}',
    "bytes": b"\xff\xfe\x00",
    "latin-1": b'{"hook_event_name": "Stop", "session_id": "\xe4"}',
    "deep": b'{"hook_event_name": "Stop", "tool_input": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
}


@pytest.fixture(params=["codex", "claude-code"])
def stage(request: pytest.FixtureRequest, own_place: Path, ledger: Path) -> Stage:
    return Stage(request.param, own_place, ledger)


@pytest.fixture
def claude(own_place: Path, ledger: Path) -> Stage:
    return Stage("claude-code", own_place, ledger)


@pytest.fixture(params=["allow", "deny"])
def policy(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def check(reply: Answer, policy: str, event: str = "") -> str:
    """See that it is an answer where nothing was decided, under this policy; why it says so."""
    refuses = policy == "deny" and (not event or event in DECIDING)
    done = "so this was refused: " if refuses else "so this was allowed without a check: "
    begin = f"budgauge could not decide, {done}"
    assert reply.error.startswith(begin)
    if refuses:
        return refusal(reply)[len(begin) :]
    assert (reply.error[-1], reply.error.count("\n")) == ("\n", 1)
    assert reply.error[:-1].isprintable()
    assert (reply.code, json.loads(reply.output)) == (0, {"systemMessage": reply.error[:-1]})
    return reply.error[len(begin) : -1]


def test_what_is_booked_already_refuses_even_where_the_log_cannot_be_read(stage: Stage) -> None:
    stage.config("total_budget = 100")
    stage.spend(100, 0)
    stage.ask("Stop")
    stage.transcript.unlink()
    stage.transcript.mkdir()
    assert stage.ask().code == 2
    assert "would be exceeded" in stage.ask().error


@pytest.mark.parametrize("data", UNREADABLE.values(), ids=UNREADABLE)
def test_what_is_no_hook_call(claude: Stage, policy: str, data: bytes) -> None:
    claude.config(f'total_budget = 5\non_hook_error = "{policy}"')
    event = "Stop" if b'"Stop"' in data else ""
    assert check(claude.answer(data), policy, event).startswith("this is no hook call: ")


def fifo(stage: Stage) -> None:
    stage.transcript.unlink()
    os.mkfifo(stage.transcript)


def folder(stage: Stage) -> None:
    stage.transcript.unlink()
    stage.transcript.mkdir()


def loop(stage: Stage) -> None:
    stage.transcript.unlink()
    stage.transcript.symlink_to(stage.transcript)


def ledger_is_a_folder(stage: Stage) -> None:
    stage.ledger.unlink()
    stage.ledger.mkdir()


def ledger_is_a_fifo(stage: Stage) -> None:
    stage.ledger.unlink()
    os.mkfifo(stage.ledger)


def ledger_is_a_link(stage: Stage) -> None:
    stage.ledger.rename(stage.ledger.with_suffix(".real"))
    stage.ledger.symlink_to(stage.ledger.with_suffix(".real"))


def ledger_is_foreign(stage: Stage) -> None:
    stage.ledger.write_text("my diary\n")


def ledgers_folder_is_a_file(stage: Stage) -> None:
    stage.ledger.unlink()
    stage.ledger.parent.joinpath("file").write_text("")
    stage.ledger = stage.ledger.parent / "file" / "ledger.jsonl"


TROUBLES = [
    fifo,
    folder,
    loop,
    ledger_is_a_folder,
    ledger_is_a_fifo,
    ledger_is_a_link,
    ledger_is_foreign,
    ledgers_folder_is_a_file,
]


@pytest.mark.parametrize("event", [*DECIDING, *UPDATING])
@pytest.mark.parametrize("trouble", TROUBLES)
def test_logs_and_ledgers_that_cannot_be_used(
    stage: Stage, policy: str, event: str, trouble: Callable[[Stage], None]
) -> None:
    stage.config(f'total_budget = 10_000\non_hook_error = "{policy}"')
    stage.log.time = int(time.time()) + 60
    stage.spend(5, 1)
    trouble(stage)
    assert check(stage.ask(event), policy, event)
    if trouble is ledger_is_foreign:
        assert stage.ledger.read_text() == "my diary\n"


@pytest.mark.parametrize("event", DECIDING)
@pytest.mark.parametrize(
    "wrong", ['total_budget = "5"', "total_budget = ", "[", "\0", "count = 7", "cycle = 5", "x = " + "[" * 10_000]
)
def test_a_broken_config(stage: Stage, policy: str, event: str, wrong: str) -> None:
    stage.config(f'on_hook_error = "{policy}"\n{wrong}')
    assert "token_budget.toml" in check(stage.ask(event), policy, event)


def test_a_config_that_only_mentions_a_refusal_does_not_refuse(stage: Stage) -> None:
    stage.config('total_budget = "5"  # once: on_hook_error = "deny"\n# on_hook_error = "deny"')
    check(stage.ask(), "allow", "UserPromptSubmit")


def test_a_wrong_variable(stage: Stage, policy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    stage.config(f'on_hook_error = "{policy}"')
    monkeypatch.setenv("CODEX_TOKEN_BUDGET", "many")
    assert "CODEX_TOKEN_BUDGET" in check(stage.ask(), policy, "UserPromptSubmit")


def test_a_projects_own_policy_holds_wherever_the_command_runs(stage: Stage, tmp_path: Path) -> None:
    (tmp_path / "p" / ".codex").mkdir(parents=True)
    text = '[token_budget]\ntotal_budget = 5\non_hook_error = "deny"\n'
    (tmp_path / "p" / ".codex" / "token_budget.toml").write_text(text, encoding="utf-8")
    ledger_is_a_folder(stage)
    check(stage.ask(cwd=str(tmp_path / "p")), "deny", "UserPromptSubmit")


def timeouts(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long each who wants a ledger's lock from now on is ready to wait, in seconds."""
    enter, waits = Transaction.__enter__, list[float]()

    def noted(transaction: Transaction) -> Transaction:
        waits.append(transaction._ledger.lock_timeout)
        return enter(transaction)

    monkeypatch.setattr(Transaction, "__enter__", noted)
    return waits


@pytest.mark.parametrize("event", [*DECIDING, *UPDATING])
def test_a_ledger_that_another_process_holds(
    stage: Stage, policy: str, event: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert gate.session.LOCK_SECONDS < LOCK_TIMEOUT_SECONDS / 2, "an agent waits less long than other writers"
    monkeypatch.setattr(gate.session, "LOCK_SECONDS", 0.01)
    stage.config(f'total_budget = 1000\non_hook_error = "{policy}"')
    stage.spend(100, 0)
    earlier = set(waiting_threads())
    with locked(stage.ledger):
        waits = timeouts(monkeypatch)
        assert f"process {os.getpid()} has held the ledger's lock" in check(stage.ask(event), policy, event)
    assert set(waits) == {0.01}
    for thread in set(waiting_threads()) - earlier:
        thread.join(30)  # a wait that was given up has the lock for a moment
    assert stage.used == {}
    assert stage.ask() == Answer(), "it goes on once the lock is free"
    with locked(stage.ledger):
        assert stage.ask() == Answer(), "where nothing is new, nobody waits"


def test_a_transcript_that_is_not_there_yet_is_no_trouble(stage: Stage) -> None:
    stage.config("total_budget = 100")
    stage.transcript.unlink()
    assert stage.ask() == Answer()
    stage.spend(100, 0)
    assert stage.ask().code == 2


@pytest.mark.parametrize("key", ["transcript_path", "cwd", "session_id", "agent_id", "agent_type"])
@pytest.mark.parametrize("value", ["\0", "/a\0b", "x" * 5000, "/" * 5000, "\x1b]0;x\x07", "\u202e", "~", " ", ""])
def test_strange_names_do_not_hinder_a_decision(stage: Stage, key: str, value: str) -> None:
    stage.config("total_budget = 100")
    stage.spend(100, 0)
    assert stage.ask().code == 2
    reply = stage.ask("PreToolUse", **{key: value})
    if reply.error.startswith("budgauge could not decide"):
        assert key == "transcript_path", reply.error
        assert value not in ("\0", "/a\0b", "")
    else:
        assert (reply.code, reply.error[:12]) == (2, "Total budget")


@pytest.mark.parametrize("value", [None, 5, [], {}, True])
def test_fields_of_a_wrong_kind(stage: Stage, policy: str, value: object) -> None:
    stage.config(f'total_budget = 100\non_hook_error = "{policy}"')
    stage.spend(1, 0)
    reply = stage.ask("PreToolUse", agent_type=value)
    if value is None:
        assert reply == Answer()
    else:
        check(reply, policy)


def test_a_huge_call_is_answered(stage: Stage, policy: str) -> None:
    stage.config(f'total_budget = 100\non_hook_error = "{policy}"')
    stage.spend(100, 0)
    assert stage.ask(prompt="x" * 20_000_000).error.startswith("Total budget of 100 tokens")


def test_a_call_longer_than_any_is_not_read_to_its_end(
    claude: Stage, policy: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    claude.config(f'on_hook_error = "{policy}"')
    data = io.BytesIO(claude.call(prompt="x" * 1000))
    monkeypatch.setattr(gate, "MAX_BYTES", 500)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(data))
    code = gate.main()
    assert data.tell() <= io.DEFAULT_BUFFER_SIZE
    check(Answer(code, *capsys.readouterr()), policy)


def test_a_cache_folder_that_cannot_be_written_changes_no_answer(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    check_answers_without_a_cache(stage)


def test_a_cache_folder_that_cannot_be_named_changes_no_answer(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/tmp/" + "x" * 300)
    check_answers_without_a_cache(stage)


def check_answers_without_a_cache(stage: Stage) -> None:
    stage.config("total_budget = 100")
    stage.spend(85, 0)
    for _ in range(2):
        assert "85.0% used" in stage.ask().output
    stage.spend(15, 0)
    for _ in range(2):
        assert stage.ask().code == 2
    assert stage.used == {stage.agent: 100}


_AS_NOBODY = """
import os, sys
from budgauge import gate
from budgauge.config.load import Options
data = sys.stdin.buffer.read()
gate.answer(data, Options(ledger="warm.jsonl"))  # what it loads cannot be loaded any more later
os.chmod(os.path.expanduser("~/.cache"), 0o000)
if os.getuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
reply = gate.answer(data, Options(ledger=sys.argv[1]))
sys.stderr.write(reply.error)
sys.exit(reply.code)
"""


def test_a_cache_folder_that_cannot_be_entered_changes_no_answer(codex_for_all: Stage) -> None:
    stage = codex_for_all
    stage.config("total_budget = 100")
    stage.spend(100, 0)
    Path("warm.jsonl").write_bytes(stage.ledger.read_bytes())
    command = [sys.executable, "-c", _AS_NOBODY, str(stage.ledger)]
    done = subprocess.run(command, input=stage.call(), capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (2, b""), done.stderr.decode()


@pytest.fixture
def codex_for_all(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    """A home that anyone may use: not below pytest's own folder, which other runs close."""
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        monkeypatch.setenv("HOME", name)
        for folder in (home / ".cache", home / "work"):
            folder.mkdir()
        monkeypatch.chdir(home / "work")
        stage = Stage("codex", home, home / "token_usage.jsonl")
        home.chmod(0o777)
        stage.ledger.chmod(0o666)
        yield stage
        (home / ".cache").chmod(0o700)


KEYS = ("hook_event_name", "session_id", "transcript_path", "agent_transcript_path", "cwd", "agent_id", "agent_type")
TEXTS = st.one_of(
    st.sampled_from([*DECIDING, *UPDATING, "", "/", ".", "..", "\0", "rollout-x", "/rollout-1.jsonl", PARENT]),
    st.text(st.characters(exclude_categories=()), max_size=20),
)
LEAVES = st.one_of(TEXTS, TEXTS, TEXTS, st.none(), st.booleans(), st.integers(), st.floats())
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner), max_leaves=5)
CALLS = st.dictionaries(st.sampled_from([*KEYS, "turn_id", "tool_input"]), VALUES)
EVENTS = st.fixed_dictionaries({"hook_event_name": st.sampled_from([*DECIDING, *UPDATING])})


@given(st.one_of(VALUES, CALLS, st.tuples(CALLS, EVENTS).map(lambda parts: {**parts[0], **parts[1]})))
def test_any_json_is_answered(said: Any) -> None:
    reply = gate.answer(json.dumps(said).encode(), Options(ledger="ledger.jsonl"))
    assert reply.code == 0
    assert not reply.output or json.loads(reply.output)["systemMessage"]


@given(st.binary(max_size=200))
def test_any_bytes_are_answered(data: bytes) -> None:
    assert gate.answer(data, Options(ledger="ledger.jsonl")).code == 0


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_name_of_a_sub_agent_is_decided_upon(name: str) -> None:
    data = json.dumps({"hook_event_name": "UserPromptSubmit", "agent_type": name, "turn_id": ""}).encode()
    assert gate.answer(data, Options(ledger="ledger.jsonl")) == Answer()


def command(data: bytes | None, *, shell: str = "") -> subprocess.CompletedProcess[bytes]:
    line = [sys.executable, "-m", "budgauge", "hook"]
    if shell:
        line = ["sh", "-c", f'exec "$@" {shell}', "sh", *line]
    return subprocess.run(line, input=data, capture_output=True, check=False)


def test_the_command_says_on_both_outputs_why_it_did_not_decide(own_place: Path) -> None:
    done = command(b"garbage")
    check(Answer(done.returncode, done.stdout.decode(), done.stderr.decode()), "allow")


def test_the_command_refuses_what_it_cannot_read_where_that_is_wanted(claude: Stage) -> None:
    claude.config('on_hook_error = "deny"')
    done = command(b"")
    check(Answer(done.returncode, done.stdout.decode(), done.stderr.decode()), "deny")


def test_the_command_without_standard_input_answers_as_the_config_says(claude: Stage) -> None:
    claude.config('on_hook_error = "deny"')
    done = command(None, shell="<&-")
    check(Answer(done.returncode, done.stdout.decode(), done.stderr.decode()), "deny")


def test_the_command_refuses_even_where_nobody_listens(claude: Stage) -> None:
    claude.config('on_hook_error = "deny"')
    assert command(b"", shell=">&-").returncode == 2
    assert command(b"", shell="2>&-").returncode == 2


@pytest.mark.parametrize(
    "path",
    [None, "", "missing.jsonl", "~/x.jsonl", "/nowhere/x.jsonl", "/nowhere/\0.jsonl", "/dev/zero"],
    ids=["null", "empty", "relative", "home", "missing", "nul", "device"],
)
def test_a_tool_call_of_a_session_without_a_log_is_not_decided(stage: Stage, policy: str, path: str | None) -> None:
    stage.config(f'total_budget = 100\non_hook_error = "{policy}"')
    check(stage.ask("PreToolUse", transcript_path=path), policy, "PreToolUse")


@pytest.mark.parametrize("content", [b"", b"\n", b"\0" * 5000], ids=["empty", "blank", "nul"])
def test_a_tool_call_of_a_session_with_an_empty_log_is_not_decided(stage: Stage, policy: str, content: bytes) -> None:
    stage.config(f'total_budget = 100\non_hook_error = "{policy}"')
    stage.transcript.write_bytes(content)
    assert "no log that can be read" in check(stage.ask("PreToolUse"), policy, "PreToolUse")


def test_a_tool_call_whose_log_is_a_fifo_does_not_hang(claude: Stage, policy: str) -> None:
    claude.config(f'total_budget = 100\non_hook_error = "{policy}"')
    fifo(claude)
    check(claude.ask("PreToolUse", tool_use_id="toolu_1"), policy, "PreToolUse")


def test_the_first_prompt_of_a_session_needs_no_log(stage: Stage) -> None:
    stage.config('total_budget = 100\non_hook_error = "deny"')
    stage.transcript.unlink()
    assert stage.ask("UserPromptSubmit") == Answer()


def test_a_reset_dated_in_the_future_hides_no_call(stage: Stage) -> None:
    stage.config("total_budget = 100")
    booked = line("x", 7, 0, id="x", source="codex", timestamp=START - 1)
    stage.ledger.write_bytes(booked + reset_line(253_370_764_800))
    stage.spend(100, 0)
    assert stage.ask().code == 2


def test_lines_set_aside_are_told_once_a_session(own_place: Path, ledger: Path) -> None:
    stage = Stage("claude-code", own_place, ledger)
    stage.config("total_budget = 1000")
    ledger.write_bytes(ledger.read_bytes() + b"no record\n")
    assert "1 line skipped" in stage.ask().output
    assert stage.ask().output == ""
