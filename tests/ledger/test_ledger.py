"""Reading: only what is new, whatever the bytes, and a notice when the file is another than before."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from budgauge.accounting.accumulator import FOREVER, Extent
from budgauge.accounting.codec import decode, encode
from budgauge.accounting.records import Batch, Reset
from budgauge.errors import LedgerReadError
from budgauge.files import tail as blocks
from budgauge.ledger import tail as tail_module
from budgauge.ledger.ledger import KEPT_FAULTS, Ledger
from budgauge.ledger.tail import MAX_LINE_BYTES
from usage import line


def write(path: Path, data: bytes) -> None:
    """Append as another program does."""
    with path.open("ab") as file:
        file.write(data)


def fresh(path: Path) -> Ledger:
    reader = Ledger(path)
    reader.refresh()
    return reader


def total(reader: Ledger) -> int:
    return reader.totals.at(0).spent_by_all[0]


def assert_as_fresh(reader: Ledger) -> None:
    """What is known equals a fresh fold of the file."""
    whole = fresh(reader.path)
    assert reader.totals.whole_cycles() == whole.totals.whole_cycles()
    assert reader.totals.at(0).groups == whole.totals.at(0).groups
    assert (reader.fault_count, reader.faults) == (whole.fault_count, whole.faults)


def test_a_missing_ledger_is_empty(ledger: Path) -> None:
    reader = Ledger(ledger)
    assert (reader.refresh(), reader.exists, total(reader)) == (False, False, 0)
    ledger.write_bytes(b"")
    assert (reader.refresh(), reader.exists, reader.restarts) == (True, True, 0)


def test_only_what_is_new_is_read(ledger: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger.write_bytes(line() * 1000)
    reader = fresh(ledger)
    decoded: list[bytes] = []

    def decode_and_note(data: bytes, offset: int) -> Batch:
        decoded.append(data)
        return decode(data, offset)

    monkeypatch.setattr(tail_module, "decode", decode_and_note)
    assert reader.refresh() is False
    write(ledger, line("b"))
    assert reader.refresh() is True
    assert decoded == [line("b")]
    assert total(reader) == 1001 * 15


def test_an_unterminated_last_line_is_held_and_tried_again(ledger: Path) -> None:
    data = line()
    ledger.write_bytes(b"")
    reader = fresh(ledger)
    for at in range(len(data)):
        write(ledger, data[at : at + 1])
        reader.refresh()
        assert total(reader) == (15 if at == len(data) - 1 else 0)
    assert reader.fault_count == 0


def test_a_line_of_64_kib_is_read_and_a_longer_one_skipped(ledger: Path) -> None:
    fitting = line().replace(b"{", b'{"x":"",', 1)
    fitting = fitting.replace(b'"x":""', b'"x":"' + b"x" * (MAX_LINE_BYTES + 1 - len(fitting)) + b'"')
    longer = fitting.replace(b'"x":"', b'"x":"x')
    assert len(fitting) == MAX_LINE_BYTES + 1
    ledger.write_bytes(line() + fitting + longer + line("b"))
    reader = fresh(ledger)
    assert total(reader) == 45
    assert [(f.offset, f.length) for f in reader.faults] == [(len(line() + fitting), len(longer))]
    assert reader.faults[0].reason == "longer than 65536 bytes"


@pytest.mark.parametrize("size", [MAX_LINE_BYTES + 1, 3 << 20])
def test_an_overlong_line_is_skipped_in_bounded_memory_wherever_reading_stops(
    ledger: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    reads: list[int] = []
    pread = os.pread

    def pread_and_note(fd: int, length: int, offset: int) -> bytes:
        reads.append(length)
        return pread(fd, length, offset)

    monkeypatch.setattr(os, "pread", pread_and_note)
    ledger.write_bytes(line() + b"x" * size)
    reader = fresh(ledger)
    assert total(reader) == 15
    write(ledger, b"x" * 10)
    reader.refresh()
    write(ledger, b"\n" + line("b"))
    reader.refresh()
    assert total(reader) == 30
    assert [(f.offset, f.length) for f in reader.faults] == [(len(line()), size + 11)]
    assert max(reads) <= blocks.BLOCK_BYTES
    assert_as_fresh(reader)


def test_a_ledger_of_many_blocks(ledger: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 1000)
    ledger.write_bytes(b"".join(line("a" * (1 + i % 50)) for i in range(500)))
    assert total(fresh(ledger)) == 500 * 15


def test_faults_are_counted_and_the_first_kept(ledger: Path) -> None:
    ledger.write_bytes(b"junk\n" * (KEPT_FAULTS + 50) + line())
    reader = fresh(ledger)
    assert (reader.fault_count, len(reader.faults), total(reader)) == (KEPT_FAULTS + 50, KEPT_FAULTS, 15)
    write(ledger, b"junk\n")
    reader.refresh()
    assert (reader.fault_count, len(reader.faults)) == (KEPT_FAULTS + 51, KEPT_FAULTS)


def rename_and_make(path: Path) -> None:
    os.rename(path, path.with_suffix(".1"))
    path.write_bytes(line("new"))


def remove_and_make(path: Path) -> None:
    path.unlink()
    path.write_bytes(line("new"))


def replace_atomically(path: Path) -> None:
    path.with_suffix(".tmp").write_bytes(line("new"))
    os.replace(path.with_suffix(".tmp"), path)


def cut_and_write(path: Path) -> None:
    path.write_bytes(line("new"))


def replace_by_a_longer_one(path: Path) -> None:
    """In place: same inode, and longer than what was read."""
    path.write_bytes(line("new") + line("other") * 20)


def change_only_what_follows_the_first_lines(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[:600] + b"\n" + line("new") * 20)


@pytest.mark.parametrize(
    "change",
    [
        rename_and_make,
        remove_and_make,
        replace_atomically,
        cut_and_write,
        replace_by_a_longer_one,
        change_only_what_follows_the_first_lines,
        lambda path: os.truncate(path, len(line("old"))),
        lambda path: os.truncate(path, 0),
    ],
)
def test_another_file_is_read_from_its_start_and_said_so(ledger: Path, change: Callable[[Path], None]) -> None:
    ledger.write_bytes(line("old") * 10)
    reader = fresh(ledger)
    change(ledger)
    assert reader.refresh() is True
    assert reader.restarts == 1
    assert_as_fresh(reader)
    write(ledger, b"\n" + line("more"))
    reader.refresh()
    assert reader.restarts == 1
    assert_as_fresh(reader)


def test_a_file_that_came_back_after_a_time_without_one(ledger: Path) -> None:
    ledger.write_bytes(line("old"))
    reader = fresh(ledger)
    ledger.unlink()
    assert (reader.refresh(), total(reader), reader.exists) == (True, 0, False)
    assert reader.refresh() is False
    ledger.write_bytes(line("new") * 2)
    assert (reader.refresh(), total(reader), reader.exists) == (True, 30, True)
    assert reader.restarts == 1


def test_many_rotations(ledger: Path) -> None:
    chance = random.Random(1)
    reader = Ledger(ledger)
    changes: list[Callable[[Path], None]] = [
        rename_and_make,
        remove_and_make,
        replace_atomically,
        cut_and_write,
        lambda path: write(path, line("b") + b'{"torn'),
        lambda path: write(path, b"\n" + encode(Reset(1, os.urandom(4).hex()))),
        lambda path: os.truncate(path, chance.randrange(path.stat().st_size + 1)),
    ]
    ledger.write_bytes(line())
    for _ in range(200):
        chance.choice(changes)(ledger)
        if chance.random() < 0.7:
            reader.refresh()
            assert_as_fresh(reader)
    reader.refresh()
    assert_as_fresh(reader)


def make_link(path: Path) -> None:
    path.with_suffix(".real").write_bytes(line())
    path.symlink_to(path.with_suffix(".real"))


@pytest.mark.parametrize(
    ("make", "what"), [(make_link, "a symbolic link"), (Path.mkdir, "a folder"), (os.mkfifo, "a FIFO")]
)
def test_what_is_no_file_is_an_error_and_reading_recovers(
    ledger: Path, make: Callable[[Path], None], what: str
) -> None:
    ledger.write_bytes(line())
    reader = fresh(ledger)
    ledger.unlink()
    make(ledger)
    for _ in range(2):
        with pytest.raises(LedgerReadError, match=f"is {what}, not a ledger file"):
            reader.refresh()
    shutil.rmtree(ledger) if ledger.is_dir() and not ledger.is_symlink() else ledger.unlink()
    ledger.write_bytes(line("new"))
    reader.refresh()
    assert reader.totals.at(0).spent == {"new": (15, 0)}


@pytest.mark.parametrize("call", ["open", "pread", "fstat"])
def test_a_failing_call_is_a_typed_error_and_reading_recovers(
    ledger: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    ledger.write_bytes(line())
    reader = fresh(ledger)
    write(ledger, line("b"))

    def fail(*_args: object) -> None:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(os, call, fail)
        with pytest.raises(LedgerReadError, match="Permission denied"):
            reader.refresh()
    reader.refresh()
    assert total(reader) == 30
    assert_as_fresh(reader)


def test_every_prefix_of_a_ledger_is_read_as_far_as_it_goes(ledger: Path) -> None:
    data = line("a") + b"\n" + line("é", cached_tokens=3) + encode(Reset(5, "r")) + line("b", id="x")
    ledger.write_bytes(b"")
    growing = fresh(ledger)
    for end in range(len(data) + 1):
        ledger.write_bytes(data[:end])
        growing.refresh()
        assert growing.fault_count == 0
        assert_as_fresh(growing)
    assert growing.totals.at(0).spent == {"b": (15, 0)}


def test_flipped_bits_cost_no_more_than_their_own_lines(ledger: Path) -> None:
    chance = random.Random(2)
    names = ["agent" + "x" * i for i in range(8)]  # no flip makes one into another
    lines = [line(name, 2**i, 0) for i, name in enumerate(names)]
    data = b"".join(lines)
    starts = [sum(map(len, lines[:i])) for i in range(9)]
    for _ in range(500):
        at = chance.randrange(len(data))
        damaged = bytearray(data)
        damaged[at] ^= 1 << chance.randrange(8)
        ledger.write_bytes(damaged)
        spent = fresh(ledger).totals.at(0).spent
        hit = next(i for i in range(8) if at < starts[i + 1])
        touched = {hit, hit + 1} if at == starts[hit + 1] - 1 else {hit}
        for i in set(range(8)) - touched:
            assert spent[names[i]] == (2**i, 0)


def test_a_refold_takes_other_buckets(ledger: Path) -> None:
    ledger.write_bytes(line() * 2)
    tiers: list[int] = [0]

    class Tiered:
        shape = "tiered"

        def extent(self, _prompt: int, _timestamp: float) -> Extent:
            return Extent((0, tiers[0]), 0, FOREVER, -1, FOREVER)

    reader = Ledger(ledger, lambda _model: Tiered())
    reader.refresh()
    tiers[0] = 1
    reader.refold()
    assert [(key, sums.calls) for key, sums in reader.totals.at(0).groups.items()] == [(("a", "gpt-4", (0, 1), ""), 2)]
    assert reader.restarts == 0
