"""Finding Codex's rollouts and reading each from where it stood."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from zstandard import compress

from budgauge.sources.codex.files import CodexFormat
from budgauge.sources.collector import Collector
from budgauge.sources.importer import Importer
from sources.rollouts import CHILD, PARENT, START, Log
from sources.sinks import Sink, codex
from usage import importing, plain_total


def simple(thread: str = PARENT) -> Log:
    return Log(thread).meta().turn().call(100, 0, 10, 0)


def test_the_thread_is_in_the_name() -> None:
    key_of = CodexFormat(Path("/x")).key_of
    assert key_of(Path(f"/x/rollout-2026-11-24T01-55-01-{PARENT}.jsonl")) == PARENT
    assert key_of(Path(f"/x/rollout-2026-11-24T01-55-01-{PARENT}.jsonl.zst")) == PARENT
    assert key_of(Path("/x/rollout-odd.jsonl")) == "rollout-odd"


def test_a_later_page_has_both_ids() -> None:
    key_of = CodexFormat(Path("/x")).key_of
    assert key_of(Path(f"/x/rollout-2026-11-24T01-55-01-{PARENT}_{CHILD}.jsonl.zst")) == f"{PARENT}_{CHILD}"


def test_a_format_that_changed_is_said(tmp_path: Path) -> None:
    log = simple().event("token_count", info={"usage": {"input_tokens": 7, "output_tokens": 1}})
    log.write(tmp_path)
    report = Collector(Sink(), [codex(tmp_path)]).collect()
    assert (report.records, report.sources[0].set_aside) == (1, 1)
    assert report.notes == ("codex: 1 line of session logs cannot be read; not counted; see budgauge doctor",)


def test_a_home_that_is_missing_has_no_calls(tmp_path: Path) -> None:
    report = Collector(Sink(), [codex(tmp_path / "none")]).collect()
    assert (report.records, report.sources[0].files) == (0, 0)


def test_the_active_copy_wins_over_the_archived_one(tmp_path: Path) -> None:
    log = simple()
    log.write(tmp_path, folder="archived_sessions")
    log.call(50, 0, 5, 0).write(tmp_path)
    sink = Sink()
    report = Collector(sink, [codex(tmp_path)]).collect()
    assert sink.spent == [(100, 10), (50, 5)]
    assert report.sources[0].files == 1
    assert "1 copies" in report.notes[0]


def test_of_two_active_copies_the_longer_counts(tmp_path: Path) -> None:
    log = simple()
    log.write(tmp_path, folder="sessions/2026/11/25")
    log.call(50, 0, 5, 0).write(tmp_path)
    sink = Sink()
    Collector(sink, [codex(tmp_path)]).collect()
    assert sink.spent == [(100, 10), (50, 5)]


def test_a_thread_archived_while_it_is_followed_goes_on(tmp_path: Path) -> None:
    log = simple()
    path = log.write(tmp_path)
    sink = Sink()
    collector = Collector(sink, [codex(tmp_path)])
    collector.collect()
    moved = tmp_path / "archived_sessions" / path.name
    moved.parent.mkdir()
    path.rename(moved)
    with moved.open("ab") as file:
        file.write(log.call(50, 0, 5, 0).data[moved.stat().st_size :])
    report = collector.collect()
    assert sink.spent == [(100, 10), (50, 5)]
    assert report.sources[0].duplicates == 0


def pack(path: Path) -> Path:
    """Compress a log, as Codex does after a week; where it is then."""
    packed = path.with_suffix(".jsonl.zst")
    packed.write_bytes(compress(path.read_bytes()))
    path.unlink()
    return packed


def test_a_compressed_log_counts_and_its_plain_sibling_wins(tmp_path: Path) -> None:
    log = simple()
    pack(log.write(tmp_path))
    log.call(50, 0, 5, 0).write(tmp_path)
    pack(simple(CHILD).write(tmp_path))
    sink = Sink()
    report = Collector(sink, [codex(tmp_path)]).collect()
    assert sorted(sink.spent) == [(50, 5), (100, 10), (100, 10)]
    assert (report.sources[0].files, report.sources[0].set_aside) == (2, 0)


def test_a_log_that_is_compressed_while_it_is_followed_counts_once(tmp_path: Path) -> None:
    path = simple().write(tmp_path)
    sink = Sink()
    collector = Collector(sink, [codex(tmp_path)])
    collector.collect()
    pack(path)
    assert collector.collect().records == collector.collect().records == 1


@pytest.mark.parametrize("keep", [0.5, 0.9])
def test_a_compressed_log_that_is_cut_short_is_told_of(tmp_path: Path, keep: float) -> None:
    log = simple()
    for size in range(300):
        log.call(size * 7919 % 100_003, 0, 10, 0)
    packed = pack(log.write(tmp_path))
    packed.write_bytes(packed.read_bytes()[: int(packed.stat().st_size * keep)])
    report = Collector(Sink(), [codex(tmp_path)]).collect()
    assert report.sources[0].set_aside == 1
    assert str(packed) in report.notes[0]


def test_files_older_than_since_are_not_opened(tmp_path: Path) -> None:
    old, new = simple().write(tmp_path), simple(CHILD).write(tmp_path)
    os.utime(old, (START, START))
    os.utime(new, (START + 100, START + 100))
    report = Collector(Sink(), [codex(tmp_path)], since=START + 50).collect()
    assert (report.sources[0].bytes, report.records) == (new.stat().st_size, 0)


def test_a_log_cut_short_is_read_afresh(tmp_path: Path) -> None:
    sink = Sink()
    collector = Collector(sink, [codex(tmp_path)])
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
    report = Collector(Sink(), [codex(tmp_path)]).collect()
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

    collector = Collector(Sink(), [codex(tmp_path)])
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
    report = Collector(Importer(importing(tmp_path / "ledger")), [codex(tmp_path)]).collect()
    assert (report.records, report.sources[0].set_aside) == (2, 0)
    assert plain_total(tmp_path / "ledger") == 220
