"""The gate answers in time: by the ledger as it is, by what was read, or as the config says; work done is kept."""

from __future__ import annotations

import io
import itertools
import json
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from asking import Stage, refusal
from budgauge import gate
from budgauge.files import tail
from budgauge.gate import Answer, deadline
from budgauge.gate.session import Gate
from budgauge.ledger import ledger as ledger_module
from budgauge.ledger.checkpoint import CheckpointStore
from budgauge.ledger.lock import take_lock
from budgauge.sources import collector
from budgauge.sources import tail as log_tail
from sources.sessions import Session, tokens
from usage import importing, line

OVER = "Total budget of 100 tokens would be exceeded (current: 100, requested: 1)"
WAIT_SECONDS = 60


@pytest.fixture(params=["codex", "claude-code"])
def stage(request: pytest.FixtureRequest, own_place: Path, ledger: Path) -> Stage:
    return Stage(request.param, own_place, ledger)


@pytest.fixture(params=["allow", "deny"])
def policy(request: pytest.FixtureRequest) -> str:
    return str(request.param)


class Clockless:
    """The command, asked when its time is up: what hangs does so until the test ends."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], ledger: Path) -> None:
        self.monkeypatch, self._capsys = monkeypatch, capsys
        self.goes_on, self.hangs, self.ended = threading.Event(), threading.Event(), threading.Event()
        monkeypatch.setenv("CODEX_TOKEN_LEDGER", str(ledger))

    def hang(self, *_: Any, **__: Any) -> Any:
        self.hangs.set()
        self.goes_on.wait(WAIT_SECONDS)
        raise OSError("the test is over")

    def ask(self, data: bytes, seconds: float = 0.0) -> Answer:
        """The answer by the command, for which so much time is left."""
        codes: list[int] = []
        self.monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
        code = gate.main(seconds=seconds, end=codes.append)
        assert codes == [code], "the process ends at once"
        return Answer(code, *self._capsys.readouterr())


@pytest.fixture
def late(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], ledger: Path) -> Iterator[Clockless]:
    clockless = Clockless(monkeypatch, capsys, ledger)
    yield clockless
    clockless.goes_on.set()
    for thread in threading.enumerate():
        if thread.name == "budgauge-gate":
            thread.join(WAIT_SECONDS)


def in_time_after(event: threading.Event) -> Any:
    """`in_time` whose time is up once something has happened."""

    def in_time(work: Any, _seconds: float) -> bool:
        threading.Thread(target=work, name="budgauge-gate", daemon=True).start()
        assert event.wait(WAIT_SECONDS)
        return False

    return in_time


@pytest.mark.parametrize("event", ["UserPromptSubmit", "PreToolUse", "Stop"])
def test_when_time_is_up_the_config_decides(stage: Stage, policy: str, event: str, late: Clockless) -> None:
    stage.config(f'total_budget = 100\non_hook_error = "{policy}"')
    late.monkeypatch.setattr(Gate, "answer", late.hang)
    late.monkeypatch.setattr(gate, "in_time", in_time_after(late.hangs))
    reply = late.ask(stage.call(event))
    assert "could not decide" in reply.error
    assert "in time" in reply.error
    assert reply.code == (2 if policy == "deny" and event != "Stop" else 0)


def test_an_agent_that_never_says_what_it_wants_is_answered_as_the_config_says(
    stage: Stage, policy: str, late: Clockless
) -> None:
    stage.config(f'on_hook_error = "{policy}"')
    late.monkeypatch.setattr(gate, "_call_on_input", late.hang)
    reply = late.ask(b"")
    assert (reply.code, "in time" in reply.error) == (2 if policy == "deny" else 0, True)


def test_a_config_that_takes_too_long_refuses_where_its_text_says_so(
    stage: Stage, policy: str, late: Clockless
) -> None:
    stage.config(f'on_hook_error = "{policy}"')
    late.monkeypatch.setattr(gate.inquiry, "Budgets", late.hang)
    late.monkeypatch.setattr(gate, "in_time", in_time_after(late.hangs))
    assert late.ask(stage.call()).code == (2 if policy == "deny" else 0)


def test_a_refusal_of_one_budget_holds_when_the_others_takes_too_long(late: Clockless, own_place: Path) -> None:
    stage = Stage("claude-code", own_place, own_place / ".codex" / "token_usage.jsonl")
    stage.config("total_budget = 100")
    project = own_place / "work" / ".codex"
    project.mkdir()
    (project / "config.toml").write_text("[token_budget]\n")
    stage.spend(100, 0)
    real, asked = Gate.answer, list[Gate]()

    def answer(self: Gate, **options: Any) -> Answer:
        asked.append(self)
        return real(self, **options) if len(asked) == 1 else late.hang()

    late.monkeypatch.setattr(Gate, "answer", answer)
    late.monkeypatch.setattr(gate, "in_time", in_time_after(late.hangs))
    late.monkeypatch.delenv("CODEX_TOKEN_LEDGER")
    assert refusal(late.ask(stage.call(cwd=str(project.parent)))) == OVER


def test_a_ledger_that_is_over_refuses_before_anything_is_read(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    stage.config("total_budget = 100")
    stage.ledger.write_bytes(line("x", 100, 0))
    monkeypatch.setattr(Gate, "answer", None)
    assert refusal(stage.ask()) == OVER
    assert list((Path.home() / ".cache" / "budgauge").glob("hook-*.notes")), "the session asked"


def test_the_time_counts_from_the_start_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadline, "_process_age", lambda: 3.0)
    assert deadline.time_left() == 5.0
    monkeypatch.setattr(deadline, "_process_age", lambda: 1e9)
    assert deadline.time_left() == deadline.LEAST_SECONDS


@pytest.mark.skipif(sys.platform != "linux", reason="the age is read from /proc")
def test_the_age_of_a_process_is_read_from_its_start(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = int(Path("/proc/self/stat").read_bytes().rpartition(b")")[2].split()[19])
    start = ticks / os.sysconf("SC_CLK_TCK")
    monkeypatch.setattr(deadline.time, "clock_gettime", lambda _clock: start + 2.5)
    assert deadline._process_age() == 2.5


def test_a_long_log_is_read_on_where_the_last_call_was_cut_off(own_place: Path, ledger: Path, late: Clockless) -> None:
    stage = Stage("claude-code", own_place, ledger)
    stage.config("total_budget = 1_000_000")
    assert isinstance(stage.log, Session)
    for number in range(40):
        stage.log.said(f"m{number}", tokens(1, 0), note="x" * 200)
    stage.log.write(stage.claude)
    late.monkeypatch.setattr(tail, "BLOCK_BYTES", 2048)
    late.monkeypatch.setattr(gate.session, "STEP_BYTES", 4096)
    late.monkeypatch.setattr(collector, "KEEP_SECONDS", -1.0)
    real, steps = collector.Collector._note, list[int]()

    def note(self: Any, *arguments: Any) -> None:
        real(self, *arguments)
        steps.append(1)
        if len(steps) == 3:
            late.hang()

    with late.monkeypatch.context() as patched:
        patched.setattr(collector.Collector, "_note", note)
        patched.setattr(gate, "in_time", in_time_after(late.hangs))
        assert "could not decide" in late.ask(stage.call()).error
    booked = stage.used["claude-code"]
    assert 0 < booked < 40
    read: list[int] = []
    with late.monkeypatch.context() as patched:
        real_pread = os.pread
        log = os.stat(stage.transcript).st_ino

        def pread(descriptor: int, size: int, offset: int) -> bytes:
            if os.fstat(descriptor).st_ino == log and size == tail.BLOCK_BYTES:
                read.append(offset)
            return real_pread(descriptor, size, offset)

        patched.setattr(os, "pread", pread)
        assert stage.ask() == Answer()
    assert stage.used == {"claude-code": 40}
    assert min(read) >= 8192, "two steps were kept"


def test_a_line_that_is_skipped_can_be_left_in_its_midst(own_place: Path, ledger: Path, late: Clockless) -> None:
    """As 5 GB of NULs, of which no call reads all."""
    stage = Stage("claude-code", own_place, ledger)
    stage.config("total_budget = 1_000_000")
    late.monkeypatch.setattr(tail, "BLOCK_BYTES", 1024)
    late.monkeypatch.setattr(log_tail, "MAX_LINE_BYTES", 1024)
    late.monkeypatch.setattr(gate.session, "STEP_BYTES", 10_000)
    late.monkeypatch.setattr(collector, "KEEP_SECONDS", -1.0)
    with stage.transcript.open("ab") as file:
        file.write(bytes(100_000))
    kept: list[int] = []
    real = collector.CursorFile.write

    def write(self: Any, cursors: Any) -> None:
        real(self, cursors)
        kept.extend(log_tail.LogOffset(*_position(cursor)).offset for cursor in cursors["claude-code"].values())

    late.monkeypatch.setattr(collector.CursorFile, "write", write)
    assert stage.ask() == Answer()
    assert len(kept) >= 9
    assert kept == sorted(set(kept))


def _position(cursor: Any) -> list[Any]:
    import msgspec

    return list(msgspec.msgpack.decode(cursor.position))


@pytest.mark.parametrize("due", ["bytes", "seconds"])
def test_the_ids_of_a_long_ledger_are_kept_while_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, due: str
) -> None:
    seconds = itertools.count(step=int(due == "seconds"))
    monkeypatch.setattr(ledger_module, "WAY_BYTES", 1 << 19 if due == "bytes" else 1 << 60)
    monkeypatch.setattr(ledger_module, "time", SimpleNamespace(monotonic=lambda: next(seconds)))
    ledger = tmp_path / "ledger.jsonl"
    with ledger.open("wb") as file:
        for number in range(20_000):
            file.write(line("x", 1, 0, id=f"{number:0100}", source="s"))
    keeps: list[int] = []
    booked = importing(ledger, tmp_path)
    real = booked.keep

    def keep() -> None:
        keeps.append(booked.offset)
        real()

    monkeypatch.setattr(booked, "keep", keep)
    booked.refresh()
    assert len(keeps) > 2
    assert keeps[0] < ledger.stat().st_size


def test_a_ledger_that_takes_too_long_is_read_on_where_the_last_call_was_cut_off(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, late: Clockless
) -> None:
    stage.config("total_budget = 100_000")
    many = b"".join(line(f"agent-{number}", 1, 0) for number in range(12_000))
    stage.ledger.write_bytes(stage.ledger.read_bytes() + many)
    monkeypatch.setattr(ledger_module, "WAY_BYTES", 1)
    real, kept = CheckpointStore.write, list[int]()

    def write(self: Any, mark: Any, *arguments: Any) -> bool:
        real(self, mark, *arguments)
        kept.append(mark.offset)
        return bool(late.hang())

    with monkeypatch.context() as patched:
        patched.setattr(CheckpointStore, "write", write)
        patched.setattr(gate, "in_time", in_time_after(late.hangs))
        assert "could not decide" in late.ask(stage.call()).error
    assert 0 < kept[0] < stage.ledger.stat().st_size
    read: list[int] = []
    restore = CheckpointStore.restore

    def note(self: Any, *arguments: Any) -> Any:
        checkpoint = restore(self, *arguments)
        read.append(checkpoint.mark.offset if checkpoint else 0)
        return checkpoint

    monkeypatch.setattr(CheckpointStore, "restore", note)
    assert stage.ask() == Answer()
    assert kept[0] in read


def test_one_hook_of_a_session_reads_at_a_time(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    stage.config("total_budget = 1000")
    stage.spend(1, 0)
    assert stage.ask() == Answer()
    (path,) = (Path.home() / ".cache" / "budgauge").glob("hook-*.turn")
    stage.spend(10, 0)
    collected, waits, replies = list[int](), threading.Event(), list[Answer]()
    real = collector.Collector.collect

    def collect(self: Any) -> Any:
        collected.append(1)
        return real(self)

    def take(*arguments: Any) -> None:
        waits.set()
        take_lock(*arguments)

    monkeypatch.setattr(gate.turn, "TURN_SECONDS", float(WAIT_SECONDS))
    monkeypatch.setattr(gate.turn, "take_lock", take)
    monkeypatch.setattr(collector.Collector, "collect", collect)
    descriptor = os.open(path, os.O_RDWR)
    take_lock(path, descriptor, 0.0)
    other = threading.Thread(target=lambda: replies.append(stage.ask()))
    other.start()
    assert waits.wait(WAIT_SECONDS)
    assert collected == []
    os.close(descriptor)
    other.join(WAIT_SECONDS)
    assert (replies, collected) == ([Answer()], [1])


def test_a_hook_that_gets_no_turn_reads_all_the_same(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    stage.config("total_budget = 100")
    assert stage.ask() == Answer()
    (path,) = (Path.home() / ".cache" / "budgauge").glob("hook-*.turn")
    monkeypatch.setattr(gate.turn, "TURN_SECONDS", 0.0)
    stage.spend(100, 0)
    descriptor = os.open(path, os.O_RDWR)
    take_lock(path, descriptor, 0.0)
    assert refusal(stage.ask()) == OVER
    os.close(descriptor)


USAGE_LINES = {
    "renamed": {"prompt_tokens": 5, "output_tokens": 5},
    "float": {"input_tokens": 1.5, "output_tokens": 5},
    "string": {"input_tokens": "5", "output_tokens": 5},
    "negative": {"input_tokens": -5, "output_tokens": 5},
}


@pytest.mark.parametrize("usage", USAGE_LINES.values(), ids=USAGE_LINES)
def test_usage_that_cannot_be_read_is_not_decided_on(stage: Stage, policy: str, usage: dict[str, Any]) -> None:
    stage.config(f'total_budget = 1000\non_hook_error = "{policy}"')
    if isinstance(stage.log, Session):
        stage.log.said("m", usage)
    else:
        stage.log.event("token_count", info={"total_token_usage": usage, "last_token_usage": usage})
    stage.spend(1, 0)
    for _ in range(2):
        reply = stage.ask("PreToolUse")
        assert reply.code == (2 if policy == "deny" else 0)
        assert "1 line of the session's logs cannot be read" in reply.error
    assert stage.ask("Stop") == Answer()


def test_a_line_behind_nuls_is_not_decided_on(stage: Stage, policy: str) -> None:
    stage.config(f'total_budget = 1000\non_hook_error = "{policy}"')
    stage.spend(50, 0)
    head, _, last = stage.transcript.read_bytes()[:-1].rpartition(b"\n")
    stage.transcript.write_bytes(head + b"\n" + b"\0" * 10 + last + b"\n")
    reply = stage.ask("PreToolUse")
    assert reply.code == (2 if policy == "deny" else 0)
    assert "cannot be read" in reply.error


DENIES = (
    b'on_hook_error = "deny"',
    b"on_hook_error = 'deny'",
    b'on_hook_error = """deny"""',
    b'"on_hook_error" = "deny"',
    b'token_budget.on_hook_error = "deny"',
    b'token_budget = { ledger = "a#b", on_hook_error = "deny" }',
)


@pytest.mark.parametrize("text", DENIES)
def test_a_broken_configs_deny_is_seen_however_it_is_written(stage: Stage, text: bytes) -> None:
    (stage.codex / "token_budget.toml").write_bytes(b"[token_budget]\n" + text + b"\ntotal_budget = \xff\n")
    assert stage.ask().code == 2


@pytest.mark.parametrize("broken", ["link", "folder", "fifo", "latin"])
def test_a_config_that_cannot_be_read_hides_no_other_ones_deny(stage: Stage, tmp_path: Path, broken: str) -> None:
    project = tmp_path / "app"
    (project / ".codex").mkdir(parents=True)
    path = project / ".codex" / "token_budget.toml"
    if broken == "link":
        path.symlink_to(path)
    elif broken == "folder":
        path.mkdir()
    elif broken == "fifo":
        os.mkfifo(path)
    else:
        path.write_bytes(b"[token_budget]\n\xff")
    (stage.codex / "token_budget.toml").write_text('[token_budget]\non_hook_error = "deny"\ntotal_budget = \n')
    assert stage.ask(cwd=str(project)).code == 2
    (project / ".codex" / "config.toml").write_text('[token_budget]\non_hook_error = "deny"\n')
    (stage.codex / "token_budget.toml").write_text("[token_budget]\ntotal_budget = \n")
    assert stage.ask(cwd=str(project)).code == 2


def test_an_error_of_our_own_is_answered_as_the_config_says(
    stage: Stage, policy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.config(f'on_hook_error = "{policy}"')

    def fail(*_: Any) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(gate.inquiry, "Budgets", fail)
    reply = stage.ask()
    assert (reply.code, "a bug" in reply.error) == (2 if policy == "deny" else 0, True)
    assert policy == "deny" or json.loads(reply.output)
