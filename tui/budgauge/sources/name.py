"""Names from foreign logs, made fit for a record. Changes stay visible."""

from __future__ import annotations

import os
import unicodedata

import msgspec

from budgauge.accounting.records import MAX_NAME_BYTES
from budgauge.config.name import cleaned

CODEX, CLAUDE_CODE = "codex", "claude-code"
"""The agents, as their sub-agents' ids begin and as records name their source."""
UNKNOWN = "unknown"
REPLACED = "\N{REPLACEMENT CHARACTER}"
CUT = "…"
MAX_TEXT_BYTES = 480
"""What a record may carry, less room for an id's own head and number."""


def fit_name(text: str | None, fallback: str = UNKNOWN) -> str:
    """Return an agent id or a model without invisible characters, its accents in one form (NFC).

    Control characters become U+FFFD, a long name ends in `…`, an empty one is `fallback`.
    """
    text = text.strip() if text else ""
    if text.isascii() and text.isprintable() and 0 < len(text) <= MAX_NAME_BYTES:
        return text
    safe = "".join(REPLACED if unicodedata.category(char) in ("Cc", "Cs") else char for char in text)
    # A cut may leave half of what is seen as one.
    return cleaned(_cut(cleaned(safe), MAX_NAME_BYTES)) or fallback


def fit_text(text: str | None) -> str | None:
    """A session or a project: a long one ends in `…`; None where there is nothing.

    Bytes of a file's name that are no UTF-8 stay apart from each other, as `\\udcff`: ids are made of it.
    """
    if not text:
        return None
    return text if text.isascii() and len(text) <= MAX_TEXT_BYTES else _cut(text, MAX_TEXT_BYTES)


def safe_path(path: str) -> str:
    """Return a path as text. Bytes other than UTF-8 become escapes such as `\\udcff`, so paths stay apart."""
    return path.encode(errors="backslashreplace").decode()


def _cut(text: str, limit: int) -> str:
    data = text.encode(errors="backslashreplace")
    if len(data) <= limit:
        return data.decode()
    return data[: limit - len(CUT.encode())].decode(errors="ignore") + CUT


class AgentNames(msgspec.Struct, frozen=True):
    """Naming of agents: by the tool, such as `codex`, or by the project in which they work."""

    by_project: bool = False

    def of(self, tool: str, role: str | None, folder: str | None) -> str:
        """Return an agent id. A sub-agent's role follows behind a slash."""
        name = (os.path.basename((folder or "").rstrip("/")) or UNKNOWN) if self.by_project else tool
        return fit_name(f"{fit_name(name)}/{fit_name(role)}" if role else name)
