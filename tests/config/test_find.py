"""Where config and ledger are: every line of the contract's table."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from budgauge.config.find import stranger
from budgauge.config.load import Loaded, Options, load
from budgauge.errors import ConfigError

TABLE = "[token_budget]\n"
Write = Callable[..., Path]


@pytest.fixture
def home(own_place: Path) -> Path:
    return own_place


@pytest.fixture
def project(home: Path) -> Path:
    """A project's folder, below which the working directory is."""
    folder = home / "work" / "project"
    (folder / "src" / "deep").mkdir(parents=True)
    os.chdir(folder / "src" / "deep")
    return folder


def write(path: Path, text: str = TABLE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def budget(loaded: Loaded) -> int:
    return loaded.config.total_budget


def test_without_any_file_the_defaults_hold(home: Path) -> None:
    loaded = load()
    assert (budget(loaded), loaded.config.warning_threshold, loaded.budget_is_default) == (1_000_000, 80, True)
    assert (loaded.found, loaded.origins, loaded.warnings) == ((), {}, ())


def test_the_users_config(home: Path) -> None:
    path = write(home / ".codex" / "config.toml", 'model = "x"\n[token_budget]\ntotal_budget = 5\n')
    loaded = load()
    assert (budget(loaded), loaded.budget_is_default, loaded.found) == (5, False, (path,))
    assert loaded.origins["total_budget",] == f"{path}, line 3"


def test_codex_home_moves_it_and_empty_means_unset(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(home / ".codex" / "config.toml", TABLE + "total_budget = 5\n")
    write(home / "other" / "config.toml", TABLE + "total_budget = 6\n")
    monkeypatch.setenv("CODEX_HOME", str(home / "other"))
    assert budget(load()) == 6
    monkeypatch.setenv("CODEX_HOME", "")
    assert budget(load()) == 5


def test_the_nearest_project_config_with_the_table(home: Path, project: Path) -> None:
    write(home / "work" / ".codex" / "config.toml", TABLE + "total_budget = 1\n")
    assert budget(load()) == 1
    write(project / ".codex" / "config.toml", TABLE + "total_budget = 2\n")
    assert budget(load()) == 2
    write(project / "src" / ".codex" / "config.toml", 'model = "no budget here"\n')
    assert budget(load()) == 2


def test_the_users_own_file_is_never_a_projects(home: Path) -> None:
    write(home / ".codex" / "config.toml", TABLE + "total_budget = 1\n")
    loaded = load()
    assert loaded.ledger.project is None
    assert len(loaded.found) == 1


@pytest.mark.parametrize("link", [False, True])
def test_nor_is_the_default_one_when_codex_home_is_elsewhere(
    home: Path, monkeypatch: pytest.MonkeyPatch, link: bool
) -> None:
    write(home / ".codex" / "config.toml", TABLE + "total_budget = 1\n")
    (home / "elsewhere").symlink_to(home / ".codex") if link else (home / "elsewhere").mkdir()
    monkeypatch.setenv("CODEX_HOME", str(home / "elsewhere"))
    assert load().ledger.project is None
    assert budget(load()) == (1 if link else 1_000_000)


@pytest.mark.parametrize("folder", ["", "src/deep"])
def test_token_budget_toml_is_read_instead_of_its_neighbour(project: Path, folder: str) -> None:
    write(project / folder / ".codex" / "config.toml", TABLE + "total_budget = 1\nwarning_threshold = 1\n")
    write(project / folder / ".codex" / "token_budget.toml", TABLE + "total_budget = 2\n")
    loaded = load()
    assert (budget(loaded), loaded.config.warning_threshold) == (2, 80)


def test_an_empty_token_budget_toml_is_none(home: Path) -> None:
    write(home / ".codex" / "config.toml", TABLE + "total_budget = 1\n")
    write(home / ".codex" / "token_budget.toml", "# nothing yet\n")
    assert budget(load()) == 1


def test_token_budget_toml_without_its_table_is_an_error(home: Path) -> None:
    path = write(home / ".codex" / "token_budget.toml", "total_budget = 2\n")
    with pytest.raises(ConfigError) as caught:
        load()
    assert str(caught.value) == f"{path}: holds no [token_budget] table"
    assert "[token_budget]" in caught.value.hint


def test_config_option_replaces_both(home: Path, project: Path) -> None:
    write(home / ".codex" / "config.toml", TABLE + "total_budget = 1\ncount = 'uncached'\n")
    write(project / ".codex" / "config.toml", TABLE + "warning_threshold = 1\n")
    named = write(home / "named.toml", TABLE + "total_budget = 3\n")
    loaded = load(Options(config=str(named)))
    assert (budget(loaded), loaded.config.warning_threshold, loaded.config.count) == (3, 80, "all")
    assert loaded.files == (named,)


@pytest.mark.parametrize(("text", "why"), [(None, "no such file"), ("x = 1\n", r"holds no \[token_budget\] table")])
def test_a_named_config_must_be_one(home: Path, text: str | None, why: str) -> None:
    if text is not None:
        write(home / "named.toml", text)
    with pytest.raises(ConfigError, match=f"named.toml: {why}"):
        load(Options(config=str(home / "named.toml")))


def test_the_ledger_first_match_wins(home: Path, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def ledger(option: str | None = None) -> Path:
        return load(Options(ledger=option)).ledger.path

    assert ledger().name == "token_usage.jsonl"
    assert home in ledger().parents, "the user data folder"
    assert home / ".codex" not in ledger().parents
    (home / ".codex").mkdir()
    assert ledger() == home / ".codex" / "token_usage.jsonl"
    own = write(project / ".codex" / "config.toml")
    assert ledger() == project / ".codex" / "token_usage.jsonl"
    write(home / ".codex" / "config.toml", TABLE + 'ledger = "sub/l.jsonl"\n')
    assert ledger() == home / ".codex" / "sub" / "l.jsonl"
    write(own, TABLE + 'ledger = "p.jsonl"\n')
    assert ledger() == project / ".codex" / "p.jsonl"
    monkeypatch.setenv("CODEX_TOKEN_LEDGER", str(home / "env.jsonl"))
    assert ledger() == home / "env.jsonl"
    assert ledger(str(home / "option.jsonl")) == home / "option.jsonl"
    assert ledger("option.jsonl") == project / "src" / "deep" / "option.jsonl"
    monkeypatch.setenv("CODEX_TOKEN_LEDGER", "")
    assert ledger() == project / ".codex" / "p.jsonl"


def test_where_the_ledger_comes_from_is_said(home: Path, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert load().ledger.origin == "default"
    own = write(project / ".codex" / "config.toml")
    assert (load().ledger.origin, load().ledger.project) == (str(own), project)
    monkeypatch.setenv("CODEX_TOKEN_LEDGER", "x")
    assert (load().ledger.origin, load().ledger.project) == ("$CODEX_TOKEN_LEDGER", None)
    assert load(Options(ledger="y")).ledger.origin == "--ledger"


def test_a_ledger_in_the_home_folder(home: Path) -> None:
    write(home / ".codex" / "config.toml", TABLE + 'ledger = "~/l.jsonl"\n')
    assert load().ledger.path == home / "l.jsonl"
    write(home / ".codex" / "config.toml", TABLE + 'ledger = "~nobody-of-this-name/l.jsonl"\n')
    assert load().ledger.path == home / ".codex" / "~nobody-of-this-name" / "l.jsonl"


@pytest.mark.parametrize("where", ["../l.jsonl", "../sub/../l.jsonl", "l.jsonl"])
def test_a_projects_ledger_inside_the_project(project: Path, where: str) -> None:
    write(project / ".codex" / "config.toml", TABLE + f'ledger = "{where}"\n')
    assert project in load().ledger.path.parents


@pytest.mark.parametrize("where", ["../../l.jsonl", "/tmp/l.jsonl", "~/l.jsonl", "../link/l.jsonl", "../../project2/l"])
def test_a_project_names_no_ledger_outside_of_it(project: Path, home: Path, where: str) -> None:
    (project / "link").symlink_to(home)
    path = write(project / ".codex" / "config.toml", TABLE + f'ledger = "{where}"\n')
    with pytest.raises(ConfigError, match="lies outside the project's folder") as caught:
        load()
    assert str(caught.value).startswith(f"{path}: ledger ")
    assert load(Options(ledger="mine.jsonl")).ledger.project is None


def test_a_projects_codex_folder_that_leads_outside(project: Path, home: Path) -> None:
    write(home / "outside" / "config.toml")
    (project / ".codex").symlink_to(home / "outside")
    with pytest.raises(ConfigError, match="lies outside the project's folder"):
        load()


def test_a_removed_working_directory_is_an_error_in_words(home: Path) -> None:
    gone = home / "gone"
    gone.mkdir()
    os.chdir(gone)
    gone.rmdir()
    with pytest.raises(ConfigError, match="working directory cannot be read"):
        load()


def test_every_place_to_watch_is_named(home: Path, project: Path) -> None:
    files = load().files
    for folder in (project / "src" / "deep", project / "src", project, home / "work"):
        assert {folder / ".codex" / "config.toml", folder / ".codex" / "token_budget.toml"} <= set(files)
    assert files[-1] == home / ".codex" / "config.toml"


def test_nothing_is_written(home: Path, project: Path) -> None:
    write(home / ".codex" / "config.toml", TABLE)
    before = sorted(home.rglob("*"))
    load()
    assert sorted(home.rglob("*")) == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
@pytest.mark.parametrize("what", [".codex", ".codex/config.toml", ".codex/linked.toml"])
def test_a_strangers_config_is_passed_over_and_named(project: Path, what: str) -> None:
    path = write(project / ".codex" / "config.toml", TABLE + "total_budget = 5\n")
    if "linked" in what:
        path.rename(project / what)
        path.symlink_to("linked.toml")
    os.chown(project / what, 12345, 12345)
    loaded = load()
    assert (loaded.budget_is_default, loaded.found, loaded.project) == (True, (), None)
    assert "is passed over: it belongs to user 12345" in loaded.warnings[0]


def test_the_search_stops_at_a_file_systems_border(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(project / ".codex" / "config.toml", TABLE + "total_budget = 5\n")
    assert budget(load()) == 5
    real = os.stat

    def elsewhere(path: object, **options: object) -> object:
        status = real(path, **options)  # type: ignore[call-overload]
        if Path(str(path)) != project:
            return status
        return os.stat_result((*status[:2], status.st_dev + 1, *status[3:10]))

    monkeypatch.setattr("budgauge.config.find.os.stat", elsewhere)
    assert load().project is None


def test_a_folder_that_cannot_be_looked_at_is_left_to_whoever_reads_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: object, **_more: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "lstat", refuse)
    assert stranger(tmp_path / ".codex") is None
