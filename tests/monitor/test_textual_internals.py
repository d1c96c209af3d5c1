"""Textual's private names stand in one file, and a version of Textual that lacks one is drawn on plainly."""

from __future__ import annotations

import ast
import inspect
import io
import sys
from pathlib import Path
from types import ModuleType

import pytest
import textual._compositor as compositor
from rich.console import Console
from rich.segment import Segment
from textual.app import App
from textual.drivers.headless_driver import HeadlessDriver
from textual.geometry import Region
from textual.screen import Screen
from textual.strip import Strip
from textual.widget import Widget

import budgauge.monitor as monitor
from budgauge.monitor import terminal_app, textual_internals
from budgauge.monitor.drawing import changed_cells
from budgauge.monitor.drawing.changed_cells import Shown
from budgauge.monitor.widgets import drawing
from monitor.stage import Stage, view

FOLDER = Path(monitor.__file__).parent
INTERNALS = Path(textual_internals.__file__)


def private_names(kind: type) -> set[str]:
    """The private names of one of Textual's classes: what it defines, and what its methods set."""
    names: set[str] = set()
    for each in kind.__mro__:
        if each.__module__.partition(".")[0] == "textual":
            names |= {name for name in vars(each) if is_private(name)}
            for node in ast.walk(ast.parse(inspect.getsource(sys.modules[each.__module__]))):
                if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "self" and is_private(node.attr):
                    names.add(node.attr)
    return names


def files() -> list[Path]:
    return [path for path in FOLDER.rglob("*.py") if path != INTERNALS]


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def test_no_other_file_imports_a_private_name() -> None:
    for path in files():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("textual"):
                checked = [*(node.module or "").split("."), *(alias.name for alias in node.names)]
                for_types = node.module == "textual._compositor" and path.name == "changed_cells.py"
                assert for_types or not any(map(is_private, checked)), f"{path}:{node.lineno}"


def test_no_other_file_reaches_into_an_app_or_a_widget_of_textuals() -> None:
    # `self._x` may be ours: those are looked at below.
    for path in files():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and is_private(node.attr):
                owner = ast.unparse(node.value)
                assert owner in ("self", "cls", "super()", "os"), f"{path}:{node.lineno}"


@pytest.mark.parametrize("kind", [App, Widget, Screen])
def test_no_name_of_ours_is_one_of_textuals(kind: type) -> None:
    theirs = private_names(kind)
    for module in list(sys.modules.values()):
        if not (isinstance(module, ModuleType) and module.__name__.startswith("budgauge.monitor")):
            continue
        for name, each in list(vars(module).items()):
            if isinstance(each, type) and issubclass(each, kind) and each.__module__ == module.__name__:
                path = Path(str(module.__file__))
                if path == INTERNALS:
                    continue
                (source,) = [
                    node
                    for node in ast.parse(path.read_text(encoding="utf-8")).body
                    if isinstance(node, ast.ClassDef) and node.name == name
                ]
                ours = {node.name for node in ast.walk(source) if isinstance(node, ast.FunctionDef)}
                ours |= {
                    node.attr
                    for node in ast.walk(source)
                    if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "self"
                }
                assert {name for name in ours if is_private(name)} & theirs == set(), path


def an_update(text: str) -> compositor.LayoutUpdate:
    return compositor.LayoutUpdate([[Strip([Segment(text)])]], Region(0, 0, len(text), 1))


def sent(shown: Shown, update: compositor.CompositorUpdate) -> str:
    difference = shown.only_changed(update)
    assert isinstance(difference, compositor.CompositorUpdate)
    return difference.render_segments(Console(file=io.StringIO()))


@pytest.mark.parametrize("name", ["ChopsUpdate", "LayoutUpdate", "CompositorUpdate", None])
def test_updates_of_another_kind_are_sent_as_they_are(name: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    update = an_update("text")
    assert Shown().only_changed(update) is not update
    if name is None:
        monkeypatch.setitem(sys.modules, "textual._compositor", None)
    else:
        monkeypatch.delattr(compositor, name)
    assert Shown().only_changed(update) is update


def test_an_update_that_lacks_something_is_sent_as_it_is() -> None:
    update = an_update("text")
    assert "text" in sent(Shown(), update)
    del update.region
    assert Shown().only_changed(update) is update


def test_what_lacks_its_names_is_left_alone() -> None:
    app = App[None]()
    assert textual_internals.line_filters(app) is not None
    del app._filters
    assert textual_internals.line_filters(app) is None
    widget = Widget()
    widget._layout_required = True
    textual_internals.count_layout(widget)
    assert widget._layout_updates == 1
    del widget._layout_updates
    textual_internals.count_layout(widget)
    assert not hasattr(widget, "_layout_updates")
    assert not textual_internals.write(app, "x")


class InLine(HeadlessDriver):
    @property
    def is_inline(self) -> bool:
        return True


@pytest.mark.parametrize("name", ["_suspend_signal", "_resume_signal", "_get_inline_height"])
async def test_a_suspension_that_cannot_be_done_is_textuals_own(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    app = App[None]()
    app._driver = InLine(app)
    monkeypatch.setattr(textual_internals.os, "kill", lambda *_: pytest.fail("it must not stop"))
    monkeypatch.delattr(App, name)
    assert not textual_internals.suspend_in_line(app, lambda: None)


@pytest.mark.parametrize("plain", [False, True])
async def test_the_monitor_draws_with_and_without_them(
    plain: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[str] = []
    monkeypatch.setattr(HeadlessDriver, "write", lambda _, data: written.append(data))
    monkeypatch.setenv("NO_COLOR", "1")
    if plain:
        monkeypatch.delattr(textual_internals.InternalApp, "_display")
        monkeypatch.delattr(textual_internals.InternalApp, "_build_driver")
        monkeypatch.setattr(terminal_app, "line_filters", lambda _: None)
        monkeypatch.setattr(changed_cells, "updates", lambda: None)
        monkeypatch.setattr(drawing, "count_layout", lambda _: None)
    stage = Stage(tmp_path, view())
    async with stage.run(100, 30) as pilot:
        monkeypatch.setattr(type(stage.app), "is_headless", False)
        stage.app.refresh()
        await stage.wait(pilot, "812,000 /")
        await pilot.pause()
        written.clear()
        stage.take(view((("coder", "gpt-4", 612_001),)))
        await stage.wait(pilot, "612,001 /")
        await stage.wait(pilot, lambda: "1" in "".join(written))
        stage.app.switch_glyphs()
        await stage.wait(pilot, "ASCII glyphs: on")
    assert stage.app.return_code in (None, 0)
