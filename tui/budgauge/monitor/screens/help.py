"""The help screen, made from the bindings themselves."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from rich.cells import set_cell_size
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.events import Click
from textual.screen import ModalScreen
from textual.widgets import Static

from budgauge.monitor.language import mark, tr

_KEYS_CELLS = 12


class Help(ModalScreen[None]):
    """Keys with their effects, and the signs on the screen; Esc closes."""

    AUTO_FOCUS = "#help"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,q", "dismiss", mark("Close"), id="help.close", tooltip=mark("Close this help")),
    ]

    def __init__(self, bindings: Iterable[tuple[str, str]]) -> None:
        """Show (keys, effect) pairs."""
        super().__init__()
        self._told = tuple(bindings)

    def on_click(self, event: Click) -> None:
        """Close at a click beside the box."""
        if self.get_widget_at(*event.screen_offset)[0] is self:
            self.dismiss()

    def compose(self) -> ComposeResult:
        """Yield a line for each binding."""
        with VerticalScroll(id="help") as box:
            box.border_title = tr("help")
            box.border_subtitle = tr("Esc closes")
            yield Static(Content("\n").join([*self._keys(), Content(""), *_signs()]))

    def _keys(self) -> list[Content]:
        return [
            Content.assemble((f"{keys:<{_KEYS_CELLS}}", "bold $accent"), (tr(tooltip), "$foreground"))
            for keys, tooltip in self._told
        ]


def _signs() -> list[Content]:
    return [
        Content.assemble((set_cell_size(sign, _KEYS_CELLS), style), (meaning, "$foreground"))
        for sign, style, meaning in (
            (f"● {tr('ok')}", "$success", tr("below the warning threshold")),
            (f"▲ {tr('warning')}", "$warning", tr("at or over the threshold, marked │ on the bars")),
            (f"■ {tr('exceeded')}", "$error", tr("nothing is left of the limit")),
            (f"○ {tr('no limit')}", "$foreground 60%", tr("a thin bar: the share of everyone's total")),
            ("↑ 48k", "$warning", tr("a spike: far above the agent's own last hour")),
            ("▾ ▸", "$accent", tr("a family, with its agents below it, or folded")),
        )
    ]


def key_help(bindings: Iterable[BindingType]) -> Iterable[tuple[str, str]]:
    """Yield (keys, their effect) of each binding with a tooltip."""
    for binding in bindings:
        if isinstance(binding, Binding) and binding.tooltip:
            yield binding.key_display or _shown(binding.key), binding.tooltip


def _shown(keys: str) -> str:
    names = {
        "question_mark": "?",
        "escape": "Esc",
        "pageup": "PgUp",
        "pagedown": "PgDn",
        "home": "Home",
        "end": "End",
        "space": "Space",
    }
    return " ".join(names.get(key, key) for key in keys.split(","))
