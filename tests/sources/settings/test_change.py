"""A change of a settings file: how it is shown, and how it is written."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from budgauge.errors import ConfigError
from budgauge.sources.hook_settings import installed, uninstalled
from budgauge.sources.settings.change import Change, write
from sources.settings.layout import OURS, TOML, TOMLS, put


def test_the_diff_names_the_file_and_shows_only_what_is_new(path: Path) -> None:
    diff = installed("codex", put(path, "a = 1"), OURS).diff
    assert diff.startswith(f"--- {path}\n+++ {path}\n@@ ")
    assert "-a = 1\n\\ No newline at end of file\n+a = 1\n+\n+[[hooks.UserPromptSubmit]]\n" in diff
    assert diff.endswith("+timeout = 10\n\\ No newline at end of file\n")


def test_a_new_file_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "new" / "deep" / "config.toml"
    change = installed("codex", path, OURS)
    write(change)
    assert path.read_text() == change.after
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_files_mode_is_kept(path: Path) -> None:
    put(path, TOML).chmod(0o640)
    write(installed("codex", path, OURS))
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert uninstalled("codex", path).after == TOML


def test_a_crlf_file_is_written_as_it_was(path: Path) -> None:
    change = installed("codex", put(path, TOMLS["crlf"]), OURS)
    write(change)
    assert path.read_bytes() == change.after.encode()
    assert b"\n" not in path.read_bytes().replace(b"\r\n", b"")


@pytest.mark.parametrize("exists", [True, False])
def test_a_link_stays_and_its_target_is_written(exists: bool, tmp_path: Path) -> None:
    target, link = tmp_path / "dotfiles" / "config.toml", tmp_path / "config.toml"
    target.parent.mkdir()
    if exists:
        put(target, TOML)
    link.symlink_to(Path("dotfiles") / "config.toml")
    write(installed("codex", link, OURS))
    assert link.is_symlink()
    assert OURS in target.read_text()
    assert os.listdir(target.parent) == ["config.toml"]


@pytest.mark.parametrize("now", [TOML + "# more\n", None])
def test_a_file_that_changed_in_between_is_left(now: str | None, path: Path) -> None:
    change = installed("codex", put(path, TOML), OURS)
    path.unlink() if now is None else put(path, now)
    with pytest.raises(ConfigError, match="changed by someone else"):
        write(change)
    assert (path.read_text() if path.exists() else None) == now


def test_nothing_is_written_where_nothing_changes(path: Path) -> None:
    write(Change(path, "", ""))
    assert not path.exists()


def test_a_failed_write_leaves_the_file_and_no_other(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    change = installed("codex", put(path, TOML), OURS)

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(ConfigError, match=f"{path}: cannot be written: No space left"):
        write(change)
    assert path.read_text() == TOML
    assert os.listdir(path.parent) == [path.name]


def test_a_folder_that_cannot_be_made_is_an_error_with_its_reason(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(put(tmp_path / "file", "") / "config.toml")
    with pytest.raises(ConfigError, match=r"Not a directory"):
        write(Change(link, "", "x"))
