"""A glance differs once the ledger has grown, and follows what stands at its path."""

from __future__ import annotations

import gc
import os
from pathlib import Path

from budgauge.ledger.glance import Glance


def glance(path: Path) -> Glance:
    made = Glance()
    made.at(path)
    return made


def test_it_grows_with_the_file(ledger: Path) -> None:
    ledger.write_bytes(b"a\n")
    made = glance(ledger)
    before = made.size()
    with ledger.open("ab") as file:
        file.write(b"b\n")
    assert (before, made.size()) == (2, 4)


def test_a_file_that_is_missing_or_no_ledger_has_no_size(ledger: Path) -> None:
    assert glance(ledger).size() == 0
    ledger.mkdir()
    assert glance(ledger).size() == 0
    ledger.rmdir()
    os.mkfifo(ledger)
    assert glance(ledger).size() == 0


def test_it_follows_the_path_through_the_same_answer(ledger: Path) -> None:
    made = glance(ledger)
    size = made.size
    ledger.write_bytes(b"a\n")
    made.at(ledger)
    assert size() == 2
    other = ledger.with_name("other")
    other.write_bytes(b"abc\n")
    os.replace(other, ledger)
    made.at(ledger)
    assert size() == 4
    ledger.unlink()
    made.at(ledger)
    assert size() == 0


def test_it_keeps_one_descriptor_and_lets_go_of_it(ledger: Path) -> None:
    def descriptors() -> int:
        return len(os.listdir("/dev/fd"))

    gc.collect()
    before = descriptors()
    made = Glance()
    for _ in range(10):
        ledger.write_bytes(b"a\n")
        made.at(ledger)
        ledger.unlink()
        made.at(ledger)
    assert descriptors() == before + 1
    del made
    assert descriptors() == before
