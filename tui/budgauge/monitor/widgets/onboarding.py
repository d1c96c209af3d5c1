"""The first steps on an empty ledger, in lines to paste."""

from __future__ import annotations

from shlex import quote
from typing import TYPE_CHECKING

import msgspec
from textual.content import Content
from textual.reactive import reactive

from budgauge.monitor.drawing.wrap import shell_lines, wrap
from budgauge.monitor.language import tr
from budgauge.monitor.widgets.drawing import Drawing
from budgauge.monitor.widgets.top_line import short_path
from budgauge.text import fit_left, safe, width

if TYPE_CHECKING:
    from budgauge.sources.found import FoundLog

_RECORD = ("--agent me", "--model gpt-4", "--prompt 1500", "--completion 800")
_PYTHON = "TokenBudgetTracker.open({place}).report_usage({gap}'me', 'gpt-4', 1500, 800)"


class OnboardingViewModel(msgspec.Struct, frozen=True, kw_only=True):
    """The known facts for the first steps."""

    logs: tuple[FoundLog, ...] = ()
    """Agents' logs found on this machine."""
    home: str = ""
    can_collect: bool = True
    collecting: bool = False
    ledger_option: str = ""
    """The ledger's path if commands must name it."""


class Onboarding(Drawing):
    """Three sources of usage: agents' own logs, the command line, Python."""

    DEFAULT_CSS = """
    Onboarding {
        & .onboarding--text { color: $foreground 65%; }
        & .onboarding--code { color: $primary; }
    }
    """

    view_model: reactive[OnboardingViewModel] = reactive(OnboardingViewModel(), init=False)
    roomy: reactive[bool] = reactive(True, init=False)
    """Are there empty lines between the parts?"""

    def draw(self, cells: int) -> list[Content]:
        """Return the three ways, the easiest first."""
        script = [self._head(tr("From any script")), *self._code(("budgauge", "record", *_RECORD), cells)]
        parts = [self._logs(cells), script, self._python(cells)]
        head = self._head(tr("Nothing has been recorded yet. Three ways to begin:"))
        lines = [head, Content("")] if self.roomy else []
        for number, part in enumerate(parts):
            lines += [Content("")] if number and self.roomy else []
            lines += part
        return lines

    def _logs(self, cells: int) -> list[Content]:
        logs = self.view_model.logs
        if not logs:
            return [
                self._head(tr("No agents' logs found on this machine.")),
                *self._text(tr("When Codex or Claude Code has run here, this line collects their calls:"), cells),
                *self._code(("budgauge", "collect", "--follow"), cells),
            ]
        return [*(self._log(log, cells) for log in logs), *self._collect(cells)]

    def _log(self, log: FoundLog, cells: int) -> Content:
        name = tr("{name} logs found: ", name=safe(log.name, 20))
        path = fit_left(short_path(str(log.path), self.view_model.home), max(8, cells - width(name)))
        return Content.assemble((name, self.part("number")), (path, self.part("onboarding--text")))

    def _collect(self, cells: int) -> list[Content]:
        if self.view_model.collecting:
            return self._text(tr("Collecting from now on. The next call will show here."), cells)
        follow = self._code(("budgauge", "collect", "--follow"), cells)
        if not self.view_model.can_collect:
            return follow
        text, key = self.part("onboarding--text"), self.part("title")
        line = Content.assemble(("c", key), (tr(" collects from now on; or in another terminal:"), text))
        return [line.truncate(cells, ellipsis=True), *follow]

    def _python(self, cells: int) -> list[Content]:
        place = f"ledger={self.view_model.ledger_option!r}" if self.view_model.ledger_option else ""
        one = _PYTHON.format(place=place, gap="")
        call = [one] if len(one) <= cells else _PYTHON.format(place=place, gap="\n    ").split("\n")
        lines = ["from budgauge import TokenBudgetTracker", *call]
        return [self._head(tr("From Python")), *(self._line(safe(line)) for line in lines)]

    def _head(self, text: str) -> Content:
        return Content.styled(text, self.part("number"))

    def _text(self, text: str, cells: int) -> list[Content]:
        return [Content.styled(line, self.part("onboarding--text")) for line in wrap(text, cells, 2)]

    def _code(self, words: tuple[str, ...], cells: int) -> list[Content]:
        if self.view_model.ledger_option:
            words = (*words[:2], f"--ledger {quote(self.view_model.ledger_option)}", *words[2:])
        return [self._line(safe(line)) for line in shell_lines(words, cells)]

    def _line(self, code: str) -> Content:
        return Content.styled(code, self.part("onboarding--code"))
