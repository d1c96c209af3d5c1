"""Ledgers of an earlier version give the numbers which that version gave."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from legacy.compared import corrected, narrowed
from legacy.write import HERE, LEDGERS, lay_out, status


@pytest.mark.parametrize("name", [*LEDGERS, "many"])
def test_an_earlier_ledger_gives_the_same_numbers(name: str, tmp_path: Path) -> None:
    expected = corrected(name, json.loads((HERE / f"{name}.json").read_text(encoding="utf-8")))
    lay_out(name, tmp_path)
    first, again = status(sys.executable, tmp_path), status(sys.executable, tmp_path)
    assert narrowed(first, expected) == expected
    assert again == first, "the second run reads a checkpoint"
