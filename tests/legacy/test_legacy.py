"""Ledgers of an earlier version give the numbers which that version gave."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from legacy.write import HERE, LEDGERS, lay_out, status

CORRECTIONS = json.loads((HERE / "corrections.json").read_text(encoding="utf-8"))
"""By ledger, then by key of the status: `value` is right now, `reason` says why."""


def narrowed(shown: object, expected: object) -> object:
    """What is shown without the keys that were not expected."""
    if isinstance(shown, dict) and isinstance(expected, dict):
        return {key: narrowed(value, expected[key]) for key, value in shown.items() if key in expected}
    if isinstance(shown, list) and isinstance(expected, list) and len(shown) == len(expected):
        return [narrowed(*pair) for pair in zip(shown, expected, strict=True)]
    return shown


@pytest.mark.parametrize("name", [*LEDGERS, "many"])
def test_an_earlier_ledger_gives_the_same_numbers(name: str, tmp_path: Path) -> None:
    expected = json.loads((HERE / f"{name}.json").read_text(encoding="utf-8"))
    for key, correction in CORRECTIONS.get(name, {}).items():
        assert correction["reason"]
        expected[key] = correction["value"]
    lay_out(name, tmp_path)
    first, again = status(sys.executable, tmp_path), status(sys.executable, tmp_path)
    assert narrowed(first, expected) == expected
    assert again == first, "the second run reads a checkpoint"
