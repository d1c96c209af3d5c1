"""Writing: what may be written to, under which lock, and that nothing is acknowledged that is not there."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from budgauge.accounting.codec import decode
from budgauge.config import BudgetConfig
from budgauge.errors import BudgetExceededError, LedgerError, LedgerRefusedError, LedgerWriteError, LockTimeoutError
from budgauge.ledger import network
from budgauge.ledger.ledger import Ledger
from budgauge.tracker.tracker import TokenBudgetTracker
from usage import line, locked, plain_total, usage


def append(path: Path, *, sync: bool = False) -> None:
    with locked(path, sync=sync, timeout=5) as ledger:
        ledger.append(usage())


def total(path: Path) -> int:
    reader = Ledger(path)
    reader.refresh()
    return reader.totals.at(0).spent_by_all[0]


def test_a_ledger_is_made_with_its_folder_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "x" / "y" / "token_usage.jsonl"
    append(path)
    assert path.read_bytes() == line()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("sync", [False, True])
def test_records_stand_in_the_file_in_order(ledger: Path, sync: bool) -> None:
    ledger.write_bytes(line("first"))
    append(ledger, sync=sync)
    assert ledger.read_bytes() == line("first") + line()


@pytest.mark.parametrize("torn", [b"{", line()[:-1], b"\xff", b"\0"])
def test_a_torn_last_line_is_ended_first(ledger: Path, torn: bytes) -> None:
    ledger.write_bytes(line("first") + torn)
    append(ledger)
    assert ledger.read_bytes() == line("first") + torn + b"\n" + line()


def test_sealing_writes_nothing_where_nothing_is_torn(ledger: Path) -> None:
    ledger.write_bytes(line())
    with locked(ledger):
        pass
    assert ledger.read_bytes() == line()


def make_link(path: Path) -> None:
    path.with_suffix(".real").write_bytes(line())
    path.symlink_to(path.with_suffix(".real"))


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        os.chdir(path.parent)  # a socket's path has at most 107 bytes
        sock.bind(path.name)


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (make_link, "a symbolic link"),
        (lambda path: path.symlink_to("nowhere"), "a symbolic link"),
        (Path.mkdir, "a folder"),
        (os.mkfifo, "a FIFO"),
        (make_socket, "a device or socket"),
    ],
)
def test_what_is_no_file_is_refused_and_left_alone(ledger: Path, make: Callable[[Path], None], what: str) -> None:
    make(ledger)
    before = os.lstat(ledger)
    with pytest.raises(LedgerRefusedError, match=f"is {what}, not a ledger file"):
        append(ledger)
    assert os.lstat(ledger).st_mtime_ns == before.st_mtime_ns
    if os.path.exists(ledger.with_suffix(".real")):
        assert ledger.with_suffix(".real").read_bytes() == line()


def test_synced_is_the_name_of_a_new_ledger_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[tuple[int, int]] = []

    def note(fd: int) -> None:
        synced.append((os.fstat(fd).st_dev, os.fstat(fd).st_ino))

    monkeypatch.setattr(os, "fsync", note)
    monkeypatch.setattr(os, "fdatasync", note)
    path = tmp_path / "x" / "y" / "token_usage.jsonl"
    append(path, sync=True)
    places = [(place.stat().st_dev, place.stat().st_ino) for place in (tmp_path, path.parent.parent, path, path.parent)]
    assert synced == places
    append(path, sync=True)
    assert synced[4:] == [places[2]]


def test_a_path_below_a_file_is_a_typed_error(ledger: Path) -> None:
    ledger.write_bytes(line())
    with pytest.raises(LedgerWriteError):
        append(ledger / "below.jsonl")


HOLD = """
import sys
from pathlib import Path
from budgauge.ledger.ledger import Ledger
with Ledger(Path(sys.argv[1])).locked():
    print("held", flush=True)
    sys.stdin.read()
"""


class Holder:
    """Another process that holds the lock until it is told to let go, or killed."""

    def __init__(self, path: Path) -> None:
        command = [sys.executable, "-c", HOLD, str(path)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == b"held\n"

    def __enter__(self) -> Holder:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()


def test_who_waits_too_long_gives_up_and_can_try_again(ledger: Path) -> None:
    ledger.write_bytes(line())
    with Holder(ledger) as holder:
        who = f"(process {holder.process.pid}|another process)"
        with pytest.raises(LockTimeoutError, match=f"{who} has held the ledger's lock"), locked(ledger, timeout=0.05):
            raise AssertionError("the lock is held by another")
    append(ledger)
    assert ledger.read_bytes() == line() * 2


def test_who_waits_gets_the_lock_when_it_is_free(ledger: Path) -> None:
    ledger.write_bytes(line())
    with Holder(ledger) as holder:
        waiting = threading.Thread(target=append, args=(ledger,))
        waiting.start()
        assert holder.process.stdin is not None
        holder.process.stdin.close()
        waiting.join(5)
        assert not waiting.is_alive()
    assert ledger.read_bytes() == line() * 2


def test_a_killed_holder_leaves_the_lock_free(ledger: Path) -> None:
    ledger.write_bytes(line())
    with Holder(ledger) as holder:
        holder.process.kill()
        holder.process.wait()
        with locked(ledger, timeout=0.1) as transaction:
            transaction.append(usage())
    assert ledger.read_bytes() == line() * 2


def test_a_process_forked_while_the_lock_is_held_does_not_keep_it(ledger: Path) -> None:
    opened = Ledger(ledger)
    with opened.locked():
        assert opened.file is not None
        inherited = os.dup(opened.file.fd)  # what a fork does to every descriptor
    try:
        with locked(ledger, timeout=0.1):
            pass
    finally:
        os.close(inherited)


def test_two_threads_exclude_each_other(ledger: Path) -> None:
    with locked(ledger), pytest.raises(LockTimeoutError), locked(ledger, timeout=0.05):
        raise AssertionError("two hold one lock")


def test_what_stands_at_the_path_once_the_lock_is_held_is_the_ledger(
    ledger: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rotated between opening and locking: the record goes to the new file."""
    ledger.write_bytes(line("old"))
    flock = fcntl.flock

    def rotate_first(fd: int, operation: int) -> None:
        monkeypatch.setattr(fcntl, "flock", flock)
        os.rename(ledger, ledger.with_suffix(".1"))
        ledger.write_bytes(line("new"))
        flock(fd, operation)

    monkeypatch.setattr(fcntl, "flock", rotate_first)
    append(ledger)
    assert ledger.with_suffix(".1").read_bytes() == line("old")
    assert ledger.read_bytes() == line("new") + line()


class Failing:
    """A system call whose n-th use fails (the first is 1); a write may be cut short instead."""

    def __init__(self, call: Callable[..., Any], nth: int, error: int, *, short: bool = False) -> None:
        self._call, self._left, self._error, self._short = call, nth, error, short

    @property
    def failed(self) -> bool:
        return self._left <= 0

    def __call__(self, *args: Any, **options: Any) -> Any:
        self._left -= 1
        if self._left:
            return self._call(*args, **options)
        if self._short:
            return self._call(args[0], args[1][: len(args[1]) // 2])
        raise OSError(self._error, os.strerror(self._error))


CALLS = [
    *((os, "write", error) for error in (errno.ENOSPC, errno.EDQUOT, errno.EIO)),
    *((os, call, error) for call in ("fsync", "fdatasync") for error in (errno.EIO, errno.ENOSPC)),
    *((os, "open", error) for error in (errno.EACCES, errno.ENOSPC, errno.EMFILE, errno.EROFS)),
    *((os, call, errno.EIO) for call in ("pread", "fstat", "lstat")),
    *((fcntl, "flock", error) for error in (errno.ENOLCK, errno.EIO)),
]


@pytest.mark.parametrize(("module", "call", "error"), CALLS, ids=[f"{c}-{errno.errorcode[e]}" for _, c, e in CALLS])
@pytest.mark.parametrize("before", [b"", line(), line() + b'{"torn'], ids=["new", "sound", "torn"])
def test_whatever_call_fails_the_file_is_sound_and_nothing_false_is_acknowledged(
    ledger: Path, monkeypatch: pytest.MonkeyPatch, module: Any, call: str, error: int, before: bytes
) -> None:
    """Each use of the call fails in turn, until there is no more of them."""
    for nth in range(1, 50):
        if before:
            ledger.write_bytes(before)
        else:
            ledger.unlink(missing_ok=True)
        used = total(ledger)
        tracker = TokenBudgetTracker(BudgetConfig(sync=True), ledger=ledger)
        failing = Failing(getattr(module, call), nth, error)
        with monkeypatch.context() as patch:
            patch.setattr(module, call, failing)
            try:
                tracker.report_usage("a", "gpt-4", 100, 0)
                trouble = ""
            except LedgerError as caught:
                trouble = str(caught)
        assert not trouble or trouble.startswith(str(ledger))
        if not trouble:
            assert total(ledger) == used + 100
        elif call in ("write", "fsync", "fdatasync", "open", "flock"):
            assert total(ledger) == used
        tracker.report_usage("a", "gpt-4", 7, 0)
        assert tracker.get_total_used() == total(ledger)
        assert decode(ledger.read_bytes()).faults == ([] if b"torn" not in before else decode(before + b"\n").faults)
        if not failing.failed:
            return
    raise AssertionError("the call is used without end")


@pytest.mark.parametrize("before", [b"", line()], ids=["new", "sound"])
@pytest.mark.parametrize("foreign", [False, True], ids=["alone", "foreign-writer"])
def test_a_short_write_is_taken_back_or_ended(
    ledger: Path, monkeypatch: pytest.MonkeyPatch, before: bytes, foreign: bool
) -> None:
    ledger.write_bytes(before)
    short = Failing(os.write, 1, 0, short=True)

    def write(fd: int, data: bytes) -> int:
        written: int = short(fd, data)
        if foreign:
            with ledger.open("ab") as file:
                file.write(b"\n" + line("foreign"))
        return written

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", write)
        with pytest.raises(LedgerWriteError, match="the record was not written: only"):
            append(ledger)
    if foreign:
        batch = decode(ledger.read_bytes())
        assert (len(batch.faults), batch.records[-1]) == (1, usage("foreign"))
    else:
        assert ledger.read_bytes() == before


def test_a_short_write_that_cannot_be_taken_back_is_ended_by_the_next(
    ledger: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger.write_bytes(line())
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", Failing(os.write, 1, 0, short=True))
        patch.setattr(os, "ftruncate", Failing(os.ftruncate, 1, errno.EIO))
        with pytest.raises(LedgerWriteError):
            append(ledger)
    assert total(ledger) == 15
    append(ledger)
    assert total(ledger) == plain_total_of_records(ledger) == 30


def plain_total_of_records(path: Path) -> int:
    copy = path.with_suffix(".good")
    copy.write_bytes(b"\n".join(part for part in path.read_bytes().split(b"\n") if part.endswith(b"}")))
    return plain_total(copy)


def test_a_record_that_was_taken_back_is_taken_back_for_readers_too(
    ledger: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sync that fails: another reader may have seen the line already."""
    ledger.write_bytes(line())
    reader = Ledger(ledger)

    def fsync(_fd: int) -> None:
        reader.refresh()
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", fsync)
        with pytest.raises(LedgerWriteError, match=os.strerror(errno.EIO)):
            append(ledger, sync=True)
    assert reader.totals.at(0).spent_by_all == (30, 0)
    reader.refresh()
    assert reader.totals.at(0).spent_by_all == (15, 0)


@pytest.mark.parametrize("foreign", [b'\n{"agent_id":"torn', b"\n" + line("b"), b"\n \0", line("b") + b"{"])
def test_who_writes_without_the_lock_in_between_costs_no_record(
    ledger: Path, monkeypatch: pytest.MonkeyPatch, foreign: bytes
) -> None:
    """Between the look at the file's end and our write; what it left torn must not swallow ours."""
    ledger.write_bytes(line())
    tracker = TokenBudgetTracker(BudgetConfig(total_budget=0), ledger=ledger)
    tracker.report_usage("a", "gpt-4", 1, 0)
    write = os.write

    def write_after_another(fd: int, data: bytes) -> int:
        monkeypatch.setattr(os, "write", write)
        with ledger.open("ab") as file:
            file.write(foreign)
        return write(fd, data)

    monkeypatch.setattr(os, "write", write_after_another)
    assert tracker.report_usage("a", "gpt-4", 2, 0, id="ours") is True
    assert tracker.report_usage("a", "gpt-4", 2, 0, id="ours") is False
    fresh = Ledger(ledger)
    fresh.refresh()
    assert fresh.totals.at(0).spent["a"] == (15 + 1 + 2, 0)
    assert tracker.get_total_used() == fresh.totals.at(0).spent_by_all[0]


def test_a_child_does_not_share_its_parents_lock(ledger: Path) -> None:
    """A descriptor that came through a fork would let both in."""
    tracker = TokenBudgetTracker(BudgetConfig(total_budget=0), ledger=ledger)
    tracker.report_usage("a", "m", 1, 0)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            for _ in range(200):
                tracker.report_usage("b", "m", 1, 0)
            code = 0
        finally:
            os._exit(code)
    for _ in range(200):
        tracker.report_usage("a", "m", 1, 0)
    assert os.waitpid(child, 0)[1] == 0
    assert tracker.get_all_agent_totals() == {"a": 201, "b": 200}
    assert total(ledger) == plain_total(ledger) == 401


def test_a_network_file_system_is_named_and_refused_unless_it_is_forced(
    ledger: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = tmp_path.stat().st_dev
    mounts = tmp_path / "mountinfo"
    mounts.write_text(f"36 35 {os.major(device)}:{os.minor(device)} / /home rw,noatime shared:1 - nfs4 host:/home rw\n")
    monkeypatch.setattr(network, "_MOUNTS", mounts)
    for _ in range(2):
        with pytest.raises(LedgerRefusedError, match=r"lies on a network file system \(nfs4\)"):
            append(ledger)
    assert total(ledger) == 0
    monkeypatch.setenv("CODEX_TOKEN_NETWORK_LEDGER", "1")
    append(ledger)
    assert total(ledger) == 15


def test_what_was_cut_off_and_written_again_is_synced_again(ledger: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fdatasync", synced.append)
    for _ in range(3):
        append(ledger, sync=True)
    ledger.write_bytes(line("b"))
    append(ledger, sync=True)
    assert len(synced) == 4


def assert_stays_locked(path: Path, seconds: float = 0.2) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        fd = os.open(path, os.O_RDWR)
        with pytest.raises(BlockingIOError):
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(fd)


def test_who_gave_up_does_not_give_back_the_lock_of_the_next_try(ledger: Path) -> None:
    """A wait that was given up still gets the lock later, and lets go of it."""
    ledger.write_bytes(line())
    waiting = Ledger(ledger, lock_timeout=0.1)
    with Holder(ledger) as holder:
        for _ in range(3):
            with pytest.raises(LockTimeoutError), waiting.locked():
                raise AssertionError("the lock is held by another")
        threading.Timer(0.02, holder.process.kill).start()
        with locked(ledger):
            assert_stays_locked(ledger)
        with waiting.locked():
            assert_stays_locked(ledger)


def rotate_by_copy(path: Path) -> None:
    """As logrotate's copytruncate does, with as many bytes written anew."""
    path.write_bytes(line("b", 999, 0) * 2)


def rotate_there_and_back(path: Path) -> None:
    os.rename(path, path.with_suffix(".1"))
    path.write_bytes(line("b", 1, 0) * 2)


@pytest.mark.parametrize("rotate", [rotate_by_copy, rotate_there_and_back])
def test_another_file_of_the_same_size_is_read_before_anything_is_admitted(
    ledger: Path, rotate: Callable[[Path], None]
) -> None:
    tracker = TokenBudgetTracker(BudgetConfig(total_budget=2500), ledger=ledger)
    for _ in range(2):
        tracker.report_usage("b", "gpt-4", 100, 0, timestamp=1_767_225_600)
    size = ledger.stat().st_size
    rotate(ledger)
    if ledger.with_suffix(".1").exists():
        tracker.get_total_used()
        os.rename(ledger.with_suffix(".1"), ledger)
    assert ledger.stat().st_size == size
    used = total(ledger)
    with pytest.raises(BudgetExceededError):
        tracker.report_usage("a", "gpt-4", 2501 - used, 0)
    tracker.report_usage("a", "gpt-4", 2500 - used, 0)
    assert total(ledger) == 2500


def test_a_file_of_another_kind_in_the_ledgers_place_is_not_written_to(ledger: Path) -> None:
    tracker = TokenBudgetTracker(BudgetConfig(), ledger=ledger)
    tracker.report_usage("a", "gpt-4", 1, 0)
    ledger.write_bytes(b"# Diary\n" * 100)
    tracker.get_total_used()
    with pytest.raises(LedgerRefusedError, match="holds no ledger line"):
        tracker.report_usage("a", "gpt-4", 1, 0)
    assert ledger.read_bytes() == b"# Diary\n" * 100
