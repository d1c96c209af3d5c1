"""Finding Codex's rollouts and reading each from where it stood."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from budgauge import TokenBudgetTracker
from budgauge.sources import CodexSource, Collector
from budgauge.sources.codex import thread_of
from sources.rollouts import CHILD, PARENT, START, Log
from sources.sinks import Sink


def simple(thread: str = PARENT) -> Log:
    return Log(thread).meta().turn().call(100, 0, 10, 0)


def test_the_thread_is_in_the_name() -> None:
    assert thread_of(Path(f"/x/rollout-2026-11-24T01-55-01-{PARENT}.jsonl")) == PARENT
    assert thread_of(Path(f"/x/rollout-2026-11-24T01-55-01-{PARENT}.jsonl.zst")) == PARENT
    assert thread_of(Path("/x/rollout-odd.jsonl")) == "rollout-odd"


def test_a_home_that_is_missing_has_no_calls(tmp_path: Path) -> None:
    report = Collector(Sink(), [CodexSource(tmp_path / "none")]).collect()
    assert (report.records, report.sources[0].files) == (0, 0)


def test_the_active_copy_wins_over_the_archived_one(tmp_path: Path) -> None:
    log = simple()
    log.write(tmp_path, folder="archived_sessions")
    log.call(50, 0, 5, 0).write(tmp_path)
    sink = Sink()
    report = Collector(sink, [CodexSource(tmp_path)]).collect()
    assert sink.spent == [(100, 10), (50, 5)]
    assert report.sources[0].files == 1
    assert "1 copies" in report.notes[0]


def test_of_two_active_copies_the_longer_counts(tmp_path: Path) -> None:
    log = simple()
    log.write(tmp_path, folder="sessions/2026/11/25")
    log.call(50, 0, 5, 0).write(tmp_path)
    sink = Sink()
    Collector(sink, [CodexSource(tmp_path)]).collect()
    assert sink.spent == [(100, 10), (50, 5)]


def test_a_thread_archived_while_it_is_followed_goes_on(tmp_path: Path) -> None:
    log = simple()
    path = log.write(tmp_path)
    sink = Sink()
    collector = Collector(sink, [CodexSource(tmp_path)])
    collector.collect()
    moved = tmp_path / "archived_sessions" / path.name
    moved.parent.mkdir()
    path.rename(moved)
    with moved.open("ab") as file:
        file.write(log.call(50, 0, 5, 0).data[moved.stat().st_size :])
    report = collector.collect()
    assert sink.spent == [(100, 10), (50, 5)]
    assert report.sources[0].duplicates == 0


def test_compressed_logs_are_counted_and_told(tmp_path: Path) -> None:
    path = simple().write(tmp_path)
    path.with_suffix(".jsonl.zst").write_bytes(b"x")
    simple(CHILD).write(tmp_path).rename(tmp_path / "sessions" / f"rollout-1-{CHILD}.jsonl.zst")
    report = Collector(Sink(), [CodexSource(tmp_path)]).collect()
    assert (report.records, report.sources[0].set_aside) == (1, 1)
    assert any("1 compressed session logs" in note for note in report.notes)


def test_files_older_than_since_are_not_opened(tmp_path: Path) -> None:
    old, new = simple().write(tmp_path), simple(CHILD).write(tmp_path)
    os.utime(old, (START, START))
    os.utime(new, (START + 100, START + 100))
    report = Collector(Sink(), [CodexSource(tmp_path)], since=START + 50).collect()
    assert (report.sources[0].files, report.records) == (1, 0)


def test_a_log_cut_short_is_read_afresh(tmp_path: Path) -> None:
    sink = Sink()
    collector = Collector(sink, [CodexSource(tmp_path)])
    simple().call(50, 0, 5, 0).write(tmp_path)
    collector.collect()
    simple().write(tmp_path)
    report = collector.collect()
    assert sink.spent == [(100, 10), (50, 5)]
    assert report.sources[0].duplicates == 1


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_what_cannot_be_read_is_told_and_the_rest_is_read(tmp_path: Path) -> None:
    simple().write(tmp_path)
    os.mkfifo(tmp_path / "sessions" / f"rollout-{CHILD}.jsonl")
    report = Collector(Sink(), [CodexSource(tmp_path)]).collect()
    assert (report.records, report.sources[0].set_aside) == (1, 1)
    assert "not a regular file" in report.notes[0]


def test_a_folder_that_cannot_be_listed_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shut = simple().write(tmp_path, folder="sessions/2026/11/23").parent
    simple(CHILD).write(tmp_path)
    listed = os.scandir

    def scandir(folder: str) -> object:
        if Path(folder) == shut:
            raise PermissionError(errno.EACCES, "Permission denied", folder)
        return listed(folder)

    collector = Collector(Sink(), [CodexSource(tmp_path)])
    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", scandir)
        report = collector.collect()
    assert (report.records, report.sources[0].set_aside) == (1, 1)
    assert report.notes == (f"codex: cannot read {shut}: Permission denied",)
    again = collector.collect()
    assert (again.records, again.sources[0].set_aside, again.notes) == (2, 0, ())


def test_a_name_that_is_no_utf_8_is_recorded_as_it_was_counted(tmp_path: Path) -> None:
    for name in (b"rollout-\xff", b"rollout-\xfe"):
        path = Log().turn().call(100, 0, 10, 0).write(tmp_path)
        path.rename(path.with_name(os.fsdecode(name) + ".jsonl"))
    tracker = TokenBudgetTracker.with_defaults()
    report = Collector(lambda call: tracker.report(call, spent=True), [CodexSource(tmp_path)]).collect()
    assert (report.records, report.sources[0].set_aside) == (2, 0)
    assert tracker.get_total_used() == 220
