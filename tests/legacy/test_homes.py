"""Homes of an earlier version, with its caches: the present one reads the same numbers there, and goes on from them."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from legacy.compared import CORRECTIONS, corrected, narrowed
from legacy.home import HERE, lay_out, run, status

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the homes were kept on Linux")
NAMES = sorted(path.stem for path in HERE.glob("*.json"))


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def kept(name: str, tmp_path: Path) -> dict[str, Any]:
    """What is kept of a home, which is laid out in `tmp_path`."""
    kept: dict[str, Any] = json.loads((HERE / f"{name}.json").read_text(encoding="utf-8"))
    lay_out(kept, tmp_path)
    return kept


def test_an_earlier_home_gives_the_same_numbers(name: str, kept: dict[str, Any], tmp_path: Path) -> None:
    expected = corrected(name, kept["status"])
    shown = status(sys.executable, tmp_path, kept["folder"])
    assert narrowed(shown, expected) == expected
    if name == "checkpoint":
        assert status(sys.executable, tmp_path, kept["folder"]) == shown, "the second run reads its own checkpoint"


def test_what_comes_later_gives_the_same_numbers(name: str, kept: dict[str, Any], tmp_path: Path) -> None:
    before = (tmp_path / kept["ledger"]).read_bytes()
    for file, text in kept["grown"].items():
        with (tmp_path / file).open("r+", encoding="utf-8") as log:
            log.write(text)
    done = [run(sys.executable, tmp_path, step) for step in kept["later"]]
    assert [one.returncode for one in done] == [code for code, _ in kept["answers"]]
    for one, (_, refusal) in zip(done, kept["answers"], strict=True):
        assert one.stderr.startswith(refusal), "advice may follow"
    expected = corrected(f"{name}, later", kept["then"])
    assert narrowed(status(sys.executable, tmp_path, kept["folder"]), expected) == expected
    assert (tmp_path / kept["ledger"]).read_bytes().startswith(before), "a ledger only grows"


def test_every_correction_has_a_reason_and_a_home() -> None:
    for name, keys in CORRECTIONS.items():
        assert name.removesuffix(", later") in {*NAMES, *(path.stem for path in HERE.parent.glob("*.json"))}
        assert all(correction["reason"] for correction in keys.values())
