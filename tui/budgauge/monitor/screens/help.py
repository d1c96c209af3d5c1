"""The help screen, made from the bindings themselves."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from rich.cells import set_cell_size
from textual.binding import Binding, BindingType
from textual.content import Content

from budgauge.monitor.language import mark, tr
from budgauge.monitor.screens.text_box import TextBox

_KEYS_CELLS = 12


class Help(TextBox):
    """Keys with their effects, and the signs on the screen; Esc closes."""

    AUTO_FOCUS = "#help"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,q", "dismiss", mark("Close"), id="help.close", tooltip=mark("Close this help")),
    ]

    def __init__(self, keys: Iterable[tuple[str, str]]) -> None:
        """Show (keys, effect) pairs."""
        super().__init__("help", tr("help"), [*map(_key_line, keys), Content(""), *_signs()])


def _key_line(key: tuple[str, str]) -> Content:
    keys, effect = key
    return Content.assemble((f"{keys:<{_KEYS_CELLS}}", "bold $accent"), (tr(effect), "$foreground"))


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
            yield binding.key_display or binding.key, binding.tooltip
