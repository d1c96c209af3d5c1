"""A glyph and a word for each severity: colour is never the only sign."""

from __future__ import annotations

from budgauge.accounting.limits import Severity
from budgauge.monitor.language import mark, tr

GLYPHS: dict[Severity, str] = {"ok": "●", "warning": "▲", "exceeded": "■"}
_WORDS: dict[Severity, str] = {"ok": mark("ok"), "warning": mark("warning"), "exceeded": mark("exceeded")}
NO_LIMIT_GLYPH = "○"
NO_LIMIT = "–"


def state_word(state: Severity) -> str:
    """Return the word of a severity."""
    return tr(_WORDS[state])
