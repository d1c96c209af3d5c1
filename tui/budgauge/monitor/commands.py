"""The command palette's entries."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING

from textual.app import SystemCommand

from budgauge.monitor.keys import BINDINGS
from budgauge.monitor.language import tr
from budgauge.monitor.order import ORDERS, order_words
from budgauge.monitor.widgets.agent_table import AgentTable

if TYPE_CHECKING:
    from budgauge.monitor.app import MonitorApp


def commands(app: MonitorApp, textuals: Iterable[SystemCommand]) -> Iterable[SystemCommand]:
    """Yield Textual's own commands, one for each of our keys, and those without a key."""
    for command in textuals:
        yield SystemCommand(tr(command.title), tr(command.help), command.callback, command.discover)
    for binding in BINDINGS:
        if binding.action not in ("quit", "next_theme"):
            yield SystemCommand(tr(binding.description), tr(binding.tooltip), partial(app.run_action, binding.action))
    for order in ORDERS:
        yield SystemCommand(
            tr("Sort by {order}", order=order_words(order)),
            tr("The same as a click on the column's head; remembered"),
            partial(app.on_table, partial(AgentTable.sort, order=order)),
        )
    yield SystemCommand(tr("ASCII glyphs"), tr("ASCII glyphs on/off; remembered"), app.switch_glyphs)
    yield SystemCommand(tr("Animation"), tr("Animation on/off; remembered"), app.switch_animation)
    for name, folded in ((tr("Fold all families"), True), (tr("Unfold all families"), False)):
        yield SystemCommand(
            name,
            tr("Space folds the family under the cursor"),
            partial(app.on_table, partial(AgentTable.fold_all, folded=folded)),
        )
