"""Each system call fails in turn, in each operation: the file stays sound, nothing false is said, and it goes on."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from budgauge.accounting.codec import decode
from budgauge.config import BudgetConfig
from budgauge.errors import LedgerError, LedgerWriteError
from budgauge.tracker.tracker import TokenBudgetTracker
from faults.folded import Fold, assert_as_fresh, fresh_fold, tracker_fold
from usage import line

NOW = 1_767_225_600


class Failing:
    """A system call that fails at its nth use; with `short`, it writes half of the data instead."""

    def __init__(
        self, real: Callable[..., Any], nth: int, error: int, *, short: bool = False, lasting: bool = False
    ) -> None:
        self._real = real
        self._nth = nth
        self._error = error
        self._short = short
        self._lasting = lasting
        self._uses = 0
        self.failed = 0

    def __call__(self, *args: Any, **options: Any) -> Any:
        self._uses += 1
        if self._uses < self._nth or (self._uses > self._nth and not self._lasting):
            return self._real(*args, **options)
        self.failed += 1
        if self._short and len(args[1]) > 1:
            return self._real(args[0], args[1][: len(args[1]) // 2])
        raise OSError(self._error, os.strerror(self._error))


Patches = list[tuple[Any, str, Failing]]


def report(tracker: TokenBudgetTracker) -> None:
    tracker.report_usage("a", "gpt-4", 100, 0, id="new")


def reserve(tracker: TokenBudgetTracker) -> None:
    tracker.reserve("a", 50, id="new")


def settle(tracker: TokenBudgetTracker) -> None:
    tracker.settle("held", "gpt-4", 30, 0)


def release(tracker: TokenBudgetTracker) -> None:
    tracker.release("held")


def reset(tracker: TokenBudgetTracker) -> None:
    tracker.reset("b")


def undo(tracker: TokenBudgetTracker) -> None:
    tracker.undo_reset()


OPERATIONS = [report, reserve, settle, release, reset, undo]
SHORT = -1
WRITE_ERRORS = (errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EACCES)
CALLS: list[tuple[Any, str, int]] = [
    *((os, "write", error) for error in (*WRITE_ERRORS, SHORT)),
    *((os, call, error) for call in ("fdatasync", "fsync") for error in (errno.EIO, errno.ENOSPC, errno.EDQUOT)),
    *((os, "open", error) for error in (*WRITE_ERRORS, errno.EMFILE, errno.EROFS)),
    *((fcntl, "flock", error) for error in (errno.ENOLCK, errno.EIO)),
    *((os, call, error) for call in ("lstat", "lseek", "pread", "fstat") for error in (errno.EIO, errno.EACCES)),
    *((os, call, error) for call in ("ftruncate", "replace") for error in WRITE_ERRORS),
]


def name_of(error: int) -> str:
    return "short" if error == SHORT else errno.errorcode[error]


def make_ledger(path: Path, torn: bytes) -> TokenBudgetTracker:
    """One with a call, an open hold and a reset to undo, and a torn last line; whoever wrote it."""
    path.unlink(missing_ok=True)
    tracker = TokenBudgetTracker(BudgetConfig(), ledger=path, now=lambda: NOW)
    tracker.report_usage("a", "gpt-4", 10, 5)
    tracker.report_usage("b", "gpt-4", 10, 5)
    tracker.reserve("a", 40, 600, id="held")
    tracker.reset("a")
    with path.open("ab") as file:
        file.write(torn)
    return tracker


class Trial:
    """One operation during which one use of a call fails."""

    def __init__(self, ledger: Path, operation: Callable[[TokenBudgetTracker], None], torn: bytes, warm: bool) -> None:
        self._ledger = ledger
        self._operation = operation
        make_ledger(ledger, torn)
        self._tracker = TokenBudgetTracker(BudgetConfig(sync=True), ledger=ledger, now=lambda: NOW)
        if warm:
            self._tracker.report_usage("a", "gpt-4", 1, 0)
        self._faults = 1 if torn else 0
        self.error: LedgerError | None = None

    def run(self, patches: Patches) -> None:
        """Operate while calls fail, and see that everything is as it must be."""
        before = fresh_fold(self._ledger, NOW)
        with pytest.MonkeyPatch.context() as patch:
            for module, call, failing in patches:
                patch.setattr(module, call, failing)
            try:
                self._operation(self._tracker)
            except LedgerError as error:
                self.error = error
        after = fresh_fold(self._ledger, NOW)
        assert tracker_fold(self._tracker, NOW) == after
        self._check_outcome(before, after)
        self._tracker.report_usage("c", "gpt-4", 7, 0)
        assert_as_fresh(self._tracker, self._ledger, NOW)
        assert self._tracker.get_agent_usage("c") == 7
        left = 1 if any(call == "ftruncate" for _, call, failing in patches if failing.failed) else 0
        assert len(decode(self._ledger.read_bytes()).faults) <= self._faults + left

    def _check_outcome(self, before: Fold, after: Fold) -> None:
        if self.error is None:
            assert after != before
            return
        assert str(self.error).startswith(str(self._ledger))
        assert self.error.hint
        if "stands in the ledger" not in str(self.error):
            assert after == before


def trials(
    ledger: Path, module: Any, call: str, error: int, operation: Callable[[TokenBudgetTracker], None]
) -> tuple[int, int]:
    """Let each use of the call fail; how many failed, and how many of them were an error for the caller."""
    failures = errors = 0
    for torn in (b"", b"\n" + line()[:40]):
        for warm in (False, True):
            for nth in range(1, 60):
                failing = Failing(getattr(module, call), nth, error, short=error == SHORT)
                trial = Trial(ledger, operation, torn, warm)
                trial.run([(module, call, failing)])
                failures += failing.failed
                errors += trial.error is not None
                if not failing.failed:
                    break
            else:
                raise AssertionError("the call is used without end")
    return failures, errors


@pytest.mark.usefixtures("small_checkpoints")
def test_whatever_fails_the_file_is_sound_and_the_totals_are_right(
    ledger: Path, sized: Callable[[int, int], int], figure: Callable[[str], None]
) -> None:
    failures = errors = 0
    seen: set[str] = set()
    for number, (module, call, error) in enumerate(CALLS):
        # In the small size, each call with each error, in one operation.
        for operation in OPERATIONS[number % 6 :: sized(6, 1)]:
            failed, told = trials(ledger, module, call, error, operation)
            failures, errors = failures + failed, errors + told
            if failed:
                seen.add(f"{call} {name_of(error)}")
            if call in ("write", "fdatasync", "flock"):
                assert told, f"{call} {name_of(error)} in {operation.__name__} was never an error"
    assert {name.split()[0] for name in seen} == {call for _, call, _ in CALLS} - {"ftruncate", "fsync"}
    figure(
        f"failing system calls: {failures:,} failures of {len(seen)} kinds in {len(OPERATIONS)} operations, "
        f"{errors:,} typed errors, {failures - errors:,} without effect for the caller; totals = fold every time"
    )


@pytest.mark.parametrize("truncate", [errno.EIO, errno.EACCES, None], ids=["EIO", "EACCES", "ok"])
@pytest.mark.parametrize("operation", OPERATIONS, ids=[operation.__name__ for operation in OPERATIONS])
def test_what_was_written_in_part_is_no_record(
    ledger: Path, operation: Callable[[TokenBudgetTracker], None], truncate: int | None
) -> None:
    """Also where it cannot be taken back."""
    for warm in (False, True):
        trial = Trial(ledger, operation, b"", warm)
        patches: Patches = [(os, "write", Failing(os.write, 1, 0, short=True))]
        if truncate:
            patches.append((os, "ftruncate", Failing(os.ftruncate, 1, truncate, lasting=True)))
        trial.run(patches)
        assert isinstance(trial.error, LedgerWriteError)


@pytest.mark.parametrize("operation", OPERATIONS, ids=[operation.__name__ for operation in OPERATIONS])
def test_what_cannot_be_synced_nor_taken_back_is_said(
    ledger: Path, operation: Callable[[TokenBudgetTracker], None]
) -> None:
    trial = Trial(ledger, operation, b"", True)
    patches: Patches = [
        (os, "fdatasync", Failing(os.fdatasync, 1, errno.EIO)),
        (os, "ftruncate", Failing(os.ftruncate, 1, errno.EIO, lasting=True)),
    ]
    trial.run(patches)
    assert "stands in the ledger, but may not have reached the disk" in str(trial.error)


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EACCES, errno.EDQUOT, errno.EIO], ids=name_of)
def test_a_disk_that_stays_full_refuses_all_and_admits_nothing(ledger: Path, error: int) -> None:
    tracker = make_ledger(ledger, b"")
    before = ledger.read_bytes()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "write", Failing(os.write, 1, error, lasting=True))
        for operation in OPERATIONS:
            with pytest.raises(LedgerWriteError):
                operation(tracker)
            assert_as_fresh(tracker, ledger, NOW)
    assert ledger.read_bytes() == before
    for operation in OPERATIONS[:3]:
        operation(tracker)
    assert_as_fresh(tracker, ledger, NOW)


@pytest.mark.parametrize("error", WRITE_ERRORS, ids=name_of)
def test_a_new_ledger_and_its_folder_that_cannot_be_made(tmp_path: Path, error: int) -> None:
    """Open, the folder's making, and the sync of the folder."""
    for module, call in ((os, "open"), (os, "mkdir"), (os, "fsync"), (os, "fdatasync"), (os, "write"), (os, "fstat")):
        for nth in range(1, 30):
            ledger = tmp_path / f"{call}-{nth}" / "below" / "token_usage.jsonl"
            tracker = TokenBudgetTracker(BudgetConfig(sync=True), ledger=ledger, now=lambda: NOW)
            failing = Failing(getattr(module, call), nth, error)
            said = ""
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(module, call, failing)
                try:
                    tracker.report_usage("a", "gpt-4", 10, 0)
                except LedgerError as error_seen:
                    said = str(error_seen)
            if "stands in the ledger" not in said:
                assert tracker.get_total_used() == (0 if said else 10)
            assert_as_fresh(tracker, ledger, NOW)
            tracker.report_usage("b", "gpt-4", 7, 0)
            assert tracker.get_agent_usage("b") == 7
            if not failing.failed:
                break


@pytest.mark.parametrize("truncate", [None, errno.EIO], ids=["", "ftruncate-fails"])
@pytest.mark.parametrize("call", ["lseek", "pread"])
def test_a_record_that_is_said_not_to_be_written_does_not_count(ledger: Path, call: str, truncate: int | None) -> None:
    """The call fails after the whole line was written, beside a writer without the lock for pread."""
    tracker = make_ledger(ledger, b"")
    failing = Failing(getattr(os, call), 1, errno.EIO)
    write = os.write

    def write_then_fail(fd: int, data: bytes) -> int:
        if call == "pread":
            with ledger.open("ab") as file:
                file.write(b"\n" + line("foreign", 1, 0))
        written = write(fd, data)
        patch.setattr(os, call, failing)
        return written

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "write", write_then_fail)
        if truncate:
            patch.setattr(os, "ftruncate", Failing(os.ftruncate, 1, truncate, lasting=True))
        with pytest.raises(LedgerError) as caught:
            tracker.report_usage("c", "gpt-4", 100, 0)
    assert failing.failed
    assert_as_fresh(tracker, ledger, NOW)
    if "stands in the ledger" not in str(caught.value):
        assert tracker.get_agent_usage("c") == 0, f"yet it said: {caught.value}"
