"""From logs to whoever records calls: once, live, and one collector at a time."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from budgauge.accounting.records import Usage
from budgauge.errors import LedgerWriteError, SourceError
from budgauge.sources.codex.files import CodexFormat
from budgauge.sources.collector import Collector
from budgauge.sources.follow import follow
from budgauge.sources.importer import Outcome
from budgauge.sources.lock import lock_name
from budgauge.sources.report import Report, SourceTotal
from budgauge.sources.source import Found, Source
from sources.rollouts import CHILD, PARENT, START, Log
from sources.sessions import Session, tokens
from sources.sinks import Sink, claude, codex

WAIT_SECONDS = 60


def two_threads(home: Path) -> None:
    Log().meta().turn("gpt-5").call(100, 40, 10, 0).call(200, 0, 20, 0).write(home)
    worker = Log(CHILD, start=START + 1000).meta(agent_role="worker", cwd="/home/me/other")
    worker.turn("o3").call(7, 0, 1, 0).write(home)


def test_the_report_says_what_was_collected(tmp_path: Path) -> None:
    two_threads(tmp_path)
    sink = Sink()
    report = Collector(sink, [codex(tmp_path)]).collect()
    size = sum(path.stat().st_size for path in tmp_path.rglob("*.jsonl"))
    assert report == Report(sources=(SourceTotal(name="codex", files=2, bytes=size, calls=3),))
    assert report.records == 3
    assert sorted(map(facts, sink.calls)) == [
        ("codex", "gpt-5", 100, 10, 40, START + 2),
        ("codex", "gpt-5", 200, 20, 0, START + 3),
        ("codex/worker", "o3", 7, 1, 0, START + 1002),
    ]


def facts(call: Usage) -> tuple[object, ...]:
    cached = call.cached_tokens or 0
    assert call.total_tokens == call.prompt_tokens + call.completion_tokens
    return call.agent_id, call.model, call.prompt_tokens, call.completion_tokens, cached, call.timestamp


def test_collecting_again_adds_nothing(tmp_path: Path) -> None:
    two_threads(tmp_path)
    sink = Sink()
    Collector(sink, [codex(tmp_path)]).collect()
    again = Collector(sink, [codex(tmp_path)]).collect()
    assert len(sink.calls) == 3
    assert (again.records, again.sources[0].duplicates) == (0, 3)


def test_since_leaves_out_what_is_older(tmp_path: Path) -> None:
    two_threads(tmp_path)
    sink = Sink()
    Collector(sink, [codex(tmp_path)], since=START + 3).collect()
    assert sink.spent == [(200, 20), (7, 1)]


def test_since_takes_what_was_made_in_its_own_second(tmp_path: Path) -> None:
    two_threads(tmp_path)
    sink = Sink()
    Collector(sink, [codex(tmp_path)], since=START + 3.9).collect()
    assert sink.spent == [(200, 20), (7, 1)]


def test_a_projects_ledger_takes_only_its_own_sessions(tmp_path: Path) -> None:
    folders = ["/p/app", "/p/app/deep", "/p/app/../x", "/p/apple", "/p", "", None, "p/app", "/p/app\0"]
    for number, cwd in enumerate(folders):
        thread = PARENT[:-1] + str(number)
        Log(thread).meta(cwd=cwd).turn().call(number + 1, 0, 1, 0).write(tmp_path)
    sink = Sink()
    Collector(sink, [codex(tmp_path)], only_below=Path("/p/app")).collect()
    assert sorted(call.project or "" for call in sink.calls) == ["/p/app", "/p/app/deep"]


def test_a_link_does_not_lead_into_the_project(tmp_path: Path) -> None:
    project, outside = tmp_path / "app", tmp_path / "outside"
    project.mkdir()
    outside.mkdir()
    (project / "link").symlink_to(outside)
    Log().meta(cwd=str(project / "link")).turn().call(1, 0, 1, 0).write(tmp_path)
    assert Collector(Sink(), [codex(tmp_path)], only_below=project).collect().records == 0


class Stumbling(Sink):
    """Cannot write for a while."""

    def __init__(self, failing: Callable[[], bool]) -> None:
        super().__init__()
        self._failing = failing

    def add(self, calls: Sequence[Usage]) -> list[Outcome]:
        if self._failing():
            raise LedgerWriteError("no space left")
        return super().add(calls)


def test_a_call_that_could_not_be_recorded_is_given_again(tmp_path: Path) -> None:
    two_threads(tmp_path)
    refusals = iter([False, True])
    sink = Stumbling(lambda: next(refusals, False))
    collector = Collector(sink, [codex(tmp_path)])
    with pytest.raises(LedgerWriteError):
        collector.collect()
    collector.collect()
    assert sorted(sink.spent) == [(7, 1), (100, 10), (200, 20)]


class Followed:
    """A collector that follows in a thread, and what it reported."""

    def __init__(self, collector: Collector) -> None:
        self.stop = threading.Event()
        self._collector = collector
        self._changed = threading.Condition()
        self._report: Report | None = None
        self.thread = threading.Thread(target=follow, args=(collector, self.stop, self._take))

    def _take(self, report: Report) -> None:
        with self._changed:
            self._report = report
            self._changed.notify_all()

    def until(self, holds: Callable[[Report], bool]) -> Report:
        with self._changed:
            assert self._changed.wait_for(lambda: self._report is not None and holds(self._report), WAIT_SECONDS)
            assert self._report is not None
            return self._report


@contextmanager
def following(collector: Collector) -> Iterator[Followed]:
    followed = Followed(collector)
    followed.thread.start()
    try:
        yield followed
    finally:
        followed.stop.set()
        followed.thread.join(WAIT_SECONDS)
    assert not followed.thread.is_alive()


def test_following_sees_what_comes_in_old_and_new_files(tmp_path: Path) -> None:
    sink = Sink()
    with following(Collector(sink, [codex(tmp_path)])) as live:
        live.until(lambda report: report.records == 0)
        log = Log().meta().turn().call(100, 0, 10, 0)
        path = log.write(tmp_path)
        live.until(lambda report: report.records == 1)
        for size in range(1, 6):
            before = len(log.data)
            log.call(size, 0, 1, 0)
            with path.open("ab") as file:
                file.write(log.data[before : before + 20])
                file.flush()
                file.write(log.data[before + 20 :])
        Log(CHILD).meta().turn().record(7, 0, 1, 0).write(tmp_path, folder="sessions/2026/11/25")
        report = live.until(lambda report: report.records == 7)
    assert sum(prompt for prompt, _ in sink.spent) == 100 + 15 + 7
    assert report.sources[0].duplicates == 0


def test_following_sees_new_sessions_and_their_sub_agents(tmp_path: Path) -> None:
    sink = Sink()
    with following(Collector(sink, [claude(tmp_path), codex(tmp_path)])) as live:
        live.until(lambda report: report.records == 0)
        Session().said("msg_1", tokens(1, 1)).write(tmp_path)
        live.until(lambda report: report.records == 1)
        for number in range(20):
            log = Session(f"{number:08x}-ea67-4f2b-990c-322fcc223a1e").said(f"msg_s{number}", tokens(10, 0))
            log.write(tmp_path, project=f"-p-{number % 7}")
            agent = Session(log.session, agent=f"a{number}").said(f"msg_a{number}", tokens(100, 0))
            agent.write(
                tmp_path, project=f"-p-{number % 7}", kind="Explore", folder="workflows/w" if number % 2 else ""
            )
        live.until(lambda report: report.records == 41)
    by_agent = Counter[str]()
    for call in sink.calls:
        by_agent[call.agent_id] += call.prompt_tokens
    assert by_agent == {"claude-code": 201, "claude-code/Explore": 2000}


def test_a_thread_archived_while_it_is_followed_is_followed_there(tmp_path: Path) -> None:
    sink = Sink()
    with following(Collector(sink, [codex(tmp_path)])) as live:
        log = Log().meta().turn().call(100, 0, 10, 0)
        path = log.write(tmp_path)
        live.until(lambda report: report.records == 1)
        moved = tmp_path / "archived_sessions" / path.name
        moved.parent.mkdir()
        path.rename(moved)
        before = len(log.data)
        with moved.open("ab") as file:
            file.write(log.call(50, 0, 5, 0).data[before:])
        report = live.until(lambda report: report.records == 2)
    assert sink.spent == [(100, 10), (50, 5)]
    assert report.sources[0].duplicates == 0


class Counting(CodexFormat):
    """Counts how often its folders are looked through."""

    looks = 0

    def find(self) -> Found:
        self.looks += 1
        return super().find()


def test_what_changes_elsewhere_or_is_no_log_costs_no_look_through_the_folders(tmp_path: Path) -> None:
    path = Log().meta().turn().call(1, 0, 1, 0).write(tmp_path)
    format = Counting(tmp_path)
    source = Source(format)
    assert len(list(source.news(None, None))) == 1
    copy = tmp_path / "archived_sessions" / path.name
    for changed in (tmp_path / "other" / "x.jsonl", path, path.with_name("notes.txt")):
        assert list(source.news(frozenset([str(changed)]), None)) == []
    assert format.looks == 1
    for looks in (2, 2):
        assert list(source.news(frozenset([str(copy)]), None)) == []
        assert format.looks == looks
    new = Log(CHILD).meta().turn().call(2, 0, 1, 0).write(tmp_path, folder="sessions/2026/11/25")
    assert len(list(source.news(frozenset([str(new)]), None))) == 1
    assert format.looks == 3


def test_following_outlives_a_ledger_that_cannot_be_written(tmp_path: Path) -> None:
    two_threads(tmp_path)
    full = threading.Event()
    full.set()
    with following(Collector(Stumbling(full.is_set), [codex(tmp_path)])) as live:
        assert live.until(lambda report: report.trouble is not None).trouble == "no space left"
        full.clear()
        assert live.until(lambda report: report.records == 3).trouble is None


HOLD = """
import sys
from pathlib import Path
from budgauge.sources.lock import only_collector
with only_collector(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs flock")
def test_the_second_collector_of_a_ledger_names_the_first(tmp_path: Path) -> None:
    lock = tmp_path / "run" / lock_name(tmp_path / "ledger.jsonl")
    command = [sys.executable, "-c", HOLD, str(lock)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdin is not None
        assert holder.stdout.readline() == "held\n"
        collector = Collector(Sink(), [], lock_path=lock)
        with pytest.raises(SourceError, match=f"process {holder.pid}"):
            collector.collect()
        holder.kill()
        holder.wait()
        assert collector.collect().records == 0
        assert lock.stat().st_mode & 0o077 == 0
        assert lock.read_text() == f"{os.getpid()}\n"


def test_a_lock_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SourceError, match="cannot lock"):
        Collector(Sink(), [], lock_path=tmp_path / "file" / "lock").collect()


def link(path: Path) -> None:
    path.with_suffix(".victim").write_text("precious")
    path.symlink_to(path.with_suffix(".victim"))


@pytest.mark.skipif(sys.platform == "win32", reason="needs named pipes and links")
@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, link], ids=["FIFO", "folder", "link"])
def test_a_lock_that_is_no_file_is_refused_and_left_alone(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "lock")
    with pytest.raises(SourceError, match="is not a regular file") as caught:
        Collector(Sink(), [], lock_path=tmp_path / "lock").collect()
    assert caught.value.hint
    assert all(path.read_text() == "precious" for path in tmp_path.glob("*.victim"))


@pytest.mark.parametrize("call", ["ftruncate", "write"])
def test_a_lock_on_a_full_disk_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    def full(*_args: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, call, full)
        with pytest.raises(SourceError, match="No space left") as caught:
            Collector(Sink(), [], lock_path=tmp_path / "lock").collect()
    assert caught.value.hint
    assert Collector(Sink(), [], lock_path=tmp_path / "lock").collect().records == 0


def test_a_ledger_has_one_lock_however_it_is_named(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    assert lock_name(tmp_path / "link" / "l.jsonl") == lock_name(tmp_path / "l.jsonl")
    assert lock_name(tmp_path / "m.jsonl") != lock_name(tmp_path / "l.jsonl")
