"""Names that nearly say what was meant: each is expanded, refused or hinted at, never silently taken for another."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from asking import Stage
from budgauge.cli import cli
from budgauge.config.load import Options, load
from budgauge.errors import ConfigError

TABLE = "[token_budget]\n"


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_a_tilde_is_the_home_folder_wherever_a_path_is_named(own_place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(own_place / "moved" / "config.toml", TABLE + "total_budget = 7\n")
    monkeypatch.setenv("CODEX_HOME", "~/moved")
    assert load().config.total_budget == 7
    assert load(Options(ledger="~/x.jsonl")).ledger.path == own_place / "x.jsonl"
    assert load(Options(config="~/moved/config.toml")).config.total_budget == 7
    monkeypatch.setenv("CODEX_TOKEN_LEDGER", "~/y.jsonl")
    assert load().ledger.path == own_place / "y.jsonl"


def test_codex_home_may_be_the_home_folder_itself(own_place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(own_place / "config.toml", TABLE + "total_budget = 7\n")
    monkeypatch.setenv("CODEX_HOME", "~")
    assert load().config.total_budget == 7


@pytest.mark.parametrize(
    "address", ["postgresql://me:secret@host/db", "s3://secret/x", "file:///secret", "service=secret"]
)
@pytest.mark.parametrize("where", ["option", "variable", "user", "project"])
def test_an_address_is_no_ledger_and_is_not_shown(
    own_place: Path, monkeypatch: pytest.MonkeyPatch, address: str, where: str
) -> None:
    text = TABLE + f'total_budget = 1\nledger = "{address}"\n'
    if where == "variable":
        monkeypatch.setenv("CODEX_TOKEN_LEDGER", address)
    elif where != "option":
        write((own_place if where == "user" else own_place / "work") / ".codex" / "config.toml", text)
    with pytest.raises(ConfigError, match="names an address") as caught:
        load(Options(ledger=address if where == "option" else None))
    assert "secret" not in str(caught.value)
    if where == "user":
        assert "config.toml, line 3: token_budget.ledger names an address" in str(caught.value)
    assert "by its path" in caught.value.hint


@pytest.mark.parametrize("kind", ["missing", "file"])
def test_a_codex_home_that_is_not_there_is_told(own_place: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    folder = own_place / "nowhere"
    if kind == "file":
        folder.write_text("")
    monkeypatch.setenv("CODEX_HOME", str(folder))
    said = f"$CODEX_HOME names {folder}, which {'does not exist' if kind == 'missing' else 'is not a folder'}"
    assert said in load().warnings[0]
    assert said in CliRunner().invoke(cli, ["config"]).stderr
    doctor = CliRunner().invoke(cli, ["doctor"]).output
    assert said in doctor


def test_the_gate_tells_of_it_once_a_session(own_place: Path, ledger: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage("claude-code", own_place, ledger)
    monkeypatch.setenv("CODEX_HOME", str(own_place / "nowhere"))
    assert "nowhere, which does not exist" in stage.ask().output
    assert stage.ask().output == ""
    assert "nowhere, which does not exist" in stage.ask(session_id="another").output


@pytest.mark.parametrize("name", ["token-budget", "tokenbudget", "Token_Budget", "token_budgets"])
def test_a_table_of_nearly_the_right_name_gets_a_hint(own_place: Path, name: str) -> None:
    path = write(own_place / ".codex" / "config.toml", f"model = 'x'\n[{name}]\ntotal_budget = 5\n")
    assert load().warnings == (f"{path}, line 2: table [{name}] is ignored; did you mean [token_budget]?",)
    with pytest.raises(ConfigError) as caught:
        load(Options(config=str(path)))
    assert "did you mean [token_budget]?" in caught.value.hint


def test_so_does_one_of_a_project(own_place: Path) -> None:
    write(own_place / "work" / ".codex" / "config.toml", "[token-budget]\ntotal_budget = 5\n")
    assert "did you mean [token_budget]?" in load().warnings[0]


def test_and_a_key_outside_the_table(own_place: Path) -> None:
    path = write(own_place / ".codex" / "config.toml", "total_budget = 5\nmodel = 'x'\n")
    warning = f"{path}, line 1: total_budget is ignored, for it stands outside the table; "
    assert load().warnings == (warning + "put it below the line [token_budget]",)


def test_other_programs_tables_get_none(own_place: Path) -> None:
    write(own_place / ".codex" / "config.toml", "model = 'x'\n[tokens]\na = 1\n[budget]\nledger = 'x'\n")
    assert load().warnings == ()


@pytest.mark.parametrize(("value", "meant"), [("0.8", "80"), ("0.875", "87.5")])
def test_a_fraction_for_a_percentage_gets_a_hint(
    own_place: Path, monkeypatch: pytest.MonkeyPatch, value: str, meant: str
) -> None:
    path = write(own_place / ".codex" / "config.toml", TABLE + f"warning_threshold = {value}\nuntracked_buffer = 0\n")
    said = f"warning_threshold = {value} is less than one percent; did you mean {meant}?"
    assert load().warnings == (f"{path}, line 2: token_budget.{said}",)
    path.write_text(TABLE)
    monkeypatch.setenv("CODEX_TOKEN_WARNING_THRESHOLD", value)
    assert load().warnings == (f"$CODEX_TOKEN_WARNING_THRESHOLD: {said}",)
    assert load().config.warning_threshold == float(value), "what is allowed stays in force"
