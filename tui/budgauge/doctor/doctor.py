"""What may be wrong with config, ledger and surroundings, looked at one by one; nothing is changed."""

from __future__ import annotations

import fcntl
import os
import shlex
import stat
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

from budgauge.accounting.deduplicator import Recall
from budgauge.accounting.fold import Totals
from budgauge.accounting.records import Batch, Fault
from budgauge.authority.local import Local
from budgauge.config.load import Loaded, Options, load
from budgauge.doctor.agents import gate, logs, sessions
from budgauge.doctor.budgets import budgets
from budgauge.doctor.dates import dates
from budgauge.doctor.finding import Finding, State
from budgauge.errors import BudgaugeError, ConfigError, LedgerRefusedError, PriceError
from budgauge.files.cache import cache_folder
from budgauge.files.watch import watch
from budgauge.ledger.checkpoint import CheckpointStore
from budgauge.ledger.foreign import check_is_ledger
from budgauge.ledger.last_seen import LastSeenFile
from budgauge.ledger.ledger import Ledger, cycle_name, record_at
from budgauge.ledger.lock import holder
from budgauge.ledger.network import FORCE, device_at, network_kind
from budgauge.ledger.open import open_ledger
from budgauge.ledger.tail import Tail
from budgauge.pricing.price_book import PriceBook, lookup_in_child, table_version
from budgauge.status.problems import fold_problems, lost_words, name_problems
from budgauge.status.snapshot import model_rows, price_advice
from budgauge.text import count, plural

EVENT_SECONDS = 2.0
"""How long an event may take to arrive."""
LOW_BYTES = 100 << 20
NO_BYTES = 1 << 20
_TRIES = 100
"""To read a ledger twice to the same place while others write."""


def examine(options: Options) -> Iterator[Finding]:
    """Every look in turn. A look that fails itself is an error found, never an exception."""
    try:
        loaded = load(options)
    except ConfigError as error:
        yield Finding(name="config", state="error", message=str(error), mend=error.hint)
        return
    yield _config(loaded)
    looks: tuple[tuple[str, Callable[[Loaded], Finding]], ...] = (
        ("ledger", _ledger),
        ("space", _space),
        ("file system", _file_system),
        ("watching", _watching),
        ("lines", _lines),
        ("dates", dates),
        ("lock", _lock),
        ("checkpoint", _checkpoint),
        ("prices", _prices),
        ("budget", budgets),
        ("agents' logs", logs),
        ("gate", gate),
        ("sessions", sessions),
    )
    usable = True
    for name, look in looks:
        if usable or look not in _READING:
            finding = _looked(name, look, loaded)
            usable &= name != "ledger" or finding.state != "error"
            yield finding


def _looked(name: str, look: Callable[[Loaded], Finding], loaded: Loaded) -> Finding:
    try:
        return look(loaded)
    except BudgaugeError as error:
        return Finding(name=name, state="error", message=str(error), mend=error.hint)
    except OSError as error:
        return Finding(name=name, state="error", message=f"cannot be looked at: {error}", mend="Check the disk.")
    except Exception as error:  # whatever it is, it must be seen
        # The other looks are still worth having.
        message = f"cannot be looked at: {type(error).__name__}: {error}"
        return Finding(name=name, state="error", message=message, mend="This is a fault of budgauge: report it.")


def _config(loaded: Loaded) -> Finding:
    where = ", ".join(map(str, loaded.found)) or "none; every value is the default"
    if loaded.warnings:
        return Finding(
            name="config",
            state="warning",
            message=f"read: {where}",
            mend="Correct or remove what is named below.",
            details=loaded.warnings,
        )
    budget = "the total budget is the default" if loaded.budget_is_default else "the total budget is set"
    return Finding(name="config", state="ok", message=f"read: {where}; {budget}")


def _opened(loaded: Loaded) -> int | None:
    """The ledger's descriptor; None where there is no file yet. Raises LedgerReadError."""
    try:
        return open_ledger(loaded.ledger.path, os.O_RDONLY)
    except FileNotFoundError:
        return None


def _ledger(loaded: Loaded) -> Finding:
    path = loaded.ledger.path
    fd = _opened(loaded)
    if fd is None:
        none_yet = Finding(name="ledger", state="ok", message=f"{path}: no file yet; the first record makes it")
        return _lost_lines(loaded, None) or none_yet
    try:
        status = os.fstat(fd)
        try:
            check_is_ledger(path, fd)
        except LedgerRefusedError as error:
            return Finding(name="ledger", state="error", message=str(error), mend=error.hint)
        lost = _lost_lines(loaded, fd)
    finally:
        os.close(fd)
    message, mend = f"{path}: {count(status.st_size)} bytes", f"chmod 600 {shlex.quote(str(path))}"
    if not os.access(path, os.W_OK):
        return Finding(name="ledger", state="error", message=f"{path}: cannot be written", mend=mend)
    if lost is not None:
        return lost
    if stat.S_IMODE(status.st_mode) & 0o077:
        return Finding(name="ledger", state="warning", message=f"{message}; others may read or write it", mend=mend)
    return Finding(name="ledger", state="ok", message=message)


def _lost_lines(loaded: Loaded, fd: int | None) -> Finding | None:
    """A warning if the ledger was longer before, or another file, and no reset or cycle has begun since."""
    seen = LastSeenFile(cache_folder(), loaded.ledger.path)
    seen.compare(fd)
    if seen.lost is None:
        return None
    ledger = Ledger(loaded.ledger.path, cycle=loaded.config.cycle, cache=cache_folder(), keeps_cache=False)
    ledger.refresh()
    if ledger.lost is None:
        return None
    message = f"{loaded.ledger.path}: {lost_words(ledger.lost, ledger.offset)}"
    mend = (
        "Put the file back, or start anew with a reset (budgauge reset). "
        f"If the lines were removed on purpose, remove the note of them: rm {shlex.quote(str(seen.path))}"
    )
    return Finding(name="ledger", state="warning", message=message, mend=mend)


def _lines(loaded: Loaded) -> Finding:
    fd = _opened(loaded)
    if fd is None:
        return Finding(name="lines", state="ok", message="none yet")
    try:
        scan = _Scan(partial(record_at, fd))
        tail = Tail()
        for batch in tail.read(fd):
            scan.add(batch)
        torn = not tail.has_read(os.fstat(fd).st_size)
        details = tuple(scan.lines(fd))
    finally:
        os.close(fd)
    odd = [problem.message for problem in fold_problems(scan.totals.sums.flagged)]
    held = {hold.agent_id for hold in scan.totals.holds.values()}
    odd += [problem.message for problem in name_problems(scan.totals.names() | held)]
    message = f"{plural(scan.records, 'record')}, {plural(len(details), 'line')} set aside"
    if torn:
        odd.append("the last line has no end; the next writer ends it")
    if details:
        mend = (
            "They stay in the file and are not counted. Correct or remove them while nothing writes; "
            "then look again: a checkpoint made before may have to go."
        )
        return Finding(name="lines", state="warning", message=message, mend=mend, details=(*details, *odd))
    return Finding(name="lines", state="ok", message=message, details=tuple(odd))


class _Scan:
    """A reading of all lines that notes where each one stands that does not count."""

    def __init__(self, recall: Recall) -> None:
        self.totals = Totals(recall=recall)
        self.records = 0
        self._faults: list[Fault] = []

    def add(self, batch: Batch) -> None:
        """Take a batch in."""
        self._faults += batch.faults
        self.records += len(batch.records)
        starts = list(batch.offsets())
        before = dict(self.totals.seen.set_aside)
        for record, start in zip(batch.records, starts, strict=True):
            self.totals.add_one(record, start)
            if self.totals.seen.set_aside != before:
                self.records -= 1
                kind = next(k for k, number in self.totals.seen.set_aside.items() if before.get(k) != number)
                before = dict(self.totals.seen.set_aside)
                self._faults.append(Fault(start, 0, REASONS[kind]))

    def lines(self, fd: int) -> Iterator[str]:
        """What is wrong with each line set aside, by its number."""
        number, position = 1, 0
        for fault in sorted(self._faults, key=lambda fault: fault.offset):
            while position < fault.offset:
                block = os.pread(fd, min(1 << 20, fault.offset - position), position)
                number += block.count(b"\n")
                position += len(block)
            yield f"line {number} (byte {fault.offset}): {fault.reason}"


REASONS = {
    "id_conflict": "its id is known, with other content",
    "undo_without_reset": "it undoes no reset that could be undone",
    "second_end": "it ends a reservation that had ended",
}


def _lock(loaded: Loaded) -> Finding:
    fd = _opened(loaded)
    if fd is None:
        return Finding(name="lock", state="ok", message="nothing to lock yet")
    try:
        for _ in range(20):
            with suppress(BlockingIOError):
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                fcntl.flock(fd, fcntl.LOCK_UN)
                return Finding(name="lock", state="ok", message="free")
            time.sleep(0.05)
        who = holder(fd) or "another process"
    finally:
        os.close(fd)
    return Finding(
        name="lock",
        state="error",
        message=f"{who} has held it for a second and more; nobody else can record",
        mend="See what that process is doing; if it hangs, end it.",
    )


def _space(loaded: Loaded) -> Finding:
    folder = _existing(loaded.ledger.path.parent)
    system = os.statvfs(folder)
    free = system.f_bavail * system.f_frsize
    message = f"{count(free >> 20)} MiB free at {folder}"
    state: State = "error" if free < NO_BYTES else "warning" if free < LOW_BYTES else "ok"
    if system.f_files and not system.f_favail:
        state, message = "error", f"no file can be made at {folder}: its inodes are used up"
    return Finding(name="space", state=state, message=message, mend="" if state == "ok" else "Free some space.")


def _existing(folder: Path) -> Path:
    """The folder, or the nearest above it that is there."""
    return next(place for place in (folder, *folder.parents) if place.exists())


def _file_system(loaded: Loaded) -> Finding:
    kind = network_kind(device_at(loaded.ledger.path.parent))
    if kind is None:
        return Finding(name="file system", state="ok", message="local, as far as the system tells")
    if os.environ.get(FORCE) == "1":
        message = f"{kind}: a network file system, used because {FORCE}=1 says that locks work there"
        return Finding(name="file system", state="warning", message=message, mend="See that they do, on every machine.")
    return Finding(
        name="file system",
        state="error",
        message=f"{kind}: a network file system, where locks do not hold the budget",
        mend=f"Name a ledger on a local disk; or, if you know that locks work there, set {FORCE}=1.",
    )


def _checkpoint(loaded: Loaded) -> Finding:
    folder, path, cycle = cache_folder(), loaded.ledger.path, loaded.config.cycle
    store = CheckpointStore(folder, path, cycle_name(cycle))
    if not os.access(_existing(folder), os.W_OK):
        mend = f"Make {folder} writable: without it, long ledgers are read anew at every start."
        return Finding(name="checkpoint", state="warning", message=f"{folder}: cannot be written", mend=mend)
    if store.read() is None:
        return Finding(name="checkpoint", state="ok", message="none; a ledger of more than a mebibyte gets one")
    prices = PriceBook(loaded.config.prices, factors=loaded.config.price_factors, folder=folder)
    fresh = Ledger(path, prices.pricing_of, cycle=cycle)
    kept = Ledger(path, prices.pricing_of, cycle=cycle, cache=folder, keeps_cache=False)
    if not _read_equally_far(kept, fresh):
        message = "not compared: the ledger grows too quickly just now"
        return Finding(name="checkpoint", state="ok", message=message)
    if kept.totals.state() != fresh.totals.state():
        return Finding(
            name="checkpoint",
            state="error",
            message=f"{store.path}: does not agree with the ledger, whose old lines were changed by hand",
            mend=f"Remove it: rm {shlex.quote(str(store.path))}",
        )
    return Finding(name="checkpoint", state="ok", message="agrees with a fresh reading of the ledger")


def _read_equally_far(*ledgers: Ledger) -> bool:
    """Read each; False if others wrote so quickly that they never stood at the same place."""
    for _ in range(_TRIES):
        for ledger in ledgers:
            ledger.refresh()
        if len({ledger.offset for ledger in ledgers}) == 1:
            return True
    return False


def _watching(loaded: Loaded) -> Finding:
    folder = loaded.ledger.path.parent
    mend = "Numbers are brought up to date once a second all the same."
    if not folder.exists():
        return Finding(name="watching", state="ok", message=f"nothing to watch yet: {folder} is not there")
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        message = f"{folder}: cannot be tried, since no file can be made there"
        return Finding(name="watching", state="warning", message=message, mend=mend)
    seconds = _event_seconds(folder)
    if seconds is None:
        message = f"no event arrived within {EVENT_SECONDS:g} s of a change in {folder}"
        return Finding(name="watching", state="warning", message=message, mend=mend)
    return Finding(name="watching", state="ok", message=f"an event arrived after {seconds * 1000:.0f} ms")


def _event_seconds(folder: Path) -> float | None:
    """How long it takes until a change in a folder is told; None if it is not."""
    # A name nobody can foresee, and a file that was not there: in a folder of others, a link may wait for us.
    fd, name = tempfile.mkstemp(dir=folder, prefix=".budgauge-doctor-")
    probe = Path(name)
    stop, ready, told = threading.Event(), threading.Event(), threading.Event()

    def listen() -> None:
        for changed in watch(lambda: (folder,), stop):
            ready.set()
            if str(probe) in changed:
                told.set()
                return

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    try:
        ready.wait(EVENT_SECONDS)
        begin = time.monotonic()
        os.write(fd, b"\n")
        return time.monotonic() - begin if told.wait(EVENT_SECONDS) else None
    finally:
        os.close(fd)
        probe.unlink(missing_ok=True)
        stop.set()
        listener.join(EVENT_SECONDS)


def _prices(loaded: Loaded) -> Finding:
    budget = Local(loaded.config, loaded.ledger.path, keeps_cache=False)
    budget.refresh()
    prices, totals = budget.prices, budget.totals
    models = totals.models()
    try:
        found = lookup_in_child(prices.missing(models))
    except PriceError as error:
        return Finding(name="prices", state="warning", message=str(error), mend="Install genai-prices again.")
    unknown = tuple(sorted(model for model in models if (prices.price(model) or found.get(model)) is None))
    message = f"price table {table_version()}; {plural(len(models), 'model')} in use"
    prices.learn(found, keep=False)
    rows = [row for groups in totals.whole_cycles().values() for row in model_rows(groups, loaded.config, prices)]
    factors = tuple(sorted({row.unpriced for row in rows if row.unknown_factors}))
    if factors and not unknown:
        mend = " ".join(price_advice(rows))
        message = f"{message}, {count(len(factors))} with calls of an unknown tier, speed or region"
        return Finding(name="prices", state="warning", message=message, mend=mend, details=factors)
    if unknown:
        unknown = (*unknown, *factors)
        mend = 'Set them: [token_budget.prices."MODEL"] with prompt_per_1k and completion_per_1k.'
        message = f"{message}, {count(len(unknown))} without a known price"
        return Finding(name="prices", state="warning", message=message, mend=mend, details=unknown)
    return Finding(name="prices", state="ok", message=message)


_READING = (_lines, _lock, _checkpoint, _prices, budgets, logs, dates)
"""Looks that would only say again what is wrong with the ledger itself."""
