"""`budgauge reset` on a terminal: what each answer does."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from budgauge.cli import cli
from budgauge.ledger.ledger import Ledger
from terminal import Terminal
from usage import line


def answered(ledger: Path, keys: str, *more: str) -> tuple[int, str]:
    """Exit code and screen after answering the question."""
    command = [sys.executable, "-m", "budgauge", "reset", "--ledger", str(ledger), *more]
    with Terminal(command) as terminal:
        terminal.wait_for("[y/N]:")
        terminal.send(keys)
        if keys == "\x03" and not terminal.ends_within(5):
            # An interrupt between the question and the reading of its answer is only seen at the next key.
            terminal.send(keys)
        return terminal.wait_for_end(), terminal.text


@pytest.mark.parametrize("keys", ["n\r", "\r", "\x03", "\x04"], ids=["n", "Enter", "Ctrl-C", "end"])
def test_anything_but_yes_resets_nothing(ledger: Path, keys: str) -> None:
    ledger.write_bytes(line())
    code, screen = answered(ledger, keys)
    assert code == 1
    assert "nothing was reset" in screen
    assert ledger.read_bytes() == line()


def test_yes_resets_and_says_how_to_take_it_back(ledger: Path) -> None:
    ledger.write_bytes(line("a") + line("b"))
    code, screen = answered(ledger, "y\r", "--agent", "a")
    assert code == 0
    assert "reset agent a" in screen
    assert "--ledger" in screen
    assert "reset --undo" in screen
    reader = Ledger(ledger)
    reader.refresh()
    assert set(reader.totals.at(0).spent) == {"b"}


def reset(ledger: Path, *arguments: str) -> Result:
    return CliRunner().invoke(cli, ["reset", "--ledger", str(ledger), "--yes", *arguments])


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("codx", "Did you mean codex? There are: claude, codex, codex/*, codex/b"),
        ("nobody/*", "There are: claude, codex, codex/*, codex/b"),
    ],
)
def test_a_name_that_is_not_there_is_refused_with_the_names_that_are(ledger: Path, name: str, hint: str) -> None:
    content = line("codex") + line("codex/b") + line("claude")
    ledger.write_bytes(content)
    result = reset(ledger, "--agent", name)
    assert (result.exit_code, result.stdout) == (2, "")
    assert name in result.stderr
    assert hint in result.stderr
    assert ledger.read_bytes() == content


def test_an_empty_ledger_has_no_names(ledger: Path) -> None:
    result = reset(ledger, "--agent", "a")
    assert result.exit_code == 2
    assert "it is empty" in result.stderr
    assert not ledger.exists()


def test_a_family_is_reset_with_all_its_members(ledger: Path) -> None:
    ledger.write_bytes(line("codex") + line("codex/b") + line("claude"))
    result = reset(ledger, "--agent", "codex/*")
    assert result.exit_code == 0
    assert "reset family codex/*: 30 tokens" in result.stdout
    again = reset(ledger, "--agent", "codex/*")
    assert again.stdout == "reset family codex/*: nothing was used\n"
    undone = CliRunner().invoke(cli, ["reset", "--ledger", str(ledger), "--undo"])
    assert "30 tokens are back, 45 used" in undone.stdout


def test_names_are_few_enough_to_be_read(ledger: Path) -> None:
    ledger.write_bytes(b"".join(line(f"agent{number:02}") for number in range(30)))
    assert "agent19 and 10 more" in reset(ledger, "--agent", "x").stderr
