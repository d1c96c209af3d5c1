"""`budgauge help`: every page of the documentation is listed, shown, and found by a name that is nearly right."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from budgauge import cli as package
from budgauge.cli import cli
from budgauge.cli.doctor import TOPICS

DOCS = Path(package.__file__).parents[1] / "docs"
PAGES = {path.stem: path.read_text(encoding="utf-8") for path in sorted(DOCS.glob("*.md"))}


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["help", *arguments])


def test_every_page_is_listed_with_its_title() -> None:
    listed = dict(line.split(None, 1) for line in run().stdout.splitlines())
    assert listed == {name: text.partition("\n")[0].removeprefix(f"# {name}: ") for name, text in PAGES.items()}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_shown_as_it_stands(name: str) -> None:
    result = run(name)
    assert (result.exit_code, result.stdout.rstrip("\n")) == (0, PAGES[name].rstrip("\n"))


def test_a_command_is_explained_too() -> None:
    result = run("record")
    assert result.exit_code == 0
    assert result.stdout == CliRunner().invoke(cli, ["record", "--help"]).stdout


@pytest.mark.parametrize(
    ("wanted", "advice"),
    [("caveat", "did you mean caveats?"), ("statsu", "did you mean status?"), ("xyz", "topics are ")],
)
def test_an_unknown_topic_is_refused_with_the_nearest(wanted: str, advice: str) -> None:
    result = run(wanted)
    assert result.exit_code == 2
    assert f"there is no topic or command '{wanted}'; {advice}" in result.stderr


def test_a_page_opens_in_the_pager_on_a_terminal(tmp_path: Path) -> None:
    master, terminal = pty.openpty()
    pager = tmp_path / "pager"
    pager.write_text(f"#!/bin/sh\ncat > {tmp_path}/paged\n")
    pager.chmod(0o700)
    environment = {**os.environ, "PAGER": str(pager), "TERM": "xterm"}
    command = [sys.executable, "-m", "budgauge", "help", "caveats"]
    subprocess.run(command, stdin=terminal, stdout=terminal, stderr=terminal, env=environment, check=True)
    os.close(terminal)
    os.close(master)
    assert (tmp_path / "paged").read_text(encoding="utf-8").rstrip("\n") == PAGES["caveats"].rstrip("\n")


def test_an_error_of_the_config_names_the_page(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text("[token_budget]\ntotal_budget = -1\n", encoding="utf-8")
    result = CliRunner().invoke(cli, ["status", "--config", str(config)])
    assert (result.exit_code, result.stderr.splitlines()[-1]) == (2, "  more: budgauge help config")


def test_every_page_that_is_named_is_there() -> None:
    assert set(TOPICS.values()) <= set(PAGES)


def test_help_leaves_the_screen_and_the_prices_unloaded() -> None:
    code = (
        "import sys; from click.testing import CliRunner; from budgauge.cli import cli\n"
        "assert CliRunner().invoke(cli, ['help', 'caveats']).exit_code == 0\n"
        "print([name for name in ('textual', 'rich', 'genai_prices', 'watchfiles', 'asyncio') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
