"""English and Japanese: which is spoken, that everything is translated, and that it fits.

`BUDGAUGE_RENEW=1 pytest tests/monitor/test_language.py` puts new texts into the catalogue, still to
be translated, and compiles it.
"""

from __future__ import annotations

import ast
import io
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from babel.messages.catalog import Catalog
from babel.messages.mofile import read_mo, write_mo
from babel.messages.pofile import read_po, write_po
from rich.cells import cell_len

import budgauge.monitor
from budgauge.monitor.language import FOLDER, dollars, tr, trn, use_language, wanted_language
from monitor.stage import NOW, Stage, golden, view
from usage import line

SOURCES = Path(budgauge.monitor.__file__).parent
PO = FOLDER / "ja" / "LC_MESSAGES" / "budgauge.po"
_NAMES = re.compile(r"\{(\w+)\}")
LIMITS = {"coder": 600_000, "team/*": 10_000}


@pytest.fixture
def japanese() -> Iterator[None]:
    use_language("ja")
    yield
    use_language("en")


def literals(node: ast.Call) -> list[str]:
    return [arg.value for arg in node.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]


def texts() -> set[str | tuple[str, str]]:
    """Every text that the code asks for."""
    found: set[str | tuple[str, str]] = set()
    for path in SOURCES.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                if node.func.id in ("tr", "mark"):
                    found.update(literals(node)[:1])
                elif node.func.id == "trn":
                    one, many = literals(node)[:2]
                    found.add((one, many))
    return found


def catalogue() -> Catalog:
    with PO.open("rb") as file:
        return read_po(file)


def key(message: Any) -> str | tuple[str, ...]:
    return tuple(message.id) if isinstance(message.id, (list, tuple)) else message.id


def test_every_text_is_translated_and_nothing_else() -> None:
    known = catalogue()
    if os.environ.get("BUDGAUGE_RENEW"):
        wanted = texts()
        known.msgid_bugs_address = "the issue tracker"
        for message in list(known):
            if message.id and key(message) not in wanted:
                known.delete(message.id)
        for text in wanted:
            if known.get(text) is None:
                known.add(text)
        with PO.open("wb") as file:
            write_po(file, known, sort_output=True, width=100)
        with PO.with_suffix(".mo").open("wb") as file:
            write_mo(file, known)
    assert {key(message) for message in known if message.id} == texts()
    untranslated = [message.id for message in known if message.id and not all(_strings(message.string))]
    assert untranslated == []
    assert not any(message.fuzzy for message in known if message.id)


def _strings(string: Any) -> tuple[str, ...]:
    return tuple(string) if isinstance(string, (list, tuple)) else (string,)


def test_a_translation_names_what_the_text_names() -> None:
    for message in catalogue():
        if not message.id:
            continue
        ids = key(message)
        names = set(_NAMES.findall(ids[-1] if isinstance(ids, tuple) else ids))
        for string in _strings(message.string):
            assert set(_NAMES.findall(string)) == names, message.id


def test_the_compiled_catalogue_is_that_of_the_text() -> None:
    compiled = io.BytesIO()
    write_mo(compiled, catalogue())
    compiled.seek(0)
    with PO.with_suffix(".mo").open("rb") as file:
        shipped = {key(message): message.string for message in read_mo(file)}
    assert shipped == {key(message): message.string for message in read_mo(compiled)}


@pytest.mark.parametrize(
    ("setting", "env", "language"),
    [
        ("auto", {}, "en"),
        ("auto", {"LANG": "ja_JP.UTF-8"}, "ja"),
        ("auto", {"LANG": "ja"}, "ja"),
        ("auto", {"LANG": "de_DE.UTF-8"}, "en"),
        ("auto", {"LANG": "ja_JP.UTF-8", "LC_ALL": "C"}, "en"),
        ("auto", {"LANG": "en_US.UTF-8", "LC_MESSAGES": "ja_JP.UTF-8"}, "ja"),
        ("auto", {"LANG": "en_US.UTF-8", "LANGUAGE": "ja:en"}, "ja"),
        ("auto", {"LANG": "ja_JP.UTF-8", "LANGUAGE": ""}, "ja"),
        ("en", {"LANG": "ja_JP.UTF-8"}, "en"),
        ("ja", {"LANG": "en_US.UTF-8"}, "ja"),
    ],
)
def test_which_language_is_spoken(setting: str, env: dict[str, str], language: str) -> None:
    assert wanted_language(setting, env) == language


def test_texts_in_both_languages(japanese: None) -> None:
    assert tr("Quit") == "終了"
    assert trn("{n} agent", "{n} agents", 1200) == "エージェント 1,200"
    assert dollars(None) == "不明"
    assert tr("no such text {n}", n=5) == "no such text 5"
    use_language("en")
    assert (tr("Quit"), trn("{n} agent", "{n} agents", 1), trn("{n} agent", "{n} agents", 2)) == (
        *("Quit", "1 agent", "2 agents"),
    )


@pytest.mark.parametrize(("columns", "lines"), [(60, 15), (80, 24), (140, 45)])
async def test_the_screen_in_japanese(tmp_path: Path, japanese: None, columns: int, lines: int) -> None:
    stage = Stage(tmp_path, view(limits=LIMITS))
    async with stage.run(columns, lines) as pilot:
        await stage.wait(pilot, "812,000 / 1,000,000")
        # What the contract fixes to the letter stays as it is.
        assert "Token budget warning: 81.2% used (812000 / 1000000)" in stage.text
        assert "81.2%" in stage.text
        assert "上限超過: coder" in stage.text
        assert all(cell_len(text) == columns for text in stage.lines())
        golden(f"japanese-{columns}x{lines}", stage.text)


async def test_every_screen_in_japanese(tmp_path: Path, japanese: None) -> None:
    stage = Stage(tmp_path, view(limits=LIMITS))
    stage.observer.ledger.write_bytes(line("coder", 5, 5, timestamp=NOW))
    async with stage.run(80, 40) as pilot:
        await stage.wait(pilot, "812,000 /")
        for keys, shown, back in (
            ("?", "しきい値以上。バーの │ が目印", "escape"),
            ("r", "すべてのカウンターをゼロに戻しますか?", "n"),
            ("l", "  3 duplicates skipped", "escape"),
            ("enter", "台帳の 1 行を数えました", "escape"),
            ("R", "このエージェントのカウンターをゼロに戻しますか?", "n"),
            ("o", "予算に対する費用", "escape"),
            ("s", "上限に対する割合で並べ替えました。", ""),
            ("slash", "名前で絞り込み。Escキーで解除", "escape"),
        ):
            await pilot.press("question_mark" if keys == "?" else keys)
            await stage.wait(pilot, shown)
            assert all(cell_len(text) == 80 for text in stage.lines()), stage.text
            if back:
                await pilot.press(back)
        await pilot.press("R")
        await stage.wait(pilot, "エージェント coder")
        await pilot.press("n", "ctrl+p")
        await stage.wait(pilot, "テーマを変更")


async def test_an_empty_ledger_in_japanese(tmp_path: Path, japanese: None) -> None:
    stage = Stage(tmp_path, view(()))
    async with stage.run(80, 24) as pilot:
        await stage.wait(pilot, "まだ何も記録されていません。")
        assert "budgauge collect --follow" in stage.text
        assert all(cell_len(text) == 80 for text in stage.lines())
