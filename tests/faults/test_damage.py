"""Damaged bytes: no exception, what is left is read, and a checkpoint changes no number."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from budgauge.accounting.codec import decode, encode
from budgauge.accounting.fold import Totals
from budgauge.accounting.record_checks import make_usage
from budgauge.accounting.records import Release, Reserve, Reset, Settle, UndoReset, Usage
from budgauge.config import BudgetConfig, Cycle
from budgauge.ledger.ledger import Ledger
from budgauge.tracker.tracker import TokenBudgetTracker
from faults.folded import Fold, fresh_fold, fresh_reader
from usage import line

NOW = 1_767_225_600
DAY = 86_400


def lines_of(seed: int, count: int) -> list[bytes]:
    """A ledger of every kind of line, with ids that come again, late settles, resets and undos."""
    chance = random.Random(seed)
    lines: list[bytes] = []
    resets: list[str] = []
    for number in range(count):
        when = NOW + number * 3600
        kind = chance.choice(["usage"] * 5 + ["again", "reserve", "settle", "release", "reset", "undo", "blank"])
        agent = chance.choice(["a", "b", "a/x", "é"])
        if kind == "again" and lines:
            lines.append(chance.choice(lines))
        elif kind == "reserve":
            lines.append(encode(Reserve(when, f"h{number}", agent, chance.randrange(100), when + 600)))
        elif kind == "settle":
            settle = Settle(agent, "m", 3, 4, 7, when, id=f"s{number}", reserve=f"h{chance.randrange(number + 1)}")
            lines.append(encode(settle))
        elif kind == "release":
            lines.append(encode(Release(when, f"h{chance.randrange(number + 1)}")))
        elif kind == "reset":
            resets.append(f"r{number}")
            lines.append(encode(Reset(when, resets[-1], chance.choice([None, agent]))))
        elif kind == "undo" and resets:
            lines.append(encode(UndoReset(when, chance.choice(resets[-2:]))))
        elif kind == "blank":
            lines.append(b"\n")
        else:
            id = f"u{number}" if chance.random() < 0.7 else None
            usage = make_usage(agent, "m", chance.randrange(50), 2, timestamp=when, id=id, cached_tokens=0)
            lines.append(encode(usage))
    return lines


def read_in_two_steps(path: Path, data: bytes, cut: int) -> Ledger:
    path.write_bytes(data[:cut])
    reader = fresh_reader(path)
    with path.open("ab") as file:
        file.write(data[cut:])
    reader.refresh()
    return reader


def test_every_prefix_is_read_as_far_as_it_goes(
    ledger: Path, sized: Callable[[int, int], int], figure: Callable[[str], None]
) -> None:
    data = b"".join(lines_of(1, sized(20, 60)))
    growing = Ledger(ledger)
    ledger.write_bytes(b"")
    for end in range(len(data) + 1):
        with ledger.open("ab") as file:
            file.write(data[end - 1 : end] if end else b"")
        growing.refresh()
        whole = fresh_reader(ledger)
        assert Fold.of(growing.totals, NOW) == Fold.of(whole.totals, NOW)
        assert (growing.fault_count, whole.fault_count, whole.restarts) == (0, 0, 0)
        if end % 7 == 0:
            two_steps = read_in_two_steps(ledger.with_name("other"), data[:end], end * 2 // 3)
            assert Fold.of(two_steps.totals, NOW) == Fold.of(whole.totals, NOW)
    figure(
        f"damaged bytes: {len(data) + 1:,} prefixes read, byte by byte, in two steps and at once, the same each time"
    )


def damaged(data: bytes, chance: random.Random) -> bytes:
    """One byte changed, to any other."""
    at = chance.randrange(len(data))
    return data[:at] + bytes([data[at] ^ chance.randrange(1, 256)]) + data[at + 1 :]


def test_flipped_bytes_cost_no_more_than_their_own_lines(
    ledger: Path, sized: Callable[[int, int], int], figure: Callable[[str], None]
) -> None:
    flips, chance = sized(200, 2000), random.Random(2)
    lines = lines_of(3, 60)
    data = b"".join(lines)
    set_aside = 0
    for _ in range(flips):
        bad = damaged(data, chance)
        ledger.write_bytes(bad)
        whole = fresh_reader(ledger)
        two_steps = read_in_two_steps(ledger.with_name("other"), bad, chance.randrange(len(bad) + 1))
        assert Fold.of(two_steps.totals, NOW) == Fold.of(whole.totals, NOW)
        assert (two_steps.fault_count, two_steps.faults) == (whole.fault_count, whole.faults)
        assert whole.fault_count <= 2
        assert len(decode(bad).records) >= len(decode(data).records) - 2
        set_aside += whole.fault_count
    figure(f"damaged bytes: {flips:,} flips, 0 exceptions, {set_aside:,} lines set aside, at most 2 a flip")


def test_a_tracker_goes_on_with_a_damaged_ledger(ledger: Path, sized: Callable[[int, int], int]) -> None:
    """Whatever was flipped, it can be reported to, and the record is there."""
    chance = random.Random(4)
    data = line("first") + b"".join(lines_of(5, 30))
    for number in range(sized(50, 500)):
        ledger.write_bytes(damaged(data, chance) + b'{"agent_id":"torn')
        tracker = TokenBudgetTracker(BudgetConfig(total_budget=0), ledger=ledger, now=lambda: NOW)
        tracker.report_usage("new", "m", number, 1)
        assert tracker.get_agent_usage("new") == number + 1
        assert Fold.of(tracker._authority.totals, NOW) == fresh_fold(ledger, NOW)


class Checkpoints:
    """A ledger, and the folder where its checkpoints are kept, to be damaged."""

    def __init__(self, ledger: Path, folder: Path, cycle: Cycle | None) -> None:
        self.ledger = ledger
        self.folder = folder
        self.cycle = cycle
        self.used = 0
        """How often reading went on from one."""

    def files(self) -> list[Path]:
        """Those that there are: a fold, its ids, its reservations' ids."""
        return sorted(path for path in self.folder.glob("ledger-*") if path.suffix in (".fold", ".ids", ".holds"))

    def grow(self, data: bytes) -> None:
        """Add to the ledger and keep what it adds up to."""
        with self.ledger.open("ab") as file:
            file.write(data)
        fresh_reader(self.ledger, cycle=self.cycle, cache=self.folder)

    def check(self, retried: list[bytes]) -> None:
        """Reading with checkpoints and without says the same, also of the ids it knows."""
        reader = Ledger(self.ledger, cycle=self.cycle, cache=self.folder)
        checkpoint = reader._checkpoints.read() if reader._checkpoints else None
        reader.refresh()
        self.used += checkpoint is not None and reader._kept_offset > 0
        plain = fresh_reader(self.ledger, cycle=self.cycle)
        assert Fold.of(reader.totals, NOW) == Fold.of(plain.totals, NOW)
        assert (reader.fault_count, reader.faults, reader.offset) == (plain.fault_count, plain.faults, plain.offset)
        for record in decode(b"".join(retried)).records:
            if isinstance(record, Reserve):
                assert asked(reader, Totals.known_reservation, record) == plain.totals.known_reservation(record)
                assert asked(reader, Totals.ending, record.id) == plain.totals.ending(record.id)
            elif isinstance(record, Usage):
                assert asked(reader, Totals.known, record) == plain.totals.known(record)
        assert Fold.of(reader.totals, NOW) == Fold.of(plain.totals, NOW)


def asked(ledger: Ledger, question: Callable[[Totals, Any], object], what: object) -> object:
    return ledger.answer(lambda: question(ledger.totals, what))


def cut_at_random(files: list[Path], chance: random.Random) -> None:
    path = chance.choice(files)
    os.truncate(path, chance.randrange(path.stat().st_size + 1))


def flip_at_random(files: list[Path], chance: random.Random) -> None:
    path = chance.choice(files)
    path.write_bytes(damaged(path.read_bytes(), chance))


def delete(files: list[Path], chance: random.Random) -> None:
    for path in chance.sample(files, chance.randrange(1, len(files) + 1)):
        path.unlink()


def swap(one: Path, other: Path) -> None:
    kept = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(kept)


def swap_fold_and_ids(files: list[Path], chance: random.Random) -> None:
    fold = next(path for path in files if path.suffix == ".fold")
    swap(fold, chance.choice([path for path in files if path != fold]))


def replace_by_a_folder(files: list[Path], chance: random.Random) -> None:
    path = chance.choice(files)
    path.unlink()
    path.mkdir()


def keep_but_make_the_rest_older(files: list[Path], chance: random.Random) -> None:
    """One file of the set as it was an earlier time."""
    path = chance.choice(files)
    if path.with_suffix(path.suffix + "-before").exists():
        shutil.copy(path.with_suffix(path.suffix + "-before"), path)


def leave(_files: list[Path], _chance: random.Random) -> None:
    """Nothing is wrong."""


DAMAGES = [
    cut_at_random,
    flip_at_random,
    delete,
    swap_fold_and_ids,
    replace_by_a_folder,
    keep_but_make_the_rest_older,
    leave,
]


@pytest.mark.usefixtures("small_checkpoints")
@pytest.mark.parametrize("cycle", [None, Cycle(period="daily")], ids=["no-cycle", "daily"])
def test_damaged_checkpoints_change_no_number(
    tmp_path: Path, sized: Callable[[int, int], int], figure: Callable[[str], None], cycle: Cycle | None
) -> None:
    rounds, chance, used = sized(70, 1400), random.Random(6), 0
    for number in range(rounds):
        folder = tmp_path / "cache"
        shutil.rmtree(folder, ignore_errors=True)
        checkpoints = Checkpoints(tmp_path / "ledger.jsonl", folder, cycle)
        checkpoints.ledger.unlink(missing_ok=True)
        lines = lines_of(number, 40)
        checkpoints.grow(b"".join(lines[:20]))
        for path in checkpoints.files():
            shutil.copy(path, path.with_suffix(path.suffix + "-before"))
        checkpoints.grow(b"".join(lines[20:30]))
        DAMAGES[number % len(DAMAGES)](checkpoints.files(), chance)
        with checkpoints.ledger.open("ab") as file:
            file.write(b"".join(lines[30:]))
        checkpoints.check(lines)
        used += checkpoints.used
    assert used >= rounds // len(DAMAGES), "a checkpoint that is sound is used"
    figure(
        f"damaged checkpoints ({'daily cycle' if cycle else 'no cycle'}): {rounds:,} rounds of {len(DAMAGES)} kinds, "
        f"totals and ids = a fold without them; {used:,} still went on from one"
    )


@pytest.mark.usefixtures("small_checkpoints")
def test_checkpoints_of_another_ledger_change_no_number(tmp_path: Path, sized: Callable[[int, int], int]) -> None:
    """Each file, and all of them, swapped with those of a ledger of the same length."""
    for number in range(sized(10, 200)):
        chance = random.Random(number)
        one, other = (Checkpoints(tmp_path / name, tmp_path / f"of-{name}", None) for name in ("one", "two"))
        lines = lines_of(number, 30)
        for place, swapped in ((one, lines), (other, [text.replace(b'"a"', b'"c"') for text in lines])):
            place.ledger.unlink(missing_ok=True)
            shutil.rmtree(place.folder, ignore_errors=True)
            place.grow(b"".join(swapped))
        for path in one.files():
            twin = other.folder / other.files()[0].with_suffix(path.suffix).name
            if twin.exists() and chance.random() < 0.7:
                shutil.copy(path, tmp_path / "kept")
                shutil.copy(twin, path)
                shutil.copy(tmp_path / "kept", twin)
        for place in (one, other):
            place.check(lines)


@pytest.mark.usefixtures("small_checkpoints")
def test_ids_and_reservations_swapped_with_each_other_are_not_believed(tmp_path: Path) -> None:
    lines = lines_of(8, 40)
    checkpoints = Checkpoints(tmp_path / "ledger", tmp_path / "cache", None)
    checkpoints.grow(b"".join(lines))
    _fold, holds, ids = sorted(checkpoints.files(), key=lambda path: path.suffix)
    assert (holds.suffix, ids.suffix) == (".holds", ".ids")
    swap(holds, ids)
    checkpoints.check(lines)


@pytest.mark.usefixtures("small_checkpoints")
@pytest.mark.parametrize("change", ["rewritten", "copied", "cut", "grown from other bytes"])
def test_a_checkpoint_of_what_the_file_was_before_is_not_believed(tmp_path: Path, change: str) -> None:
    lines = lines_of(9, 40)
    checkpoints = Checkpoints(tmp_path / "ledger", tmp_path / "cache", None)
    checkpoints.grow(b"".join(lines))
    data = checkpoints.ledger.read_bytes()
    if change == "rewritten":
        checkpoints.ledger.write_bytes(b"".join(lines_of(10, 80)))
    elif change == "copied":
        shutil.copy(checkpoints.ledger, tmp_path / "copy")
        os.replace(tmp_path / "copy", checkpoints.ledger)
    elif change == "cut":
        os.truncate(checkpoints.ledger, len(data) // 2)
    else:
        checkpoints.ledger.write_bytes(b"".join(lines_of(11, 10)) + data)
    checkpoints.check(lines)
