"""A glyph and a word for each severity, so that colour is never the only sign."""

from __future__ import annotations

from budgauge.budget import Severity

GLYPHS: dict[Severity, str] = {"ok": "●", "warning": "▲", "exceeded": "■"}
NO_LIMIT_GLYPH = "○"
NO_LIMIT = "–"
